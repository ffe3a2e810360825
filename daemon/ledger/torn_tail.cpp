#include "daemon/ledger/torn_tail.hpp"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>
#include <utility>

#include "daemon/ledger/segment_names.hpp"
#include "proto/frame.hpp"

namespace xased {

namespace {

// The quarantine's file is the log of the cut. It is there, under a name that tells all that the
// cut needs, from before the segment is touched until the cut is durable:
//   torn-<segment>-<from>-<next sequence>[.<n>].cutting[-<sequence>-<position>]
// The numbers at the end are the mark's. Then it loses that ending.
constexpr std::string_view kPrefix = "torn-";
constexpr std::string_view kCutting = ".cutting";

// In the place of a frame's own.
constexpr std::string_view kSpoiltMagic = "XFR?";

std::string quarantine_of(const std::string& state_dir) { return state_dir + "/quarantine"; }

std::string path_of(const std::string& state_dir, const TornTail& tail) {
  return state_dir + "/" + std::string(kJournalFolder) + "/" + segment_name(tail.segment);
}

std::string path_in(const std::string& folder, const std::string& name) {
  return folder + "/" + name;
}

// A name that no file there has.
std::string free_name(FileSystem& fs, const std::string& quarantine, const TornTail& tail) {
  const std::string name = std::string(kPrefix) + segment_name(tail.segment) + "-" +
                           std::to_string(tail.from) + "-" + std::to_string(tail.next_sequence);
  std::string free = name;
  for (int n = 1; fs.exists(path_in(quarantine, free)); ++n) free = name + "." + std::to_string(n);
  return free;
}

std::string cutting_name(const std::string& name, const TornTail& tail) {
  std::string cutting = name + std::string(kCutting);
  if (tail.mark) {
    cutting +=
        "-" + std::to_string(tail.mark->sequence) + "-" + std::to_string(tail.mark->position);
  }
  return cutting;
}

// Takes a number off the front of `text`, and the character behind it where there is to be one.
std::optional<std::uint64_t> take_number(std::string_view& text, std::string_view behind) {
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{}) return std::nullopt;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  if (!text.starts_with(behind)) return std::nullopt;
  text.remove_prefix(behind.size());
  return number;
}

// What a name tells of a cut; nothing where it is not that of one under way.
std::optional<TornTail> parse_cutting_name(std::string_view name) {
  const std::size_t cutting = name.find(kCutting);
  if (cutting == std::string_view::npos || !name.starts_with(kPrefix)) return std::nullopt;
  std::string_view ending = name.substr(cutting + kCutting.size());
  std::string_view place = name.substr(kPrefix.size(), cutting - kPrefix.size());
  const std::size_t segment_bytes = segment_name(1).size();
  const auto segment = parse_segment_name(place.substr(0, segment_bytes));
  if (!segment) return std::nullopt;
  place.remove_prefix(segment_bytes);
  if (!place.starts_with('-')) return std::nullopt;
  place.remove_prefix(1);
  const auto from = take_number(place, "-");
  if (!from || *from < xase::proto::kSegmentHeaderBytes) return std::nullopt;
  const auto next_sequence = take_number(place, "");
  if (!next_sequence) return std::nullopt;
  TornTail tail{*segment, *from, *next_sequence, {}, {}, {}};
  if (ending.empty()) return tail;
  if (!ending.starts_with('-')) return std::nullopt;
  ending.remove_prefix(1);
  const auto sequence = take_number(ending, "-");
  if (!sequence) return std::nullopt;
  const auto position = take_number(ending, "");
  if (!position || !ending.empty()) return std::nullopt;
  tail.mark = TailMark{*sequence, *position};
  return tail;
}

// What stands in the place of the tail when it is cut.
std::vector<std::byte> replacement_of(const TornTail& tail) {
  const std::size_t mark_bytes = tail.mark ? xase::proto::kCommitMarkBytes : 0;
  std::vector<std::byte> bytes(std::max(tail.bytes.size(), mark_bytes));
  if (tail.mark) {
    xase::proto::encode_commit_mark(tail.mark->sequence, tail.mark->position, bytes.data());
  }
  return bytes;
}

// Whether each byte at the tail's place is the tail's, or what a cut puts there, or the zero that
// was there before both: after a failed sync the tail may never have reached the disk.
Result<bool> is_half_cut(const File& file, const TornTail& tail,
                         std::span<const std::byte> replacement) {
  const auto size = file.size();
  if (!size.ok()) return size.status();
  if (tail.from > *size || replacement.size() > *size - tail.from) return false;
  std::vector<std::byte> there(replacement.size());
  const auto got = file.read_at(there, tail.from);
  if (!got.ok()) return got.status();
  for (std::size_t i = 0; i < there.size(); ++i) {
    const bool is_tails = i < tail.bytes.size() && there[i] == tail.bytes[i];
    if (!is_tails && there[i] != replacement[i] && there[i] != std::byte{0}) return false;
  }
  return true;
}

Status keep(FileSystem& fs, const std::string& state_dir, const std::string& name,
            xase::proto::Bytes bytes) {
  const std::string quarantine = quarantine_of(state_dir);
  Status status = fs.make_directory(quarantine, 0700);
  if (status.ok()) status = fs.sync_directory(state_dir);
  if (status.ok()) status = write_file_atomically(fs, path_in(quarantine, name), bytes);
  return status;
}

Status forget(FileSystem& fs, const std::string& quarantine, const std::string& name) {
  Status status = fs.remove(path_in(quarantine, name));
  if (status.code() == Code::kNotFound) return {};
  return status.ok() ? fs.sync_directory(quarantine) : status;
}

Status overwrite(File& file, const TornTail& tail, std::span<const std::byte> replacement) {
  if (Status status = file.write_at(replacement, tail.from); !status.ok()) return status;
  return file.sync_data();
}

Result<std::optional<KeptTail>> end_cut(FileSystem& fs, const std::string& quarantine,
                                        const std::string& cutting, std::uint64_t bytes) {
  const std::string path = path_in(quarantine, cutting.substr(0, cutting.rfind(kCutting)));
  Status status = fs.rename(path_in(quarantine, cutting), path);
  if (status.ok()) status = fs.sync_directory(quarantine);
  if (!status.ok()) return status;
  return std::optional(KeptTail{bytes, path});
}

// Leaves nothing in a tail that stays that is taken for an entry, or that says, torn as it is,
// where the next one is. The last goes first, so that a start which dies here leaves what a shorter
// tail is. The marks tell of what lies before the tail, and stay.
Status spoil_frames(FileSystem& fs, const std::string& state_dir, const TornTail& tail) {
  auto file = fs.open(path_of(state_dir, tail), OpenMode::kWrite);
  if (!file.ok()) return file.status();
  constexpr std::size_t kMagicBytes = xase::proto::kFrameMagic.size();
  bool is_changed = false;
  for (std::size_t at = xase::proto::align_up(tail.bytes.size(), xase::proto::kFrameAlignment);
       at != 0;) {
    at -= xase::proto::kFrameAlignment;
    if (tail.bytes.size() - at < kMagicBytes) continue;
    const bool is_frame =
        std::memcmp(&tail.bytes[at], xase::proto::kFrameMagic.data(), kMagicBytes) == 0;
    if (!is_frame || std::ranges::binary_search(tail.marks, tail.from + at)) continue;
    Status status = (*file)->write_at(xase::proto::as_bytes(kSpoiltMagic), tail.from + at);
    if (!status.ok()) return status;
    is_changed = true;
  }
  return is_changed ? (*file)->sync_data() : Status();
}

// The bytes that a cut keeps in a file in the quarantine. None where the file cannot be a cut's,
// which has the name of one all the same: it is empty, too large, or no file.
Result<std::vector<std::byte>> read_kept(FileSystem& fs, const std::string& path,
                                         std::uint64_t bytes_max) {
  std::vector<std::byte> bytes;
  // Also for writing: that does not wait for anybody at a fifo.
  auto file = fs.open(path, OpenMode::kWrite);
  if (!file.ok()) {
    const int error = file.status().os_error();
    if (error == EISDIR || error == ELOOP || error == ENXIO) return bytes;
    return file.status();
  }
  const auto size = (*file)->size();
  if (!size.ok()) return size.status();
  if (*size > bytes_max) return bytes;
  bytes.resize(*size);
  const auto got = (*file)->read_at(bytes, 0);
  if (!got.ok()) return got.status();
  bytes.resize(*got);
  return bytes;
}

// Ends the cut of `tail`, whose bytes are in the file named `cutting`. Gives none where that is no
// cut's.
Result<std::optional<KeptTail>> finish_cut(FileSystem& fs, const std::string& state_dir,
                                           TornTail& tail, const std::string& cutting) {
  const std::string quarantine = quarantine_of(state_dir);
  auto file = fs.open(path_of(state_dir, tail), OpenMode::kWrite);
  if (!file.ok()) {
    if (file.status().code() != Code::kNotFound) return file.status();
    return std::optional<KeptTail>();
  }
  const auto size = (*file)->size();
  if (!size.ok()) return size.status();
  auto bytes = read_kept(fs, path_in(quarantine, cutting), *size - std::min(*size, tail.from));
  if (!bytes.ok()) return bytes.status();
  if (bytes->empty()) return std::optional<KeptTail>();
  tail.bytes = std::move(*bytes);
  const std::vector<std::byte> replacement = replacement_of(tail);
  const auto is_ours = is_half_cut(**file, tail, replacement);
  if (!is_ours.ok()) return is_ours.status();
  if (*is_ours) {
    if (Status status = overwrite(**file, tail, replacement); !status.ok()) return status;
  }
  return end_cut(fs, quarantine, cutting, tail.bytes.size());
}

}  // namespace

