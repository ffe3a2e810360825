// The disks of this machine, for a process that dies in the middle of its work.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "daemon/platform/file_system.hpp"

namespace xased::test {

// One thread. What was changed before the death is there: a kill, not power loss.
class DyingFileSystem final : public FileSystem {
 public:
  // In the `nth` change from now on, which is not made; nothing works after it. 0: never.
  void die_at(std::uint64_t nth) {
    changes_ = 0;
    dies_at_ = nth;
    is_dead_ = false;
  }
  bool is_dead() const { return is_dead_; }

  Result<std::unique_ptr<File>> open(const std::string& path, OpenMode mode,
                                     mode_t permissions) override {
    if (mode == OpenMode::kRead ? is_dead_ : dies()) return gone();
    auto file = real_.open(path, mode, permissions);
    if (!file.ok()) return file.status();
    return std::unique_ptr<File>(std::make_unique<DyingFile>(*this, std::move(*file)));
  }
  Status rename(const std::string& from, const std::string& to) override {
    return dies() ? gone() : real_.rename(from, to);
  }
  Status remove(const std::string& path) override { return dies() ? gone() : real_.remove(path); }
  Status sync_directory(const std::string& path) override {
    return dies() ? gone() : real_.sync_directory(path);
  }
  Result<std::vector<std::string>> list(const std::string& path) override {
    if (is_dead_) return gone();
    return real_.list(path);
  }
  Status make_directory(const std::string& path, mode_t permissions) override {
    return dies() ? gone() : real_.make_directory(path, permissions);
  }
  bool exists(const std::string& path) override { return !is_dead_ && real_.exists(path); }

 private:
  class DyingFile final : public File {
   public:
    DyingFile(DyingFileSystem& fs, std::unique_ptr<File> file) : fs_(fs), file_(std::move(file)) {}
    Result<std::size_t> read_at(std::span<std::byte> to, std::uint64_t offset) const override {
      if (fs_.is_dead_) return gone();
      return file_->read_at(to, offset);
    }
    Status write_at(xase::proto::Bytes bytes, std::uint64_t offset) override {
      return fs_.dies() ? gone() : file_->write_at(bytes, offset);
    }
    Status sync_data() override { return fs_.dies() ? gone() : file_->sync_data(); }
    Status truncate(std::uint64_t bytes) override {
      return fs_.dies() ? gone() : file_->truncate(bytes);
    }
    Status preallocate(std::uint64_t bytes) override {
      return fs_.dies() ? gone() : file_->preallocate(bytes);
    }
    Result<std::uint64_t> size() const override { return file_->size(); }
    Status lock() override { return file_->lock(); }

   private:
    DyingFileSystem& fs_;
    std::unique_ptr<File> file_;
  };

  static Status gone() { return {Code::kIo, "the process is dead"}; }
  bool dies() {
    if (!is_dead_ && dies_at_ != 0 && ++changes_ == dies_at_) is_dead_ = true;
    return is_dead_;
  }

  FileSystem& real_ = system_file_system();
  std::uint64_t changes_ = 0;
  std::uint64_t dies_at_ = 0;
  bool is_dead_ = false;
};

}  // namespace xased::test
