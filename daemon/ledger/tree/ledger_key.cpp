#include "daemon/ledger/tree/ledger_key.hpp"

#include <algorithm>
#include <array>
#include <span>

#include "daemon/platform/sha256.hpp"
#include "proto/run_dir.hpp"
#include "proto/verifier_key.hpp"

namespace xased {

using xase::proto::as_bytes;
using xase::proto::as_text;
using xase::proto::Hash;
using xase::proto::KeyAlgorithm;
using xase::proto::VerifierKey;

namespace {

constexpr std::size_t kVerifierKeyBytesMax = 4096;
constexpr const char* kPublic = "log.vkey";
constexpr const char* kPrivate = "log.key";
constexpr const char* kNextPublic = "next.vkey";
constexpr const char* kNextPrivate = "next.key";

std::string uuid_of(const Hash& log_id) {
  std::array<std::byte, 16> bytes{};
  std::copy_n(log_id.begin(), bytes.size(), bytes.begin());
  bytes[6] = (bytes[6] & std::byte{0x0f}) | std::byte{0x80};
  bytes[8] = (bytes[8] & std::byte{0x3f}) | std::byte{0x80};
  std::string text = xase::proto::to_hex(bytes);
  for (const std::size_t at : {20U, 16U, 12U, 8U}) text.insert(at, "-");
  return text;
}

const VerifierKey* file_key_of(const KeySet& keys) {
  const auto found = std::find_if(keys.begin(), keys.end(), [](const VerifierKey& key) {
    return key.algorithm == KeyAlgorithm::kEd25519;
  });
  return found == keys.end() ? nullptr : &*found;
}

}  // namespace

std::string checkpoint_origin(std::string_view configured_origin, const Hash& log_id) {
  return std::string(configured_origin) + "/" + uuid_of(log_id);
}

Status overwrite_key_file(FileSystem& fs, const std::string& path) {
  auto file = fs.open(path, OpenMode::kWrite);
  if (!file.ok()) return file.status().code() == Code::kNotFound ? Status() : file.status();
  const auto size = (*file)->size();
  if (!size.ok()) return size.status();
  // As long as the file and no longer: what takes no new room works on a full disk too.
  const std::vector<std::byte> zeros(std::min<std::uint64_t>(*size, 4096));
  if (Status status = (*file)->write_at(zeros, 0); !status.ok()) return status;
  return (*file)->sync_data();
}

Result<std::unique_ptr<KeyFiles>> KeyFiles::open(FileSystem& fs, Options options) {
  std::unique_ptr<KeyFiles> files(new KeyFiles(fs, std::move(options)));
  constexpr mode_t kOwnerOnly = 0700;
  Status status = fs.make_directory(files->options_.directory, kOwnerOnly);
  if (status.ok()) status = files->find_name();
  if (status.ok()) status = files->settle_change();
  if (status.ok()) status = files->take_next();
  if (status.ok()) status = files->open_file_key();
  if (!status.ok()) return status;
  return files;
}

// The keys that `file` names, where they are this ledger's; none where there is no such file.
Result<KeySet> KeyFiles::read_keys(const std::string& file) const {
  const auto bytes = read_file(fs_, path(file), kVerifierKeyBytesMax);
  if (!bytes.ok()) {
    if (bytes.status().code() == Code::kNotFound) return KeySet();
    return bytes.status();
  }
  KeySet keys;
  std::string_view text = as_text(*bytes);
  do {
    const std::size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.empty() && !keys.empty()) continue;
    Sha256 sha;
    const auto key = xase::proto::parse_verifier_key(sha, line);
    if (!key.ok()) {
      return Status(Code::kInvalid, path(file) + " is no verifier key (" +
                                        std::string(note_fault_text(key.fault)) + ")");
    }
    keys.push_back(*key);
  } while (!text.empty());
  const std::string end = "/" + uuid_of(options_.log_id);
  const bool is_ours = std::all_of(keys.begin(), keys.end(), [&](const VerifierKey& key) {
    return key.name.ends_with(end) && key.name == keys.front().name;
  });
  return is_ours ? keys : KeySet();
}