Result<std::optional<KeptTail>> cut_torn_tail(FileSystem& fs, const std::string& state_dir,
                                              const TornTail& tail) {
  const std::string quarantine = quarantine_of(state_dir);
  const std::string cutting = cutting_name(free_name(fs, quarantine, tail), tail);
  const Status kept = keep(fs, state_dir, cutting, tail.bytes);
  if (kept.code() == Code::kNoSpace) {
    // Else the next start would cut what this one lets be.
    Status status = forget(fs, quarantine, cutting);
    if (status.ok()) status = spoil_frames(fs, state_dir, tail);
    if (!status.ok()) return status;
    return std::optional<KeptTail>();
  }
  if (!kept.ok()) return kept;
  auto file = fs.open(path_of(state_dir, tail), OpenMode::kWrite);
  if (!file.ok()) return file.status();
  if (Status status = overwrite(**file, tail, replacement_of(tail)); !status.ok()) return status;
  return end_cut(fs, quarantine, cutting, tail.bytes.size());
}

Result<std::optional<KeptTail>> finish_cuts(FileSystem& fs, const std::string& state_dir) {
  const std::string quarantine = quarantine_of(state_dir);
  std::optional<KeptTail> last;
  // A start may have ended in between: what is written from here on must not be followed, after
  // power went, by a name that says that the cut is still to be made.
  const Status synced = fs.sync_directory(quarantine);
  if (synced.code() == Code::kNotFound) return last;
  if (!synced.ok()) return synced;
  const auto names = fs.list(quarantine);
  if (!names.ok()) return names.status();
  for (const std::string& name : *names) {
    auto tail = parse_cutting_name(name);
    if (!tail) continue;
    auto kept = finish_cut(fs, state_dir, *tail, name);
    if (!kept.ok()) return kept;
    if (*kept) last = std::move(*kept);
  }
  return last;
}

}  // namespace xased
