#include "daemon/ledger/tree/ledger_key.hpp"

#include <array>
#include <span>

#include "daemon/platform/sha256.hpp"
#include "proto/run_dir.hpp"
#include "proto/verifier_key.hpp"

namespace xased {

using xase::proto::as_bytes;
using xase::proto::as_text;
using xase::proto::Hash;

namespace {

constexpr std::size_t kVerifierKeyBytesMax = 4096;

std::string uuid_of(const Hash& log_id) {
  std::array<std::byte, 16> bytes{};
  std::copy_n(log_id.begin(), bytes.size(), bytes.begin());
  bytes[6] = (bytes[6] & std::byte{0x0f}) | std::byte{0x80};
  bytes[8] = (bytes[8] & std::byte{0x3f}) | std::byte{0x80};
  std::string text = xase::proto::to_hex(bytes);
  for (const std::size_t at : {20U, 16U, 12U, 8U}) text.insert(at, "-");
  return text;
}

// The name under which the ledger was signed before; empty: never, or it was another ledger.
Result<std::string> known_name(FileSystem& fs, const std::string& path, const Hash& log_id) {
  const auto bytes = read_file(fs, path, kVerifierKeyBytesMax);
  if (!bytes.ok()) {
    if (bytes.status().code() == Code::kNotFound) return std::string();
    return bytes.status();
  }
  std::string_view text = as_text(*bytes);
  while (!text.empty() && text.back() == '\n') text.remove_suffix(1);
  Sha256 sha;
  const auto key = xase::proto::parse_verifier_key(sha, text);
  if (!key.ok()) {
    return Status(Code::kInvalid, path + " is no verifier key (" +
                                      std::string(note_fault_text(key.fault)) +
                                      "); move it away, and it is written again");
  }
  return key->name.ends_with("/" + uuid_of(log_id)) ? key->name : std::string();
}

}  // namespace

std::string checkpoint_origin(std::string_view configured_origin, const Hash& log_id) {
  return std::string(configured_origin) + "/" + uuid_of(log_id);
}

Result<std::unique_ptr<Ed25519Key>> open_ledger_key(FileSystem& fs, const std::string& directory,
                                                    std::string_view configured_origin,
                                                    const Hash& log_id) {
  constexpr mode_t kPrivate = 0700;
  if (Status status = fs.make_directory(directory, kPrivate); !status.ok()) return status;
  const std::string private_path = directory + "/log.key";
  const std::string public_path = directory + "/log.vkey";
  auto name = known_name(fs, public_path, log_id);
  if (!name.ok()) return name.status();
  const bool is_known = !name->empty();
  if (!is_known) *name = checkpoint_origin(configured_origin, log_id);
  auto key = Ed25519Key::load(private_path, *name);
  if (!key.ok() && key.status().code() == Code::kNotFound) {
    if (is_known) {
      return Status(Code::kNotFound,
                    private_path + ", the key that " + public_path +
                        " belongs to, is gone; put it back, or move that file away to go on with a "
                        "new key, which whoever pinned the old one must be told");
    }
    key = Ed25519Key::generate(*name);
    if (!key.ok()) return key.status();
    if (Status status = (*key)->store(fs, private_path); !status.ok()) return status;
  }
  if (!key.ok()) return key.status();
  if (!is_known) {
    Sha256 sha;
    const std::string text = xase::proto::format_verifier_key(sha, (*key)->verifier_key()) + "\n";
    if (Status status = write_file_atomically(fs, public_path, as_bytes(text)); !status.ok()) {
      return status;
    }
  }
  return key;
}

}  // namespace xased
