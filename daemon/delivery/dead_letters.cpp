#include "daemon/delivery/dead_letters.hpp"

#include <algorithm>
#include <array>
#include <map>
#include <utility>

#include "proto/crc32c.hpp"

namespace xased {
namespace {

using xase::proto::load;
using xase::proto::store;

constexpr std::size_t kCodeOffset = 32;
constexpr std::size_t kCodeBytes = 28;
constexpr std::size_t kCrcOffset = 60;
// Lines read at once.
constexpr std::size_t kBlockLines = 256;

using Line = std::array<std::byte, DeadLetters::kLineBytes>;

Line encode(const DeadLetter& letter) {
  Line line{};
  store(line.data(), letter.record_sequence);
  store(line.data() + 8, letter.near_sequence);
  store(line.data() + 16, letter.wall_ns);
  store(line.data() + 24, letter.http_status);
  store(line.data() + 26, static_cast<std::uint16_t>(letter.event));
  store(line.data() + 28, letter.error_code);
  const std::size_t code_bytes = std::min(letter.api_code.size(), kCodeBytes);
  std::copy_n(reinterpret_cast<const std::byte*>(letter.api_code.data()), code_bytes,
              line.data() + kCodeOffset);
  store(line.data() + kCrcOffset, xase::proto::crc32c({line.data(), kCrcOffset}));
  return line;
}

std::optional<DeadLetter> decode(const std::byte* from) {
  if (load<std::uint32_t>(from + kCrcOffset) != xase::proto::crc32c({from, kCrcOffset})) {
    return std::nullopt;
  }
  const auto event = load<std::uint16_t>(from + 26);
  if (event < 1 || event > 3) return std::nullopt;
  DeadLetter letter;
  letter.record_sequence = load<std::uint64_t>(from);
  letter.near_sequence = load<std::uint64_t>(from + 8);
  letter.wall_ns = load<std::int64_t>(from + 16);
  letter.http_status = load<std::uint16_t>(from + 24);
  letter.event = static_cast<DeadLetterEvent>(event);
  letter.error_code = load<std::uint32_t>(from + 28);
  const char* code = reinterpret_cast<const char*>(from + kCodeOffset);
  letter.api_code.assign(code, std::find(code, code + kCodeBytes, '\0'));
  return letter;
}

}  // namespace

Status DeadLetters::open() {
  const bool existed = fs_.exists(path_);
  if (!existed) {
    if (Status status = write_file_atomically(fs_, path_, {}); !status.ok()) return status;
  }
  Result<std::unique_ptr<File>> file = fs_.open(path_, OpenMode::kWrite);
  if (!file.ok()) return file.status();
  Result<std::uint64_t> size = (*file)->size();
  if (!size.ok()) return size.status();
  {
    const std::scoped_lock lock(mutex_);
    file_ = std::move(*file);
    bytes_ = *size;
  }
  std::uint64_t sound = 0;
  Status status = for_each([&sound](const DeadLetter&) { sound += kLineBytes; });
  if (!status.ok()) return status;
  const std::scoped_lock lock(mutex_);
  bytes_ = sound;
  if (existed) return {};
  return {Code::kNotFound, "there was no " + path_};
}

Status DeadLetters::clear() {
  const std::scoped_lock lock(mutex_);
  bytes_ = 0;
  dirty_ = true;
  return file_->truncate(0);
}

Status DeadLetters::append(const DeadLetter& letter) {
  const Line line = encode(letter);
  const std::scoped_lock lock(mutex_);
  if (Status status = file_->write_at(line, bytes_); !status.ok()) return status;
  bytes_ += kLineBytes;
  dirty_ = true;
  return {};
}

Status DeadLetters::sync() {
  const std::scoped_lock lock(mutex_);
  if (!dirty_) return {};
  Status status = file_->sync_data();
  if (status.ok()) dirty_ = false;
  return status;
}

template <class Visit>
Status DeadLetters::for_each(Visit visit) const {
  std::vector<std::byte> block(kBlockLines * kLineBytes);
  for (std::uint64_t at = 0;; at += block.size()) {
    std::size_t lines = 0;
    {
      const std::scoped_lock lock(mutex_);
      if (!file_) return {Code::kNotFound, "the index of dead letters is not open"};
      const std::uint64_t left = at < bytes_ ? bytes_ - at : 0;
      const std::span<std::byte> to(block.data(), std::min<std::uint64_t>(block.size(), left));
      Result<std::size_t> got = file_->read_at(to, at);
      if (!got.ok()) return got.status();
      lines = *got / kLineBytes;
    }
    for (std::size_t i = 0; i < lines; ++i) {
      const std::optional<DeadLetter> letter = decode(block.data() + i * kLineBytes);
      if (!letter) return {};
      visit(*letter);
    }
    if (lines < kBlockLines) return {};
  }
}

Result<std::vector<DeadLetter>> DeadLetters::list(std::uint64_t after, std::size_t limit) const {
  // The smallest `limit` sequences and the newest event of each. A record that is no longer set
  // aside makes room again, and then one that was pushed out may be missing: so read once more,
  // behind the last one found.
  std::vector<DeadLetter> found;
  bool more = true;
  while (found.size() < limit && more) {
    std::map<std::uint64_t, DeadLetter> newest;
    more = false;
    Status status = for_each([&](const DeadLetter& letter) {
      if (letter.record_sequence <= after) return;
      newest.insert_or_assign(letter.record_sequence, letter);
      if (newest.size() > limit) {
        newest.erase(std::prev(newest.end()));
        more = true;
      }
    });
    if (!status.ok()) return status;
    for (auto& [sequence, letter] : newest) {
      after = sequence;
      if (letter.event == DeadLetterEvent::kDelivered) continue;
      if (found.size() < limit) found.push_back(std::move(letter));
    }
  }
  return found;
}

Result<std::optional<DeadLetter>> DeadLetters::find(std::uint64_t record_sequence) const {
  std::optional<DeadLetter> found;
  Status status = for_each([&](const DeadLetter& letter) {
    if (letter.record_sequence == record_sequence) found = letter;
  });
  if (!status.ok()) return status;
  return found;
}

}  // namespace xased
