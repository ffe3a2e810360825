#include "daemon/ledger/segment_preparer.hpp"

#include <algorithm>
#include <array>
#include <span>

namespace xased {
namespace {
constexpr std::size_t kPieceBytes = std::size_t{1} << 20;
// Never written to, so that it takes no memory.
const std::array<std::byte, kPieceBytes> kZeros{};
}  // namespace

bool SegmentPreparer::request(bool hurried) {
  const State state = state_.load(std::memory_order_acquire);
  if (state != State::kIdle && state != State::kFailed) return false;
  hurried_.store(hurried, std::memory_order_relaxed);
  state_.store(State::kRequested, std::memory_order_release);
  return true;
}

std::shared_ptr<File> SegmentPreparer::take() {
  std::shared_ptr<File> file = std::move(file_);
  file_ = nullptr;
  state_.store(State::kIdle, std::memory_order_release);
  return file;
}

Status SegmentPreparer::start() {
  if (fs_.exists(path_)) {
    if (Status status = fs_.remove(path_); !status.ok()) return status;
  }
  auto file = fs_.open(path_, OpenMode::kCreate);
  if (!file.ok()) return file.status();
  file_ = std::move(*file);
  made_ = 0;
  return {};
}

Status SegmentPreparer::make_piece() {
  if (can_preallocate_ && hurried_.load(std::memory_order_relaxed)) {
    Status status = file_->preallocate(bytes_);
    if (status.ok()) {
      made_ = bytes_;
      return file_->sync_data();
    }
    if (status.code() != Code::kUnsupported) return status;
    can_preallocate_ = false;
  }
  const auto zeros = std::span(kZeros).first(std::min<std::uint64_t>(kPieceBytes, bytes_ - made_));
  if (Status status = file_->write_at(zeros, made_); !status.ok()) return status;
  made_ += zeros.size();
  return file_->sync_data();
}

bool SegmentPreparer::step() {
  if (state_.load(std::memory_order_acquire) != State::kRequested) return false;
  Status status;
  if (file_ == nullptr) status = start();
  if (status.ok()) status = make_piece();
  if (!status.ok()) {
    // What was written so far would only keep a full disk full. Whether the removal works shows at
    // the next start().
    file_ = nullptr;
    (void)fs_.remove(path_);
    failure_ = std::move(status);
    state_.store(State::kFailed, std::memory_order_release);
  } else if (made_ == bytes_) {
    state_.store(State::kReady, std::memory_order_release);
  }
  return true;
}

Status SegmentPreparer::make_now() {
  (void)request();
  while (step()) {
    if (ready()) return {};
    if (failed()) return failure_;
  }
  return {};
}

}  // namespace xased