Status KeyFiles::find_name() {
  auto keys = read_keys(kPublic);
  if (!keys.ok() && keys.status().code() == Code::kInvalid) keys = restore_public(keys.status());
  if (!keys.ok()) return keys.status();
  in_force_ = std::move(*keys);
  name_ = in_force_.empty() ? checkpoint_origin(options_.configured_origin, options_.log_id)
                            : in_force_.front().name;
  return {};
}

Result<std::optional<KeySet>> KeyFiles::journal_keys() const {
  return options_.in_force_by_journal ? options_.in_force_by_journal()
                                      : Result<std::optional<KeySet>>(std::nullopt);
}

// The journal says the same as log.vkey, so that a damaged one is no reason not to start. Where it
// says nothing, log.key does. Staged like a change and before the damaged one goes: settle_change()
// ends it, now or at the next start.
Result<KeySet> KeyFiles::restore_public(const Status& damage) {
  const auto journal = journal_keys();
  if (!journal.ok()) return journal.status();
  const auto next = read_keys(kNextPublic);
  if (!next.ok() && next.status().code() == Code::kInvalid) {
    if (Status status = set_file_aside(kNextPublic, next.status()); !status.ok()) return status;
  }
  if (*journal) {
    if (Status status = stage(**journal); !status.ok()) return status;
  }
  Status status = set_file_aside(kPublic, damage);
  if (!status.ok()) return status;
  return KeySet();
}

Status KeyFiles::set_file_aside(std::string_view file, const Status& why) {
  const std::string to = path(file) + ".damaged";
  if (Status status = fs_.rename(path(file), to); !status.ok()) return status;
  if (Status status = fs_.sync_directory(options_.directory); !status.ok()) return status;
  set_aside_.push_back(why.message() + "; it is set aside as " + to);
  return {};
}

// What was staged came into force where its entry is in the journal, which alone decides that.
Status KeyFiles::settle_change() {
  if (!fs_.exists(path(kNextPublic))) return {};
  const auto staged = read_keys(kNextPublic);
  if (!staged.ok() && staged.status().code() != Code::kInvalid) return staged.status();
  const auto journal = journal_keys();
  if (!journal.ok()) return journal.status();
  if (!staged.ok()) {
    if (*journal && !same_keys(**journal, in_force_)) {
      in_force_ = **journal;
      name_ = in_force_.front().name;
      if (Status status = write_keys(kPublic, in_force_); !status.ok()) return status;
    }
    return set_file_aside(kNextPublic, staged.status());
  }
  if (!staged->empty() && *journal && same_keys(*staged, **journal)) {
    in_force_ = *staged;
    name_ = in_force_.front().name;
    if (Status status = fs_.rename(path(kNextPublic), path(kPublic)); !status.ok()) return status;
  } else if (Status status = fs_.remove(path(kNextPublic)); !status.ok()) {
    return status;
  }
  return fs_.sync_directory(options_.directory);
}

// A next key that is in force, or one that never was.
Status KeyFiles::take_next() {
  if (!fs_.exists(path(kNextPrivate))) return {};
  auto key = Ed25519Key::load(path(kNextPrivate), name_);
  if (!key.ok() && key.status().code() == Code::kInvalid) {
    return set_file_aside(kNextPrivate, key.status());
  }
  if (!key.ok()) return key.status();
  if (!contains(in_force_, (*key)->verifier_key())) return erase_next();
  file_key_ = std::move(*key);
  is_next_ = true;
  has_retired_ = true;
  return {};
}

Status KeyFiles::open_file_key() {
  if (file_key_ != nullptr) return {};
  if (in_force_.empty()) return options_.makes_file_key ? make_file_key() : Status();
  if (file_key_of(in_force_) == nullptr) {
    has_retired_ = fs_.exists(path(kPrivate));
    return {};
  }
  const Status found = look_for_file_key();
  return found.code() == Code::kDenied ? found : Status();
}

