// What an app would do instead of record(): each takes a record's bytes from here to somewhere
// else.
#pragma once

#include <fcntl.h>
#include <spdlog/async.h>
#include <spdlog/sinks/basic_file_sink.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <boost/lockfree/spsc_queue.hpp>
#include <cstring>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "tests/bench/measure.hpp"

namespace xase::bench {

// One at a time, from one thread.
class Alternative {
 public:
  virtual ~Alternative() = default;
  virtual const char* name() const = 0;
  virtual void take(std::string_view record) = 0;
  // Returns once what was taken has been read by the other side.
  virtual void settle() {}
};

// The limit: the same bytes into memory that the cache holds as a ring's.
class PlainCopy final : public Alternative {
 public:
  const char* name() const override { return "plain copy into a warm 4 MiB ring"; }
  void take(std::string_view record) override {
    constexpr std::size_t kLine = 64;
    if (at_ + record.size() > memory_.size()) at_ = 0;
    std::memcpy(memory_.data() + at_, record.data(), record.size());
    // A compiler that saw nobody read it would leave the copy out.
    asm volatile("" : : "r"(memory_.data()) : "memory");
    at_ += (record.size() + kLine - 1) / kLine * kLine;
  }

 private:
  std::vector<char> memory_ = std::vector<char>(std::size_t{4} << 20, '\1');
  std::size_t at_ = 0;
};

// The limit of whoever hands bytes to another core: the same copy, while that core copies out what
// is there. Nothing is framed, checked or kept.
class SharedCopy final : public Alternative {
 public:
  // The caller stays on its core meanwhile, and the other side on another.
  SharedCopy() {
    (void)::pthread_getaffinity_np(::pthread_self(), sizeof before_, &before_);
    pin_to(kOurCpu);
    reader_ = std::jthread([this](const std::stop_token& stop) {
      pin_to(kTheirCpu);
      drain(stop);
    });
    while (!reads_) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  ~SharedCopy() override {
    (void)::pthread_setaffinity_np(::pthread_self(), sizeof before_, &before_);
  }
  SharedCopy(const SharedCopy&) = delete;
  SharedCopy& operator=(const SharedCopy&) = delete;
  const char* name() const override { return "the copy, another core copying out"; }
  void take(std::string_view record) override {
    const std::size_t bytes = line_up(record.size());
    const std::size_t index = written_ % kBytes;
    const std::size_t skip = index + bytes > kBytes ? kBytes - index : 0;
    std::memcpy(memory_.data() + (written_ + skip) % kBytes, record.data(), record.size());
    written_ += skip + bytes;
    committed_.store(written_, std::memory_order_release);
  }
  void settle() override {
    while (released_.load(std::memory_order_acquire) != written_) std::this_thread::yield();
  }

 private:
  static constexpr std::size_t kBytes = std::size_t{4} << 20;
  static constexpr std::size_t kBatchBytes = std::size_t{256} << 10;
  static constexpr unsigned kOurCpu = 0;
  static constexpr unsigned kTheirCpu = 1;
  static std::size_t line_up(std::size_t bytes) {
    constexpr std::size_t kLine = 64;
    return (bytes + kLine - 1) / kLine * kLine;
  }
  void drain(const std::stop_token& stop) {
    std::vector<char> batch(kBatchBytes);
    std::size_t at = 0;
    reads_ = true;
    while (!stop.stop_requested()) {
      const std::size_t there = committed_.load(std::memory_order_acquire);
      if (there == at) continue;
      const std::size_t index = at % kBytes;
      const std::size_t bytes = std::min({there - at, kBytes - index, kBatchBytes});
      std::memcpy(batch.data(), memory_.data() + index, bytes);
      asm volatile("" : : "r"(batch.data()) : "memory");
      at += bytes;
      released_.store(at, std::memory_order_release);
    }
  }

  cpu_set_t before_{};
  std::atomic<bool> reads_{false};
  std::vector<char> memory_ = std::vector<char>(kBytes, '\1');
  std::size_t written_ = 0;
  alignas(128) std::atomic<std::size_t> committed_{0};
  alignas(128) std::atomic<std::size_t> released_{0};
  std::jthread reader_;  // last: it stops first
};

// A queue of the same bytes in the process: no other process reads it, and none survives it.
class BoostQueue final : public Alternative {
 public:
  static constexpr std::size_t kSlotBytes = 2048;
  BoostQueue() {
    reader_ = std::jthread([this](const std::stop_token& stop) {
      while (!stop.stop_requested()) {
        (void)queue_.consume_all([this](const Slot& slot) { sum_ += slot.size; });
      }
    });
  }
  const char* name() const override { return "Boost.Lockfree spsc_queue, same process"; }
  void take(std::string_view record) override {
    Slot slot;
    slot.size = std::min(record.size(), kSlotBytes);
    std::memcpy(slot.bytes.data(), record.data(), slot.size);
    while (!queue_.push(slot)) {
    }
  }
  void settle() override {
    while (queue_.read_available() != 0) {
    }
  }

