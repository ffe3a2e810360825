#include "daemon/ledger/tree/kept_keys.hpp"

#include <algorithm>
#include <charconv>
#include <string_view>

#include "daemon/platform/sha256.hpp"
#include "proto/erasable.hpp"
#include "proto/frame.hpp"
#include "proto/hashing.hpp"

namespace xased {
namespace {

using xase::proto::Bytes;
using xase::proto::EntryType;
using xase::proto::kFrameHeaderBytes;

constexpr mode_t kPrivate = 0700;
constexpr std::size_t kDigits = 20;
constexpr std::string_view kSuffix = ".entry";
// Four keys, and a note that as many and four before them have signed.
constexpr std::size_t kFileBytesMax = std::size_t{256} << 10;

std::string directory_in(const std::string& tree) { return tree + "/keys"; }

std::string path_of(const std::string& tree, std::uint64_t sequence) {
  const std::string digits = std::to_string(sequence);
  return directory_in(tree) + "/" + std::string(kDigits - digits.size(), '0') + digits +
         std::string(kSuffix);
}

Status make_directory_in(FileSystem& fs, const std::string& tree) {
  if (Status status = fs.make_directory(directory_in(tree), kPrivate); !status.ok()) return status;
  return fs.sync_directory(tree);
}

}  // namespace

Status keep_key(FileSystem& fs, const std::string& tree, std::uint64_t sequence, Bytes leaf,
                Bytes erasable) {
  if (Status status = make_directory_in(fs, tree); !status.ok()) return status;
  std::vector<std::byte> frame(xase::proto::frame_bytes(leaf.size(), erasable.size()));
  const auto body = std::copy(leaf.begin(), leaf.end(), frame.begin() + kFrameHeaderBytes);
  std::copy(erasable.begin(), erasable.end(), body);
  xase::proto::seal_frame(frame.data(), static_cast<std::uint16_t>(EntryType::kKey), sequence,
                          leaf.size(), erasable.size());
  return write_file_atomically(fs, path_of(tree, sequence), frame);
}

Result<std::vector<std::uint64_t>> list_kept_keys(FileSystem& fs, const std::string& tree) {
  std::vector<std::uint64_t> sequences;
  if (!fs.exists(directory_in(tree))) return sequences;
  const auto names = fs.list(directory_in(tree));
  if (!names.ok()) return names.status();
  for (const std::string& name : *names) {
    std::uint64_t sequence = 0;
    const auto [end, error] =
        std::from_chars(name.data(), name.data() + std::min(name.size(), kDigits), sequence);
    if (error == std::errc() && path_of(tree, sequence) == directory_in(tree) + "/" + name) {
      sequences.push_back(sequence);
    }
  }
  return sequences;
}

Result<KeptKey> read_kept_key(FileSystem& fs, const std::string& tree, std::uint64_t sequence) {
  const std::string path = path_of(tree, sequence);
  const auto bytes = read_file(fs, path, kFileBytesMax);
  if (!bytes.ok()) {
    // Too large to be one.
    if (bytes.status().code() != Code::kInvalid) return bytes.status();
    return Status(Code::kCorrupt, bytes.status().message());
  }
  const Status corrupt(Code::kCorrupt, path + " does not hold KEY entry " +
                                           std::to_string(sequence) + " and what it commits to");
  const auto [fault, frame, needed] = xase::proto::decode_frame(*bytes);
  if (fault != xase::proto::FrameFault::kNone || frame.bytes != bytes->size()) return corrupt;
  const auto leaf = xase::proto::decode_leaf(frame.leaf);
  const auto erasable = xase::proto::decode_erasable(frame.erasable);
  if (!leaf || leaf->type != EntryType::kKey || leaf->sequence != sequence || !erasable) {
    return corrupt;
  }
  Sha256 sha;
  if (xase::proto::commitments(sha, *erasable) != leaf->commitments) return corrupt;
  const Bytes body = erasable->parts[xase::proto::kRestPart];
  return KeptKey{
      *leaf, {frame.leaf.begin(), frame.leaf.end()}, std::vector(body.begin(), body.end())};
}

Status copy_kept_keys(FileSystem& fs, const std::string& from, const std::string& to,
                      std::uint64_t last) {
  const auto sequences = list_kept_keys(fs, from);
  if (!sequences.ok()) return sequences.status();
  for (const std::uint64_t sequence : *sequences) {
    if (sequence > last) break;
    const auto bytes = read_file(fs, path_of(from, sequence), kFileBytesMax);
    if (!bytes.ok() && bytes.status().code() == Code::kInvalid) continue;
    if (!bytes.ok()) return bytes.status();
    if (Status status = make_directory_in(fs, to); !status.ok()) return status;
    if (Status status = write_file_atomically(fs, path_of(to, sequence), *bytes); !status.ok()) {
      return status;
    }
  }
  return {};
}

}  // namespace xased
