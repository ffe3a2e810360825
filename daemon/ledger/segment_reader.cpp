#include "daemon/ledger/segment_reader.hpp"

#include <algorithm>
#include <array>
#include <cstring>

#include "daemon/ledger/segment_names.hpp"

namespace xased {

using xase::proto::FrameFault;
using xase::proto::FrameResult;

namespace {
constexpr std::size_t kBufferBytes = std::size_t{256} << 10;
// That find_next_frame() reads of whole frames before it gives up.
constexpr std::uint64_t kSearchBytesMax = std::uint64_t{4} << 30;
}  // namespace

Result<std::unique_ptr<SegmentReader>> SegmentReader::open(FileSystem& fs,
                                                           const std::string& directory,
                                                           std::uint64_t first_sequence) {
  std::unique_ptr<SegmentReader> reader(new SegmentReader);
  const std::string name = segment_name(first_sequence);
  reader->path_ = directory + "/" + name;
  reader->first_sequence_ = first_sequence;
  auto file = fs.open(reader->path_, OpenMode::kRead);
  if (!file.ok()) return file.status();
  reader->file_ = std::move(*file);
  std::vector<std::byte> header(xase::proto::kSegmentHeaderBytes);
  const auto got = reader->file_->read_at(header, 0);
  if (!got.ok()) return got.status();
  header.resize(*got);
  reader->header_ = xase::proto::decode_segment_header(header);
  if (reader->header_.fault == xase::proto::SegmentFault::kNewerVersion) {
    return Status(Code::kUnsupported, reader->path_ +
                                          " was written by a newer version of xased; use that "
                                          "version with this state directory");
  }
  return reader;
}

// Makes at least `bytes` bytes from position_ available where the file has them.
Status SegmentReader::fill(std::size_t bytes) {
  const std::size_t wanted = std::max(bytes, kBufferBytes);
  if (buffer_.size() < wanted) buffer_.resize(wanted);
  ++reads_;
  const auto got = file_->read_at(buffer_, position_);
  if (!got.ok()) return got.status();
  buffer_position_ = position_;
  buffer_used_ = *got;
  return {};
}

Result<FrameResult> SegmentReader::read_frame() {
  FrameResult result{FrameFault::kIncomplete, {}, xase::proto::kFrameHeaderBytes};
  if (position_ >= buffer_position_ && position_ < buffer_position_ + buffer_used_) {
    const std::size_t offset = position_ - buffer_position_;
    result = xase::proto::decode_frame({buffer_.data() + offset, buffer_used_ - offset});
    if (result.fault == FrameFault::kNone) return result;
  }
  for (std::size_t wanted = std::max(result.needed_bytes, kBufferBytes);;) {
    if (Status status = fill(wanted); !status.ok()) return status;
    result = xase::proto::decode_frame({buffer_.data(), buffer_used_});
    if (result.fault != FrameFault::kIncomplete) return result;
    if (buffer_used_ < wanted) {
      // Less than a frame's header of zeros at the end of the file is where writing stopped, too.
      const auto end = buffer_.begin() + static_cast<std::ptrdiff_t>(buffer_used_);
      const bool is_end =
          buffer_used_ < xase::proto::kFrameHeaderBytes &&
          std::all_of(buffer_.begin(), end, [](std::byte b) { return b == std::byte{0}; });
      result.fault = is_end ? FrameFault::kEnd : FrameFault::kDamaged;
      return result;
    }
    wanted = result.needed_bytes;
  }
}

Result<bool> SegmentReader::find_magic() {
  constexpr std::size_t kMagicBytes = xase::proto::kFrameMagic.size();
  for (;;) {
    position_ += xase::proto::kFrameAlignment;
    if (position_ < buffer_position_ || position_ + kMagicBytes > buffer_position_ + buffer_used_) {
      if (Status status = fill(0); !status.ok()) return status;
      if (buffer_used_ < kMagicBytes) return false;
    }
    const std::byte* at = buffer_.data() + (position_ - buffer_position_);
    if (std::memcmp(at, xase::proto::kFrameMagic.data(), kMagicBytes) == 0) return true;
  }
}

// How long the frame at `position` is by its header; 0 where there is none that looks whole.
Result<std::size_t> SegmentReader::claimed_bytes(std::uint64_t position) {
  std::array<std::byte, xase::proto::kFrameHeaderBytes> header{};
  const auto got = file_->read_at(header, position);
  if (!got.ok()) return got.status();
  const auto leaf_bytes = xase::proto::load<std::uint32_t>(header.data() + 8);
  const auto erasable_bytes = xase::proto::load<std::uint32_t>(header.data() + 12);
  const bool has_sizes =
      xase::proto::load<std::array<char, 4>>(header.data()) == xase::proto::kFrameMagic &&
      leaf_bytes <= xase::proto::kLeafBytes && erasable_bytes <= xase::proto::kErasableBytesMax;
  return has_sizes ? xase::proto::frame_bytes(leaf_bytes, erasable_bytes) : std::size_t{0};
}

Result<bool> SegmentReader::find_next_frame() {
  const std::uint64_t from = position_;
  while (searched_bytes_ <= kSearchBytesMax) {
    const auto claimed = claimed_bytes(position_);
    if (!claimed.ok()) return claimed.status();
    if (*claimed == 0) break;
    searched_bytes_ += *claimed;
    position_ += *claimed;
    const auto behind = read_frame();
    if (!behind.ok()) return behind.status();
    // Only a sound frame shows that the sizes on the way to it were true.
    if (behind->fault == FrameFault::kNone) return true;
  }
  move_to(from);
  return searched_bytes_ <= kSearchBytesMax ? find_magic() : Result<bool>(false);
}

}  // namespace xased
