#include "daemon/devapi/group_log.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <system_error>

namespace xased::devapi {
namespace {

constexpr char kLogName[] = "records.jsonl";
constexpr char kLockName[] = "lock";
constexpr std::size_t kReadBytes = std::size_t{1} << 20U;

Status write_all(int file, std::string_view bytes, std::uint64_t offset, const std::string& what) {
  while (!bytes.empty()) {
    const ssize_t count = ::pwrite(file, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (count < 0) {
      if (errno == EINTR) continue;
      return os_status(what, errno);
    }
    bytes.remove_prefix(static_cast<std::size_t>(count));
    offset += static_cast<std::uint64_t>(count);
  }
  return {};
}

Result<std::string> read_at(int file, std::uint64_t offset, std::size_t size,
                            const std::string& what) {
  std::string bytes(size, '\0');
  std::size_t done = 0;
  while (done < size) {
    const ssize_t count =
        ::pread(file, bytes.data() + done, size - done, static_cast<off_t>(offset + done));
    if (count < 0) {
      if (errno == EINTR) continue;
      return os_status(what, errno);
    }
    if (count == 0) break;
    done += static_cast<std::size_t>(count);
  }
  bytes.resize(done);
  return bytes;
}

// Calls `on_line` with every line of the file and, last, with what follows the last newline if
// there is anything. Stops where it returns false.
using Visit = std::function<bool(std::uint64_t offset, std::string_view line, bool is_terminated)>;

Status visit_lines(int file, std::uint64_t from, std::uint64_t size, const Visit& on_line) {
  std::string pending;  // begins at `begin`
  std::uint64_t begin = from;
  while (begin + pending.size() < size) {
    if (pending.size() > GroupLog::kLineBytesMax) {
      return {Code::kCorrupt, std::string(kLogName) + ": the line at byte " +
                                  std::to_string(begin) + " is longer than any that was written"};
    }
    Result<std::string> chunk = read_at(file, begin + pending.size(), kReadBytes, kLogName);
    if (!chunk.ok()) return chunk.status();
    if (chunk->empty()) break;
    const std::size_t searched = pending.size();
    pending += *chunk;
    std::size_t line_begin = 0;
    for (std::size_t newline = pending.find('\n', searched); newline != std::string::npos;
         newline = pending.find('\n', line_begin)) {
      const std::string_view line(pending.data() + line_begin, newline - line_begin);
      if (!on_line(begin + line_begin, line, true)) return {};
      line_begin = newline + 1;
    }
    pending.erase(0, line_begin);
    begin += line_begin;
  }
  if (!pending.empty()) on_line(begin, pending, false);
  return {};
}

}  // namespace

Result<std::unique_ptr<GroupLog>> GroupLog::open(const std::string& dir, const OnLine& on_line) {
  std::unique_ptr<GroupLog> log(new GroupLog());
  if (Status status = log->lock_directory(dir); !status.ok()) return status;
  const std::string path = dir + "/" + kLogName;
  log->file_ = ::openat(log->directory_, kLogName, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (log->file_ < 0) return os_status("open " + path, errno);
  // The name must survive what its lines survive.
  if (::fsync(log->directory_) != 0) return os_status("sync " + dir, errno);
  if (Status status = log->recover(on_line); !status.ok()) return status;
  log->writer_ = std::thread([raw = log.get()] { raw->write_queued(); });
  return log;
}

Status GroupLog::lock_directory(const std::string& dir) {
  dir_ = dir;
  std::error_code error;
  const bool is_new = std::filesystem::create_directories(dir, error);
  if (error) return os_status("create " + dir, error.value());
  if (is_new) std::filesystem::permissions(dir, std::filesystem::perms::owner_all, error);
  directory_ = ::open(dir.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (directory_ < 0) return os_status("open " + dir, errno);
  lock_file_ = ::openat(directory_, kLockName, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (lock_file_ < 0) return os_status("open " + dir + "/" + kLockName, errno);
  if (::flock(lock_file_, LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) return os_status("lock " + dir, errno);
    const Result<std::string> holder = read_at(lock_file_, 0, 20, kLockName);
    return {Code::kExists,
            dir + " is in use by another dev API" +
                (holder.ok() && !holder->empty() ? " (process " + *holder + ")" : "") +
                ": stop it, or choose another directory"};
  }
  const std::string pid = std::to_string(::getpid());
  if (::ftruncate(lock_file_, 0) != 0) return os_status("write " + dir + "/" + kLockName, errno);
  return write_all(lock_file_, pid, 0, "write " + dir + "/" + kLockName);
}

Status GroupLog::recover(const OnLine& on_line) {
  struct stat info {};
  if (::fstat(file_, &info) != 0) return os_status("stat " + dir_ + "/" + kLogName, errno);
  const auto size = static_cast<std::uint64_t>(info.st_size);
  std::uint64_t good_end = 0;
  bool is_bad = false;
  bool may_be_torn = false;
  bool whole_line_behind = false;
  Status failure;
  Status walked = visit_lines(
      file_, 0, size, [&](std::uint64_t offset, std::string_view line, bool is_terminated) {
        if (is_bad) {
          whole_line_behind = is_terminated && on_line(offset, line).ok();
          return !whole_line_behind;
        }
        Status status = is_terminated ? on_line(offset, line) : Status(Code::kCorrupt, "");
        if (status.ok()) {
          good_end = offset + line.size() + 1;
          return true;
        }
        if (status.code() != Code::kCorrupt) {
          failure = std::move(status);
          return false;
        }
        is_bad = true;
        // No line of ours holds a zero byte: those are blocks that never reached the disk.
        may_be_torn = !is_terminated || line.find('\0') != std::string_view::npos;
        return true;
      });
  if (!walked.ok()) return walked;
  if (!failure.ok()) return failure;
  if (is_bad && (!may_be_torn || whole_line_behind)) {
    return {Code::kCorrupt, dir_ + "/" + kLogName + ": the line at byte " +
                                std::to_string(good_end) +
                                " is damaged, and it is not an unfinished last write. Nothing was "
                                "changed: restore the file, or start with another directory"};
  }
  if (is_bad) {
    if (Status status = cut_torn_tail(good_end, size); !status.ok()) return status;
  }
  // Lines read back may never have been synced by the process that wrote them.
  if (::fdatasync(file_) != 0) return os_status("sync " + dir_ + "/" + kLogName, errno);
  end_ = writing_end_ = durable_end_ = good_end;
  return {};
}

Status GroupLog::cut_torn_tail(std::uint64_t from, std::uint64_t size) {
  const std::string name = "torn-" + std::to_string(from);
  const int aside =
      ::openat(directory_, name.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (aside < 0) return os_status("create " + dir_ + "/" + name, errno);
  Status status;
  for (std::uint64_t at = from; status.ok() && at < size;) {
    const Result<std::string> chunk = read_at(file_, at, kReadBytes, kLogName);
    if (!chunk.ok() || chunk->empty()) {
      status = chunk.ok() ? Status(Code::kIo, "the log shrank while it was read") : chunk.status();
      break;
    }
    status = write_all(aside, *chunk, at - from, "write " + dir_ + "/" + name);
    at += chunk->size();
  }
  if (status.ok() && ::fsync(aside) != 0) status = os_status("sync " + dir_ + "/" + name, errno);
  ::close(aside);
  if (!status.ok()) return status;
  // The copy and its name are safe before the original goes.
  if (::fsync(directory_) != 0) return os_status("sync " + dir_, errno);
  if (::ftruncate(file_, static_cast<off_t>(from)) != 0) {
    return os_status("cut " + dir_ + "/" + kLogName, errno);
  }
  torn_bytes_cut_ = size - from;
  return {};
}

GroupLog::~GroupLog() {
  {
    const std::scoped_lock lock(mutex_);
    stopping_ = true;
  }
  queued_.notify_one();
  if (writer_.joinable()) writer_.join();
  if (file_ >= 0) ::close(file_);
  if (lock_file_ >= 0) ::close(lock_file_);
  if (directory_ >= 0) ::close(directory_);
}

Result<std::uint64_t> GroupLog::append(std::string_view line) {
  if (line.size() > kLineBytesMax) return Status(Code::kInvalid, "the record is too large");
  bool was_empty = false;
  std::uint64_t offset = 0;
  {
    const std::scoped_lock lock(mutex_);
    if (!failure_.ok()) return failure_;
    was_empty = queue_.empty();
    queue_ += line;
    offset = end_;
    end_ += line.size();
  }
  if (was_empty) queued_.notify_one();
  return offset;
}

Status GroupLog::wait_durable(std::uint64_t end) {
  std::unique_lock lock(mutex_);
  const std::uint64_t batch = end <= writing_end_ ? batch_ : batch_ + 1;
  durable_.at(batch % 2).wait(lock, [&] { return durable_end_ >= end || !failure_.ok(); });
  return durable_end_ >= end ? Status() : failure_;
}

Result<std::string> GroupLog::read(std::uint64_t offset, std::size_t size) const {
  Result<std::string> bytes = read_at(file_, offset, size, kLogName);
  if (bytes.ok() && bytes->size() != size) {
    return Status(Code::kCorrupt, dir_ + "/" + kLogName + " is shorter than what was written");
  }
  return bytes;
}

std::uint64_t GroupLog::durable_end() const {
  const std::scoped_lock lock(mutex_);
  return durable_end_;
}

std::uint64_t GroupLog::syncs() const {
  const std::scoped_lock lock(mutex_);
  return syncs_;
}

void GroupLog::write_queued() {
  std::string batch;
  for (;;) {
    std::uint64_t offset = 0;
    std::uint64_t number = 0;
    {
      std::unique_lock lock(mutex_);
      queued_.wait(lock, [&] { return !queue_.empty() || stopping_; });
      if (queue_.empty() || !failure_.ok()) return;
      batch.clear();
      batch.swap(queue_);
      offset = durable_end_;
      writing_end_ = offset + batch.size();
      number = ++batch_;
    }
    const Status status = write_and_sync(batch, offset);
    {
      const std::scoped_lock lock(mutex_);
      if (status.ok()) {
        durable_end_ = offset + batch.size();
        ++syncs_;
      } else {
        failure_ = status;
      }
    }
    durable_.at(number % 2).notify_all();
    if (!status.ok()) {
      durable_.at((number + 1) % 2).notify_all();
      return;
    }
  }
}

Status GroupLog::write_and_sync(std::string_view bytes, std::uint64_t offset) const {
  const std::string path = dir_ + "/" + kLogName;
  if (Status status = write_all(file_, bytes, offset, "write " + path); !status.ok()) return status;
  if (::fdatasync(file_) != 0) return os_status("sync " + path, errno);
  return {};
}

}  // namespace xased::devapi
