// The text of a checkpoint, the head of the ledger: C2SP tlog-checkpoint, without extension lines.
//
//   <origin>
//   <number of leaves, decimal>
//   <base64 of the root>
//
// each with a newline. It is the text of a signed note.
#pragma once

#include <charconv>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "proto/merkle.hpp"
#include "proto/note.hpp"

namespace xase::proto {

struct Checkpoint {
  std::string origin;
  std::uint64_t size = 0;
  Hash root{};

  friend bool operator==(const Checkpoint&, const Checkpoint&) = default;
};

// The origin is also the name of the keys that sign for it, so it has the form of a key's name.
inline std::string format_checkpoint(const Checkpoint& checkpoint) {
  return checkpoint.origin + "\n" + std::to_string(checkpoint.size) + "\n" +
         encode_base64(checkpoint.root) + "\n";
}

// `text` of a note that parse_note() took.
inline Parsed<Checkpoint> parse_checkpoint(std::string_view text) {
  const auto take_line = [&text](std::string_view& line) {
    const std::size_t end = text.find('\n');
    if (end == std::string_view::npos) return false;
    line = text.substr(0, end);
    text.remove_prefix(end + 1);
    return true;
  };
  std::string_view line;
  Checkpoint checkpoint;
  if (!take_line(line) || !is_note_name(line)) return NoteFault::kOrigin;
  checkpoint.origin = line;
  if (!take_line(line)) return NoteFault::kSize;
  const auto [end, error] =
      std::from_chars(line.data(), line.data() + line.size(), checkpoint.size);
  if (error != std::errc() || end != line.data() + line.size() || checkpoint.size > kTreeSizeMax ||
      (line.starts_with('0') && line.size() > 1)) {
    return NoteFault::kSize;
  }
  if (!take_line(line)) return NoteFault::kRoot;
  const auto root = decode_base64(line);
  if (!root || root->size() != sizeof(Hash)) return NoteFault::kRoot;
  checkpoint.root = load<Hash>(root->data());
  if (!text.empty()) return NoteFault::kExtensionLines;
  return checkpoint;
}

}  // namespace xase::proto