 private:
  struct Slot {
    std::size_t size;
    std::array<char, kSlotBytes> bytes;
  };
  boost::lockfree::spsc_queue<Slot, boost::lockfree::capacity<2048>> queue_;
  std::size_t sum_ = 0;
  std::jthread reader_;  // last: it stops first
};

class FdAlternative : public Alternative {
 public:
  ~FdAlternative() override {
    for (const int fd : fds_) {
      if (fd >= 0) ::close(fd);
    }
  }
  FdAlternative() = default;
  FdAlternative(const FdAlternative&) = delete;
  FdAlternative& operator=(const FdAlternative&) = delete;
  void take(std::string_view record) override {
    if (::write(fds_[1], record.data(), record.size()) != static_cast<ssize_t>(record.size())) {
      throw std::runtime_error(std::string(name()) + ": short write");
    }
    written_ += record.size();
  }
  void settle() override {
    while (read_.load(std::memory_order_acquire) < written_) std::this_thread::yield();
  }

 protected:
  // Reads until the other end hangs up, or sends nothing.
  void drain() {
    std::vector<char> to(std::size_t{64} << 10);
    for (;;) {
      const ssize_t got = ::read(fds_[0], to.data(), to.size());
      if (got <= 0) return;
      read_.fetch_add(static_cast<std::size_t>(got), std::memory_order_release);
    }
  }
  std::array<int, 2> fds_{-1, -1};

 private:
  std::size_t written_ = 0;
  std::atomic<std::size_t> read_{0};
};

class Pipe final : public FdAlternative {
 public:
  Pipe() {
    if (::pipe2(fds_.data(), O_CLOEXEC) != 0) throw std::runtime_error("no pipe");
    (void)::fcntl(fds_[1], F_SETPIPE_SZ, 1 << 20);
    reader_ = std::jthread([this] { drain(); });
  }
  ~Pipe() override {
    ::close(fds_[1]);
    fds_[1] = -1;
  }
  const char* name() const override { return "pipe"; }

 private:
  std::jthread reader_;
};

class Datagram final : public FdAlternative {
 public:
  Datagram() {
    if (::socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, fds_.data()) != 0) {
      throw std::runtime_error("no socket pair");
    }
    const int bytes = 1 << 20;
    (void)::setsockopt(fds_[1], SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes);
    reader_ = std::jthread([this] { drain(); });
  }
  ~Datagram() override { (void)::write(fds_[1], "", 0); }
  const char* name() const override { return "Unix datagram"; }

 private:
  std::jthread reader_;
};

class FileAppend final : public FdAlternative {
 public:
  explicit FileAppend(const std::string& folder) {
    fds_[1] = ::open((folder + "/append").c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (fds_[1] < 0) throw std::runtime_error("no file in " + folder);
  }
  const char* name() const override { return "file append, never synced"; }
  void settle() override {}
};

class SpdlogAsync final : public Alternative {
 public:
  explicit SpdlogAsync(const std::string& folder) {
    pool_ = std::make_shared<spdlog::details::thread_pool>(8192, 1);
    auto sink = std::make_shared<spdlog::sinks::basic_file_sink_mt>(folder + "/spdlog");
    logger_ = std::make_shared<spdlog::async_logger>("bench", sink, pool_,
                                                     spdlog::async_overflow_policy::block);
  }
  const char* name() const override { return "spdlog, asynchronous, to a file"; }
  void take(std::string_view record) override { logger_->info(record); }
  void settle() override {
    while (pool_->queue_size() != 0) std::this_thread::yield();
  }

 private:
  std::shared_ptr<spdlog::details::thread_pool> pool_;
  std::shared_ptr<spdlog::async_logger> logger_;
};

}  // namespace xase::bench
