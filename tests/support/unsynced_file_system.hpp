// The disks of this machine, for a test that loses no power: years of syncs in seconds.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "daemon/platform/file_system.hpp"

namespace xased::test {

// Any thread. Syncs succeed and do nothing.
class UnsyncedFileSystem final : public FileSystem {
 public:
  Result<std::unique_ptr<File>> open(const std::string& path, OpenMode mode,
                                     mode_t permissions) override {
    auto file = real_.open(path, mode, permissions);
    if (!file.ok()) return file.status();
    return std::unique_ptr<File>(std::make_unique<UnsyncedFile>(std::move(*file)));
  }
  Status rename(const std::string& from, const std::string& to) override {
    return real_.rename(from, to);
  }
  Status remove(const std::string& path) override { return real_.remove(path); }
  Status sync_directory(const std::string& /*path*/) override { return {}; }
  Result<std::vector<std::string>> list(const std::string& path) override {
    return real_.list(path);
  }
  Status make_directory(const std::string& path, mode_t permissions) override {
    return real_.make_directory(path, permissions);
  }
  bool exists(const std::string& path) override { return real_.exists(path); }

 private:
  class UnsyncedFile final : public File {
   public:
    explicit UnsyncedFile(std::unique_ptr<File> file) : file_(std::move(file)) {}
    Result<std::size_t> read_at(std::span<std::byte> to, std::uint64_t offset) const override {
      return file_->read_at(to, offset);
    }
    Status write_at(xase::proto::Bytes bytes, std::uint64_t offset) override {
      return file_->write_at(bytes, offset);
    }
    Status sync_data() override { return {}; }
    Status truncate(std::uint64_t bytes) override { return file_->truncate(bytes); }
    Status preallocate(std::uint64_t bytes) override { return file_->preallocate(bytes); }
    Result<std::uint64_t> size() const override { return file_->size(); }
    Status lock() override { return file_->lock(); }

   private:
    const std::unique_ptr<File> file_;
  };

  FileSystem& real_ = system_file_system();
};

}  // namespace xased::test
