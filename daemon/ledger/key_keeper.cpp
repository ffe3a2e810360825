#include "daemon/ledger/key_keeper.hpp"

#include <algorithm>
#include <utility>

#include "daemon/ledger/tree/sign_note.hpp"

namespace xased {

using std::chrono::nanoseconds;
using xase::proto::EntryType;
using xase::proto::KeyAlgorithm;
using xase::proto::VerifierKey;

namespace {

constexpr std::int64_t kLookNs = 5'000'000;
constexpr std::int64_t kRetryNs = 1'000'000'000;
// How long a module may be silent before the others sign alone, and answer before it is waited for
// again.
constexpr std::int64_t kAwayAfterNs = 5'000'000'000;
constexpr std::int64_t kBackAfterNs = 2'000'000'000;
constexpr std::size_t kBodyBytesMax = std::size_t{16} << 10;

std::vector<std::byte> bytes_of(const std::string& text) {
  const xase::proto::Bytes bytes = xase::proto::as_bytes(text);
  return {bytes.begin(), bytes.end()};
}

}  // namespace

KeyKeeper::KeyKeeper(const Peers& peers, const KeyOptions& options)
    : peers_(peers),
      options_(options),
      in_force_(peers.files.in_force()),
      signing_(in_force_),
      file_key_(peers.files.file_key()) {
  if (file_key_ != nullptr) peers_.keys.add(file_key_);
}

// Knows the place of the entry once it has one. Nothing is in force before it is in the ledger.
Ledger::MadeBody KeyKeeper::made(KeyEvent event, const KeySet& signing, const KeySet& in_force) {
  return [this, event, signing, in_force](const ChainState& before) {
    last_sequence_ = before.last_sequence + 1;
    last_previous_ = before.head;
    signing_ = signing;
    in_force_ = in_force;
    return bytes_of(format_key_entry({event, signing, {}}));
  };
}

void KeyKeeper::begin() {
  if (in_force_.empty()) return;  // until the module has shown the first key
  peers_.ledger.append_opening(EntryType::kKey, kBodyBytesMax,
                               made(KeyEvent::kInUse, in_force_, in_force_));
  if (peers_.files.has_retired()) retire_behind_ = UINT64_MAX;
}

bool KeyKeeper::step() {
  const std::int64_t now = peers_.clock.boot_ns();
  if (now < next_look_boot_ns_) return false;
  next_look_boot_ns_ = now + kLookNs;
  log_.flush(nanoseconds(now));
  look_for_module_keys();
  look_for_file_key();
  {
    const std::scoped_lock lock(mutex_);
    if (request_ == Request::kAsked && pending_ == 0) {
      request_ = Request::kUnderWay;
      wants_rotation_ = true;
      retry_boot_ns_ = 0;
    }
  }
  if (pending_ != 0) return settle_change();
  retire_old();
  if (!in_force_.empty() && last_sequence_ == 0) return false;  // the first entry waits for room
  return follow_module() || change();
}

bool KeyKeeper::take_changed() { return std::exchange(has_changed_, false); }

void KeyKeeper::look_for_module_keys() {
  if (peers_.module == nullptr) return;
  for (const VerifierKey& key : in_force_) {
    if (key.algorithm != KeyAlgorithm::kEcdsaP256 || peers_.keys.find(key) != nullptr) continue;
    if (auto signer = peers_.module->find(key); signer != nullptr) {
      peers_.keys.add(std::move(signer));
    }
  }
}

// The one in a file that is in force has no private half here.
bool KeyKeeper::lacks_file_key() const {
  return file_key_ == nullptr && in_force_file_key() != nullptr;
}

const VerifierKey* KeyKeeper::in_force_file_key() const {
  const auto found = std::find_if(in_force_.begin(), in_force_.end(), [](const VerifierKey& key) {
    return key.algorithm == KeyAlgorithm::kEd25519;
  });
  return found == in_force_.end() ? nullptr : &*found;
}

// Once someone has put it back, it signs again.
void KeyKeeper::look_for_file_key() {
  const std::int64_t now = peers_.clock.boot_ns();
  if (now < next_file_look_boot_ns_ || pending_ != 0 || !lacks_file_key()) return;
  next_file_look_boot_ns_ = now + kRetryNs;
  const Status found = peers_.files.look_for_file_key();
  no_file_key_why_ = found.message();
  if (!found.ok()) return;
  file_key_ = peers_.files.file_key();
  if (file_key_ != nullptr) peers_.keys.add(file_key_);
}

// Keys in force that do not sign at the moment.
KeySet KeyKeeper::missing() const {
  KeySet missing;
  for (const VerifierKey& key : in_force_) {
    const bool is_modules = key.algorithm == KeyAlgorithm::kEcdsaP256;
    const bool is_silent =
        is_modules && (peers_.module == nullptr || !peers_.module->trouble().ok());
    if (is_silent || peers_.keys.find(key) == nullptr) missing.push_back(key);
  }
  return missing;
}

// Lets the others sign alone where the module is silent, as long as it is.
bool KeyKeeper::follow_module() {
  const std::int64_t now = peers_.clock.boot_ns();
  const KeySet gone = missing();
  if (gone.empty()) {
    missing_since_boot_ns_ = 0;
    if (same_keys(signing_, in_force_)) return false;
    if (back_since_boot_ns_ == 0) back_since_boot_ns_ = now;
    if (now - back_since_boot_ns_ < kBackAfterNs) return false;
    return append_in_use(in_force_, KeyEvent::kInUse);
  }
  back_since_boot_ns_ = 0;
  if (missing_since_boot_ns_ == 0) missing_since_boot_ns_ = now;
  if (now - missing_since_boot_ns_ < kAwayAfterNs) return false;
  KeySet left;
  for (const VerifierKey& key : in_force_) {
    if (!contains(gone, key)) left.push_back(key);
  }
  Status module = peers_.module == nullptr ? Status(Code::kNotFound, "no module is configured")
                                           : peers_.module->trouble();
  if (module.ok()) module = Status(Code::kNotFound, "the module does not hold it");
  set_trouble(
      "a key that is in force does not sign: " +
      (lacks_file_key() ? no_file_key_why_ : module.message()) +
      (left.empty() ? "; there is no checkpoint until it does" : "; the others sign alone"));
  if (left.empty() || same_keys(left, signing_)) return false;
  return append_in_use(left, KeyEvent::kAway);
}

bool KeyKeeper::tell_again(std::uint64_t through) {
  if (last_sequence_ == 0 || last_sequence_ > through || signing_.empty()) return true;
  const bool all_sign = same_keys(signing_, in_force_);
  return append_in_use(signing_, all_sign ? KeyEvent::kInUse : KeyEvent::kAway);
}

bool KeyKeeper::append_in_use(const KeySet& keys, KeyEvent event) {
  const KeySet in_force = in_force_.empty() ? keys : in_force_;
  return peers_.ledger.append_made(EntryType::kKey, kBodyBytesMax, made(event, keys, in_force)) !=
         0;
}

// What shall be in force; nothing while the module has not shown its key.
Result<std::optional<KeySet>> KeyKeeper::find_wanted() {
  KeySet wanted;
  if (options_.wants_file) {
    const bool has_none = file_key_ == nullptr && !lacks_file_key();
    if (next_key_ == nullptr && (wants_rotation_ || has_none)) {
      auto next = peers_.files.create_next();
      if (!next.ok()) return next.status();
      next_key_ = std::move(*next);
    }
    const auto& key = next_key_ != nullptr ? next_key_ : file_key_;
    wanted.push_back(key != nullptr ? key->verifier_key() : *in_force_file_key());
  }
  if (options_.wants_module) {
    if (peers_.module == nullptr) return Status(Code::kNotFound, "no module is configured");
    const auto signer = peers_.module->wanted();
    if (!signer.ok() && signer.status().code() == Code::kTimeout) return std::optional<KeySet>();
    if (!signer.ok()) return signer.status();
    peers_.keys.add(*signer);
    wanted.push_back((*signer)->verifier_key());
  }
  return std::optional(wanted);
}

bool KeyKeeper::change() {
  const std::int64_t now = peers_.clock.boot_ns();
  if (now < retry_boot_ns_) return false;
  const auto fail = [&](const Status& status) {
    retry_boot_ns_ = now + kRetryNs;
    set_trouble("the keys that are wanted are not in force yet: " + status.message());
    return false;
  };
  const auto wanted = find_wanted();
  if (!wanted.ok()) return fail(wanted.status());
  if (!wanted->has_value()) return false;
  if (same_keys(**wanted, in_force_)) {
    if (missing().empty() && same_keys(signing_, in_force_)) set_trouble({});
    return false;
  }
  if (in_force_.empty()) {
    // The first of this ledger.
    if (Status status = peers_.files.stage(**wanted); !status.ok()) return fail(status);
    if (!append_in_use(**wanted, KeyEvent::kInUse)) return false;
    pending_ = last_sequence_;
    return true;
  }
  const auto appended = append_change(**wanted);
  if (!appended.ok()) {
    return appended.status().code() == Code::kTimeout ? false : fail(appended.status());
  }
  if (*appended == 0) retry_boot_ns_ = now + kRetryNs;
  return *appended != 0;
}

// Gives 0 where there is no room for it now.
Result<std::uint64_t> KeyKeeper::append_change(const KeySet& wanted) {
  if (next_key_ != nullptr) peers_.keys.add(next_key_);
  KeySet all = in_force_;
  for (const VerifierKey& key : wanted) {
    if (!contains(all, key)) all.push_back(key);
  }
  const auto signers = peers_.keys.find_all(all);
  if (!signers.ok()) return signers.status();
  std::vector<Signer*> pointers;
  for (const auto& signer : *signers) pointers.push_back(signer.get());
  xase::proto::KeyChange change;
  change.origin = peers_.keys.name();
  change.log_id = peers_.ledger.state().log_id;
  change.before_sequence = last_sequence_;
  change.before_previous = last_previous_;
  change.old_keys = key_texts(in_force_);
  change.new_keys = key_texts(wanted);
  auto note = sign_note(key_change_text(change), pointers);
  if (!note.ok()) return note.status();
  if (Status status = peers_.files.stage(wanted); !status.ok()) return status;
  auto body = bytes_of(format_key_entry({KeyEvent::kChanged, wanted, std::move(*note)}));
  const auto make = [&](const ChainState& before) {
    last_sequence_ = before.last_sequence + 1;
    last_previous_ = before.head;
    return body;
  };
  // A segment that begins here is sealed by the old keys' certificate: nothing has changed yet.
  if (peers_.ledger.append_made(EntryType::kKey, body.size(), make) == 0) return std::uint64_t{0};
  in_force_ = wanted;
  signing_ = wanted;
  has_changed_ = true;
  pending_ = last_sequence_;
  return pending_;
}

std::shared_ptr<Ed25519Key> KeyKeeper::file_key_of(const KeySet& keys) const {
  for (const auto& key : {next_key_, file_key_}) {
    if (key != nullptr && contains(keys, key->verifier_key())) return key;
  }
  return nullptr;
}

// Once the entry is durable it decides; until then the next start might find it gone.
bool KeyKeeper::settle_change() {
  if (peers_.positions.durable.load(std::memory_order_acquire) < pending_) return false;
  const std::shared_ptr<Ed25519Key> key = file_key_of(in_force_);
  if (Status status = peers_.files.commit(in_force_, key); !status.ok()) {
    log_.log(LogLevel::kError, "commit", "log.vkey does not name the keys in force yet",
             {{"error", status.message()}}, nanoseconds(peers_.clock.boot_ns()));
    return false;
  }
  if (file_key_ != nullptr && key != file_key_) retired_ = file_key_->verifier_key();
  if (peers_.files.has_retired()) retire_behind_ = pending_;
  file_key_ = key;
  next_key_ = nullptr;
  pending_ = 0;
  wants_rotation_ = false;
  set_trouble({});
  log_info("keys", "other keys are in force", {{"since_entry", last_sequence_}});
  answer(in_force_);
  return false;
}

// Nothing verifies with the old private half that the old public one does not already.
void KeyKeeper::retire_old() {
  if (retire_behind_ == 0) return;
  if (retire_behind_ == UINT64_MAX) {
    // From an earlier run: this run's first KEY entry lies behind it.
    if (last_sequence_ == 0) return;
    retire_behind_ = last_sequence_;
  }
  if (peers_.checkpoint_size.load(std::memory_order_relaxed) < retire_behind_) return;
  if (retired_) peers_.keys.remove(*retired_);
  if (Status status = peers_.files.retire(); !status.ok()) {
    log_.log(LogLevel::kError, "retire", "the private half of a key that gave way is still there",
             {{"error", status.message()}}, nanoseconds(peers_.clock.boot_ns()));
    return;
  }
  retire_behind_ = 0;
  retired_.reset();
}

Status KeyKeeper::ask_to_rotate() {
  if (!options_.wants_file) {
    return {Code::kUnsupported,
            "no key in a file is in use: make a new key in the module, name it in "
            "ledger.pkcs11_key, and restart"};
  }
  const std::scoped_lock lock(mutex_);
  if (request_ != Request::kNone) {
    return {Code::kExists, "another change of the keys is under way"};
  }
  request_ = Request::kAsked;
  answer_.reset();
  return {};
}

Result<KeySet> KeyKeeper::rotate(nanoseconds timeout) {
  if (Status status = ask_to_rotate(); !status.ok()) return status;
  std::unique_lock lock(mutex_);
  if (!answered_.wait_for(lock, timeout, [&] { return answer_.has_value(); })) {
    return Status(Code::kTimeout,
                  "the new key is not in force yet, and the change goes on by itself" +
                      (trouble_.empty() ? std::string() : ": " + trouble_));
  }
  return *std::exchange(answer_, std::nullopt);
}

void KeyKeeper::answer(Result<KeySet> result) {
  const std::scoped_lock lock(mutex_);
  if (request_ != Request::kUnderWay) return;
  request_ = Request::kNone;
  answer_ = std::move(result);
  answered_.notify_all();
}

std::string KeyKeeper::trouble() const {
  const std::scoped_lock lock(mutex_);
  return trouble_;
}

void KeyKeeper::set_trouble(const std::string& text) {
  bool is_new = false;
  {
    const std::scoped_lock lock(mutex_);
    is_new = trouble_ != text;
    trouble_ = text;
  }
  if (text.empty()) {
    if (is_new) log_info("keys", "all keys sign", {});
    return;
  }
  log_.log(LogLevel::kError, "trouble", "the ledger's keys", {{"why", text}},
           nanoseconds(peers_.clock.boot_ns()));
}

}  // namespace xased
