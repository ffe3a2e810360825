// A ledger with epochs, as a daemon makes it: one run of it after the other.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "daemon/ledger/seals.hpp"
#include "tests/daemon/ledger/signed_ledger.hpp"

namespace xased::test {

class SealedLedger {
 public:
  // One life of a daemon: ends like a kill, unless stop() was called.
  class Run {
   public:
    Run(SealedLedger& ledger, const SealOptions& options, std::uint64_t segment_bytes)
        : writer(ledger.state_dir(), segment_bytes, system_file_system(), ++seed_) {
      if (ledger.key == nullptr) {
        ledger.key = new_key(checkpoint_origin("host.test/ledger", writer.ledger().state().log_id));
      }
      keys.emplace(system_file_system(), ledger.state_dir() + "/keys",
                   ledger.key->verifier_key().name);
      writer.body(EntryType::kKey, Subject{}, xase::proto::as_bytes(key_entry(*ledger.key)));
      seals.emplace(writer.clock(), writer.ledger(), *keys, signs_alone(*ledger.key), options);
      writer.at_segment_start = [this] { return seals->start_segment(producers); };
      seals->begin(writer.recovery.epoch, producers);
      writer.sync();
    }

    void record(int count) {
      for (int i = 0; i < count; ++i) {
        const Written written = writer.record(LedgerWriter::ring(1));
        producers = {{LedgerWriter::ring(1), written.ring_sequence, 0}};
      }
    }
    // As intake does in each of its steps.
    bool step() {
      return seals->step([this] { return producers; });
    }
    void stop() {
      EXPECT_TRUE(seals->close(producers));
      writer.stop();
    }
    std::uint64_t last() { return writer.ledger().state().last_sequence; }

   private:
    static inline std::uint64_t seed_ = 0;

   public:
    LedgerWriter writer;
    std::optional<EpochKeys> keys;
    std::optional<Seals> seals;
    Seals::Producers producers;
  };

  SealedLedger() { std::filesystem::create_directories(state_dir() + "/keys"); }

  const std::string& state_dir() const { return dir_.path(); }
  std::unique_ptr<Run> run(const SealOptions& options = {},
                           std::uint64_t segment_bytes = 64U << 10) {
    return std::make_unique<Run>(*this, options, segment_bytes);
  }
  std::string key_file(std::uint64_t epoch) const {
    return state_dir() + "/keys/epoch-" + std::to_string(epoch) + ".key";
  }

  // The ledger's key is pinned, and signed the head over `size` entries; with it `also`.
  VerifyReport verify(std::uint64_t size, Signer* also = nullptr) {
    write_text(state_dir() + "/keys/log.vkey", verifier_key_text(*key) + "\n");
    sign_anew(state_dir(), *key, size, also);
    VerifyOptions options;
    options.keys = {key->verifier_key()};
    auto report = verify_ledger(system_file_system(), state_dir(), options);
    EXPECT_TRUE(report.ok()) << report.status().message();
    return report.ok() ? std::move(*report) : VerifyReport{};
  }

  std::unique_ptr<Ed25519Key> key;

 private:
  const TempDir dir_;
};

}  // namespace xased::test
