// The files in STATE_DIR/keys that say which keys sign the ledger, and hold the one that is no
// module's.
//
//   log.vkey   the public halves of the keys in force, one a line, as people pin them
//   log.key    the private half of the Ed25519 key in force
//   next.key   that of the key which takes over from it
//   next.vkey  what log.vkey becomes once the change is a durable entry of the ledger
//
// A file that holds something else is set aside as *.damaged, and what it said is taken from the
// journal where that can say it. A log.key that is gone, or is another key, keeps nobody from
// starting: it is like a module that does not answer.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/ledger/tree/key_entry.hpp"
#include "daemon/ledger/tree/signing_key.hpp"
#include "daemon/platform/file_system.hpp"
#include "proto/bytes.hpp"

namespace xased {

// "host/name/uuid", the uuid made of the log id (RFC 9562, version 8): of no other ledger, and the
// same for this one for ever.
std::string checkpoint_origin(std::string_view configured_origin, const xase::proto::Hash& log_id);

// Overwrites the file with zeros and syncs it; success where there is none. A file system or a disk
// that never writes in place may still keep the old bytes somewhere.
Status overwrite_key_file(FileSystem& fs, const std::string& path);

// One thread at a time.
class KeyFiles {
 public:
  struct Options {
    std::string directory;  // STATE_DIR/keys
    std::string configured_origin;
    xase::proto::Hash log_id{};
    // A new ledger gets a key in a file.
    bool makes_file_key = true;
    // What the last KEY entry of the journal says is in force; nothing: it says nothing.
    std::function<Result<std::optional<KeySet>>()> in_force_by_journal;
  };

  // Makes what is not there, durably, and settles a change that the last run did not end: the
  // journal says whether it took place. What `log.vkey` names stays the name of this ledger, also
  // where the configuration changes. kDenied where a key file is open to others: the message says
  // what to do.
  static Result<std::unique_ptr<KeyFiles>> open(FileSystem& fs, Options options);

  // Of the signature lines: the origin of the ledger's checkpoints.
  const std::string& name() const { return name_; }
  // What log.vkey says; empty: no key signed this ledger yet.
  const KeySet& in_force() const { return in_force_; }
  // The key in a file that is in force; null: none is, or its private half is not there.
  const std::shared_ptr<Ed25519Key>& file_key() const { return file_key_; }
  // Looks again for that private half; why it is not there, and what to do, ok where it is.
  Status look_for_file_key();
  // What was set aside at this start, for an entry and a person.
  const std::vector<std::string>& set_aside() const { return set_aside_; }
  // Those, and the one in a file that gave way to another and is not erased yet: the head on disk
  // may still be of that.
  KeySet known() const;
  // A private half is still there that gave way to another key.
  bool has_retired() const { return has_retired_; }

  // A new key in next.key, durably; one that was there was never in force, and is replaced.
  Result<std::shared_ptr<Ed25519Key>> create_next();
  // Before the entry of the change is appended: notes, durably, what comes into force with it.
  Status stage(const KeySet& keys);
  // Once it is durable. `file_key`: of these keys, the one in a file.
  Status commit(const KeySet& keys, std::shared_ptr<Ed25519Key> file_key);
  // Once a checkpoint that the new keys signed covers it: erases the private half that gave way.
  Status retire();

 private:
  KeyFiles(FileSystem& fs, Options options) : fs_(fs), options_(std::move(options)) {}
  std::string path(std::string_view file) const {
    return options_.directory + "/" + std::string(file);
  }
  Status settle_change();
  Result<std::optional<KeySet>> journal_keys() const;
  Result<KeySet> restore_public(const Status& damage);
  Result<KeySet> read_keys(const std::string& file) const;
  Status find_name();
  Status take_next();
  Status open_file_key();
  Status set_file_aside(std::string_view file, const Status& why);
  Status make_file_key();
  Status write_keys(const std::string& file, const KeySet& keys);
  Status erase_next();

  FileSystem& fs_;
  const Options options_;
  std::string name_;
  KeySet in_force_;
  std::shared_ptr<Ed25519Key> file_key_;
  bool is_next_ = false;  // file_key_ lies in next.key
  bool has_retired_ = false;
  std::vector<std::string> set_aside_;
};

}  // namespace xased
