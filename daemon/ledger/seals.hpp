// The ledger's epochs, and the SEAL entries that bound and count them.
//
// An epoch has a key of its own, which the ledger's keys certify at its opening. Its last act is
// to sign the closing seal, which by the chain covers all that came before; then it is erased.
// Whoever breaks into the host later finds no key with which to close that epoch another way.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "daemon/config/log.hpp"
#include "daemon/ledger/ledger.hpp"
#include "daemon/ledger/tree/epoch_keys.hpp"
#include "daemon/ledger/tree/signer.hpp"
#include "daemon/platform/clock.hpp"
#include "proto/seal.hpp"

namespace xased {

struct SealOptions {
  std::chrono::nanoseconds epoch = std::chrono::hours(24);
  std::chrono::nanoseconds interval = std::chrono::hours(1);
};

// Intake's thread, like the ledger; begin() before it starts. Timers use the boot clock.
class Seals {
 public:
  using Producers = std::vector<xase::proto::SealProducer>;

  // All outlive this. `log_keys`: the ledger's, which certify.
  Seals(const Clock& clock, Ledger& ledger, EpochKeys& keys, SignersNow log_keys,
        const SealOptions& options);

  // Closes the epoch that the last run left open, as far as its key is still there, and opens the
  // next. Where there is no room for the entries they come before anything else that is appended.
  // What fails is logged, and tried again by step(): the ledger goes on without, and an epoch that
  // is open stays so until the next one is certified.
  void begin(const std::optional<EpochState>& found, const Producers& producers);

  // Appends what is due; `producers` is asked only then. Whether anything was appended.
  template <class Collect>
  bool step(Collect&& producers) {
    return is_due() && append_due(producers());
  }
  // For the head of a new segment, where appending never fails. False: between two epochs there is
  // nothing to seal, and the segment alone does not tell which epoch was the last.
  bool start_segment(const Producers& producers);
  // The ledger's keys are others now: the next step() closes the epoch and opens one under them.
  void renew() {
    next_.reset();
    epoch_ends_boot_ns_ = 0;
    retry_boot_ns_ = 0;
  }
  // No epoch is open yet, and one is about to be: what belongs into one is better kept waiting. For
  // a few seconds after begin() at most.
  bool asks_to_wait() const;
  // At a clean stop, right before STOP. False where there is no room for it now.
  bool close(const Producers& producers);

  // 0: none is open.
  std::uint64_t open_epoch() const { return key_ == nullptr ? 0 : epoch_; }

 private:
  // The epoch that comes, until it is certified.
  struct Next {
    std::uint64_t epoch = 0;
    std::shared_ptr<Ed25519Key> key;
  };
  bool is_due() const;
  bool append_due(const Producers& producers);
  bool append(const Producers& producers, const Ledger::MadeBody& make);
  Result<Ledger::MadeBody> prepare(const Producers& producers);
  Ledger::MadeBody closing(const Producers& producers);
  xase::proto::SealBody body(xase::proto::SealEvent event, const ChainState& state,
                             const Producers& producers) const;
  void erase_others(std::uint64_t open);
  void complain(const char* what, const Status& status);
  void put_off(const Status& status);

  const Clock& clock_;
  Ledger& ledger_;
  EpochKeys& keys_;
  const SignersNow log_keys_;
  const SealOptions options_;
  std::uint64_t epoch_ = 0;          // the last one that was opened; 0: none
  std::shared_ptr<Ed25519Key> key_;  // of the epoch that is open
  bool is_opening_ = false;          // the entry waits for room
  std::string certificate_;
  std::int64_t epoch_ends_boot_ns_ = 0;
  std::int64_t next_interval_boot_ns_ = 0;
  std::int64_t retry_boot_ns_ = 0;
  std::int64_t began_boot_ns_ = 0;
  std::optional<Next> next_;
  RepeatedLog log_{"seals"};
};

}  // namespace xased
