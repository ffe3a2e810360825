// The KEY entries of a ledger: which keys are in force, which of them sign, and how others take
// over from them.
//
// A change is, in this order: the new private half durable (next.key); a note that all old and all
// new keys signed; what comes into force, durable (next.vkey); the KEY entry, durable; log.vkey.
// From that entry on the new keys sign. Once a checkpoint of theirs covers it the old private half
// is erased. Wherever the process dies, the next start finds in the journal whether the change took
// place.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "daemon/config/log.hpp"
#include "daemon/ledger/ledger.hpp"
#include "daemon/ledger/positions.hpp"
#include "daemon/ledger/tree/key_entry.hpp"
#include "daemon/ledger/tree/ledger_key.hpp"
#include "daemon/ledger/tree/ledger_keys.hpp"
#include "daemon/ledger/tree/module_keys.hpp"
#include "daemon/platform/clock.hpp"

namespace xased {

// Which keys shall be in force; at least one of the two.
struct KeyOptions {
  bool wants_file = true;
  bool wants_module = false;
};

// Intake's thread, like the ledger, but for what is said otherwise; begin() before it starts.
class KeyKeeper {
 public:
  struct Peers {
    const Clock& clock;
    const Positions& positions;
    Ledger& ledger;
    KeyFiles& files;
    LedgerKeys& keys;
    ModuleKeys* module;                                 // null: none is configured
    const std::atomic<std::uint64_t>& checkpoint_size;  // entries that the signed head covers
  };
  // All peers outlive this.
  KeyKeeper(const Peers& peers, const KeyOptions& options);

  // Right behind START: says which keys are in force. Where there is no room for the entry it comes
  // before anything else that is appended.
  void begin();
  // Does what is due; whether anything was appended.
  bool step();
  // Says again which keys are in force where that was last told at or before entry `through`, which
  // is about to be removed. False: there is no room for it now.
  bool tell_again(std::uint64_t through);
  // Whether other keys came into force since the last call.
  bool take_changed();
  // Those that sign now, for notes in entries.
  Result<SignerList> signers() const { return peers_.keys.find_all(signing_); }

  // Any other thread. Has a new file key take over, and gives what is in force then, durably.
  // kTimeout: it did not come to that in time, and goes on by itself; the message says what it
  // waits for. kExists: another change is under way. kUnsupported: no key in a file is wanted.
  Result<KeySet> rotate(std::chrono::nanoseconds timeout);
  // The same without waiting for it.
  Status ask_to_rotate();
  // Any thread. Why keys that are wanted or in force do not sign; empty: all do.
  std::string trouble() const;

 private:
  void look_for_module_keys();
  void look_for_file_key();
  bool lacks_file_key() const;
  const xase::proto::VerifierKey* in_force_file_key() const;  // null: there is none
  bool settle_change();
  void retire_old();
  bool follow_module();
  bool change();
  Result<std::optional<KeySet>> find_wanted();
  Result<std::uint64_t> append_change(const KeySet& wanted);
  bool append_in_use(const KeySet& keys, KeyEvent event);
  Ledger::MadeBody made(KeyEvent event, const KeySet& signing, const KeySet& in_force);
  std::shared_ptr<Ed25519Key> file_key_of(const KeySet& keys) const;
  KeySet missing() const;
  void answer(Result<KeySet> result);
  void set_trouble(const std::string& text);

  const Peers peers_;
  const KeyOptions options_;
  KeySet in_force_;
  KeySet signing_;
  // Of the last KEY entry; 0: there is none yet.
  std::uint64_t last_sequence_ = 0;
  xase::proto::Hash last_previous_{};
  std::shared_ptr<Ed25519Key> file_key_;  // in force
  std::shared_ptr<Ed25519Key> next_key_;  // shall take over
  std::uint64_t pending_ = 0;             // the entry that is not settled yet
  std::uint64_t retire_behind_ = 0;       // what a checkpoint must cover; 0: nothing to erase
  std::optional<xase::proto::VerifierKey> retired_;
  bool has_changed_ = false;
  bool wants_rotation_ = false;
  std::int64_t next_look_boot_ns_ = 0;
  std::int64_t next_file_look_boot_ns_ = 0;
  std::string no_file_key_why_;
  std::int64_t retry_boot_ns_ = 0;
  std::int64_t missing_since_boot_ns_ = 0;  // 0: none is missing
  std::int64_t back_since_boot_ns_ = 0;
  RepeatedLog log_{"keys"};

  enum class Request { kNone, kAsked, kUnderWay };
  mutable std::mutex mutex_;  // guards what follows; held for a copy
  std::condition_variable answered_;
  Request request_ = Request::kNone;
  std::optional<Result<KeySet>> answer_;
  std::string trouble_;
};

}  // namespace xased
