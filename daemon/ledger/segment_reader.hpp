// Reads the frames of one segment file.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "daemon/platform/file_system.hpp"
#include "proto/frame.hpp"

namespace xased {

// A place in a segment. One thread. The file may be growing: what does not decode is read once
// more, since bytes in the buffer may be older than the frame.
class SegmentReader {
 public:
  // Opens the segment that starts at `first_sequence`. A header that cannot be read is no error,
  // since the file's name tells where it belongs and each frame vouches for itself; one of a newer
  // version is (kUnsupported).
  static Result<std::unique_ptr<SegmentReader>> open(FileSystem& fs, const std::string& directory,
                                                     std::uint64_t first_sequence);

  // The frame at position(): views into the buffer, valid until the next call. Where the file ends:
  // kEnd at a frame's edge, kDamaged inside one. Never kIncomplete.
  Result<xase::proto::FrameResult> read_frame();
  // What the buffer holds from position() on, the frame that read_frame() gave first: views until
  // the next call, and the same bytes until reads() is another.
  xase::proto::Bytes ahead() const {
    const std::size_t offset = position_ - buffer_position_;
    return {buffer_.data() + offset, buffer_used_ - offset};
  }
  // How often the buffer was filled.
  std::uint64_t reads() const { return reads_; }
  // Moves behind a frame that read_frame() gave.
  void skip(const xase::proto::Frame& frame) { position_ += frame.bytes; }
  // Moves to the next place behind position() where a frame seems to start, whether or not it is
  // sound; false at the end of the file.
  Result<bool> find_magic();

  // The same from a place that holds no sound frame. Where its header looks whole, and those of the
  // frames behind it up to a sound one, that is the sound one: what a record holds is its app's
  // choice, and must not be taken for frames. False also once that took reading too much: an app
  // could fill its records with what looks like them.
  Result<bool> find_next_frame();

  std::uint64_t first_sequence() const { return first_sequence_; }
  const xase::proto::SegmentHeaderResult& header() const { return header_; }
  std::uint64_t position() const { return position_; }
  void move_to(std::uint64_t position) { position_ = position; }
  File& file() { return *file_; }
  const std::string& path() const { return path_; }

 private:
  SegmentReader() = default;
  Status fill(std::size_t bytes);
  Result<std::size_t> claimed_bytes(std::uint64_t position);

  std::unique_ptr<File> file_;
  std::string path_;
  std::uint64_t first_sequence_ = 0;
  xase::proto::SegmentHeaderResult header_;
  std::uint64_t position_ = xase::proto::kSegmentHeaderBytes;
  std::vector<std::byte> buffer_;  // file bytes from buffer_position_
  std::uint64_t buffer_position_ = 0;
  std::size_t buffer_used_ = 0;
  std::uint64_t reads_ = 0;
  std::uint64_t searched_bytes_ = 0;
};

}  // namespace xased
