#include "daemon/delivery/cursor.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

#include "proto/crc32c.hpp"

namespace xased {
namespace {

using xase::proto::Bytes;
using xase::proto::load;
using xase::proto::store;

constexpr std::array<char, 8> kMagic{'X', 'A', 'S', 'E', 'C', 'U', 'R', 'S'};
constexpr std::uint32_t kVersion = 1;
constexpr std::size_t kHeaderBytes = 136;
constexpr std::size_t kCrcOffset = 132;
constexpr std::size_t kSlotBytes =
    kHeaderBytes + 8 * Cursor::kOpenMax + 16 * Cursor::kRetriesMax + 16 * Cursor::kDamagesMax;
// Space given to a slot at once; larger ones grow it.
constexpr std::size_t kPreparedBytes = std::size_t{16} << 10;

std::uint32_t crc_of(Bytes bytes) {
  constexpr std::array<std::byte, 4> kZero{};
  std::uint32_t crc = xase::proto::crc32c(bytes.first(kCrcOffset));
  crc = xase::proto::crc32c(kZero, crc);
  return xase::proto::crc32c(bytes.subspan(kCrcOffset + 4), crc);
}

}  // namespace

std::vector<std::byte> encode_cursor(const Cursor& cursor) {
  const std::size_t bytes = kHeaderBytes + 8 * cursor.open.size() + 16 * cursor.retries.size() +
                            16 * cursor.damages.size();
  std::vector<std::byte> out(bytes);
  store(out.data(), kMagic);
  store(out.data() + 8, kVersion);
  store(out.data() + 12, static_cast<std::uint32_t>(bytes));
  store(out.data() + 16, cursor.generation);
  store(out.data() + 24, cursor.log_id);
  store(out.data() + 56, cursor.settled_through);
  store(out.data() + 64, cursor.read_through);
  store(out.data() + 72, cursor.window_end);
  store(out.data() + 80, cursor.scanned_through);
  if (cursor.first_intent) {
    store(out.data() + 88, cursor.first_intent->boot_ns);
    store(out.data() + 96, cursor.first_intent->wall_ns);
    store(out.data() + 104, cursor.first_intent->boot_id);
  }
  store(out.data() + 120, static_cast<std::uint32_t>(cursor.open.size()));
  store(out.data() + 124, static_cast<std::uint32_t>(cursor.retries.size()));
  store(out.data() + 128, static_cast<std::uint32_t>(cursor.damages.size()));
  std::byte* to = out.data() + kHeaderBytes;
  for (const std::uint64_t sequence : cursor.open) {
    store(to, sequence);
    to += 8;
  }
  for (const PendingRetry& retry : cursor.retries) {
    store(to, retry.sequence);
    store(to + 8, retry.requested_wall_ns);
    to += 16;
  }
  for (const SequenceRange& range : cursor.damages) {
    store(to, range.first);
    store(to + 8, range.last);
    to += 16;
  }
  store(out.data() + kCrcOffset, crc_of(out));
  return out;
}

std::optional<Cursor> decode_cursor(Bytes bytes) {
  if (bytes.size() < kHeaderBytes) return std::nullopt;
  const std::byte* from = bytes.data();
  if (load<std::array<char, 8>>(from) != kMagic || load<std::uint32_t>(from + 8) != kVersion) {
    return std::nullopt;
  }
  const auto open = load<std::uint32_t>(from + 120);
  const auto retries = load<std::uint32_t>(from + 124);
  const auto damages = load<std::uint32_t>(from + 128);
  if (open > Cursor::kOpenMax || retries > Cursor::kRetriesMax || damages > Cursor::kDamagesMax) {
    return std::nullopt;
  }
  const std::size_t used =
      kHeaderBytes + std::size_t{8} * open + std::size_t{16} * retries + std::size_t{16} * damages;
  if (load<std::uint32_t>(from + 12) != used || bytes.size() < used) return std::nullopt;
  if (load<std::uint32_t>(from + kCrcOffset) != crc_of(bytes.first(used))) return std::nullopt;
  Cursor cursor;
  cursor.generation = load<std::uint64_t>(from + 16);
  cursor.log_id = load<xase::proto::Hash>(from + 24);
  cursor.settled_through = load<std::uint64_t>(from + 56);
  cursor.read_through = load<std::uint64_t>(from + 64);
  cursor.window_end = load<std::uint64_t>(from + 72);
  cursor.scanned_through = load<std::uint64_t>(from + 80);
  if (load<std::int64_t>(from + 88) != 0) {
    cursor.first_intent = Moment{load<std::int64_t>(from + 88), load<std::int64_t>(from + 96),
                                 load<xase::proto::Id>(from + 104)};
  }
  from += kHeaderBytes;
  for (std::uint32_t i = 0; i < open; ++i, from += 8) {
    cursor.open.push_back(load<std::uint64_t>(from));
  }
  for (std::uint32_t i = 0; i < retries; ++i, from += 16) {
    cursor.retries.push_back({load<std::uint64_t>(from), load<std::int64_t>(from + 8)});
  }
  for (std::uint32_t i = 0; i < damages; ++i, from += 16) {
    cursor.damages.push_back({load<std::uint64_t>(from), load<std::uint64_t>(from + 8)});
  }
  return cursor;
}

std::string CursorStore::path(std::size_t slot) const {
  return directory_ + "/cursor." + std::to_string(slot);
}

Status CursorStore::make_slot(std::size_t slot) {
  slots_.at(slot).reset();
  const std::vector<std::byte> zeros(kPreparedBytes);
  Status status = write_file_atomically(fs_, path(slot), zeros);
  if (!status.ok()) return status;
  Result<std::unique_ptr<File>> file = fs_.open(path(slot), OpenMode::kWrite);
  if (!file.ok()) return file.status();
  slots_.at(slot) = std::move(*file);
  return {};
}

Result<CursorStore::Loaded> CursorStore::load() {
  Loaded loaded;
  std::array<bool, 2> make{};
  for (std::size_t slot = 0; slot < slots_.size(); ++slot) {
    if (!fs_.exists(path(slot))) {
      make.at(slot) = true;
      continue;
    }
    Result<std::vector<std::byte>> bytes = read_file(fs_, path(slot), kSlotBytes);
    if (!bytes.ok() && bytes.status().code() != Code::kInvalid) return bytes.status();
    std::optional<Cursor> cursor;
    if (bytes.ok()) cursor = decode_cursor(*bytes);
    const bool blank = bytes.ok() && !bytes->empty() &&
                       std::all_of(bytes->begin(), bytes->end(),
                                   [](std::byte byte) { return byte == std::byte{0}; });
    if (!cursor) {
      // Blank: made, and never written to.
      loaded.damaged = loaded.damaged || !blank;
      make.at(slot) = !blank;
    } else if (!loaded.cursor || cursor->generation > loaded.cursor->generation) {
      loaded.cursor = std::move(*cursor);
      next_ = 1 - slot;
    }
    if (!make.at(slot)) {
      Result<std::unique_ptr<File>> file = fs_.open(path(slot), OpenMode::kWrite);
      if (!file.ok()) return file.status();
      slots_.at(slot) = std::move(*file);
    }
  }
  if (loaded.cursor) generation_ = loaded.cursor->generation;
  for (std::size_t slot = 0; slot < slots_.size(); ++slot) {
    if (!make.at(slot)) continue;
    if (Status status = make_slot(slot); !status.ok()) return status;
  }
  return loaded;
}

Status CursorStore::store(Cursor& cursor) {
  cursor.generation = ++generation_;
  const std::vector<std::byte> bytes = encode_cursor(cursor);
  if (!slots_.at(next_)) {
    if (Status status = make_slot(next_); !status.ok()) return status;
  }
  File& file = *slots_.at(next_);
  Status status = file.write_at(bytes, 0);
  if (status.ok()) status = file.sync_data();
  if (!status.ok()) {
    // What the file now holds is unknown, and after a failed sync stays so.
    slots_.at(next_).reset();
    return status;
  }
  next_ = 1 - next_;
  return {};
}

}  // namespace xased