Status KeyFiles::look_for_file_key() {
  const VerifierKey* expected = file_key_of(in_force_);
  if (file_key_ != nullptr || expected == nullptr) return {};
  auto key = Ed25519Key::load(path(kPrivate), name_);
  const std::string advice = "; put back the key that " + path(kPublic) +
                             " names, or move that file away and restart to go on with a new one: "
                             "whoever pinned the old one must be told, and verification says from "
                             "then on that the key was replaced";
  if (key.ok() && (*key)->verifier_key() == *expected) {
    file_key_ = std::move(*key);
    return {};
  }
  if (key.ok()) return {Code::kInvalid, path(kPrivate) + " is another key" + advice};
  if (key.status().code() == Code::kDenied) return key.status();
  return {key.status().code(), key.status().message() + advice};
}

Status KeyFiles::make_file_key() {
  auto key = Ed25519Key::load(path(kPrivate), name_);
  if (!key.ok() && key.status().code() == Code::kInvalid) {
    // Nothing was signed with it, whatever it was.
    if (Status status = set_file_aside(kPrivate, key.status()); !status.ok()) return status;
    key = Status(Code::kNotFound, "");
  }
  if (!key.ok() && key.status().code() == Code::kNotFound) {
    key = Ed25519Key::generate(name_);
    if (!key.ok()) return key.status();
    if (Status status = (*key)->store(fs_, path(kPrivate)); !status.ok()) return status;
  }
  if (!key.ok()) return key.status();
  file_key_ = std::move(*key);
  in_force_ = {file_key_->verifier_key()};
  return write_keys(kPublic, in_force_);
}

Status KeyFiles::write_keys(const std::string& file, const KeySet& keys) {
  std::string text;
  for (const std::string& key : key_texts(keys)) text += key + "\n";
  return write_file_atomically(fs_, path(file), as_bytes(text));
}

Status KeyFiles::erase_next() {
  if (Status status = overwrite_key_file(fs_, path(kNextPrivate)); !status.ok()) return status;
  if (Status status = fs_.remove(path(kNextPrivate)); !status.ok()) return status;
  return fs_.sync_directory(options_.directory);
}

KeySet KeyFiles::known() const {
  KeySet keys = in_force_;
  if (!has_retired_) return keys;
  // Half erased, it is no key any more, and the head is another one's.
  const auto retired = Ed25519Key::load(path(kPrivate), name_);
  if (retired.ok()) keys.push_back((*retired)->verifier_key());
  return keys;
}

Result<std::shared_ptr<Ed25519Key>> KeyFiles::create_next() {
  if (has_retired_) {
    return Status(Code::kExists,
                  "the key that gave way last is not erased yet: that takes a "
                  "checkpoint; try again in a moment");
  }
  if (fs_.exists(path(kNextPrivate))) {
    if (Status status = erase_next(); !status.ok()) return status;
  }
  auto key = Ed25519Key::generate(name_);
  if (!key.ok()) return key.status();
  if (Status status = (*key)->store(fs_, path(kNextPrivate)); !status.ok()) return status;
  return std::shared_ptr<Ed25519Key>(std::move(*key));
}

Status KeyFiles::stage(const KeySet& keys) { return write_keys(kNextPublic, keys); }

Status KeyFiles::commit(const KeySet& keys, std::shared_ptr<Ed25519Key> file_key) {
  if (fs_.exists(path(kNextPublic))) {
    if (Status status = fs_.rename(path(kNextPublic), path(kPublic)); !status.ok()) return status;
    if (Status status = fs_.sync_directory(options_.directory); !status.ok()) return status;
  } else if (Status status = write_keys(kPublic, keys); !status.ok()) {
    return status;
  }
  in_force_ = keys;
  if (file_key != file_key_) {
    is_next_ = file_key != nullptr;
    // Of a ledger without one, the next key only has to get its name.
    has_retired_ = file_key_ != nullptr || is_next_;
  }
  file_key_ = std::move(file_key);
  return {};
}

Status KeyFiles::retire() {
  if (!has_retired_) return {};
  if (Status status = overwrite_key_file(fs_, path(kPrivate)); !status.ok()) return status;
  Status status;
  if (is_next_) {
    status = fs_.rename(path(kNextPrivate), path(kPrivate));
  } else if (fs_.exists(path(kPrivate))) {
    status = fs_.remove(path(kPrivate));
  }
  if (status.ok()) status = fs_.sync_directory(options_.directory);
  if (!status.ok()) return status;
  is_next_ = false;
  has_retired_ = false;
  return {};
}

}  // namespace xased
