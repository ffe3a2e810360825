#include "daemon/ledger/segment_reader.hpp"

#include <algorithm>
#include <cstring>

#include "daemon/ledger/segment_names.hpp"

namespace xased {

using xase::proto::FrameFault;
using xase::proto::FrameResult;

namespace {
constexpr std::size_t kBufferBytes = std::size_t{256} << 10;
}

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

}  // namespace xased
