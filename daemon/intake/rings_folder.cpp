#include "daemon/intake/rings_folder.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <sys/inotify.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>

#include "proto/run_dir.hpp"

namespace xased {
namespace {

constexpr std::size_t kIdDigits = 32;
constexpr std::string_view kCondemnedPrefix = ".condemned-";
constexpr std::int64_t kStaleAfterNs = 2'000'000'000;

bool is_hex_id(std::string_view text) {
  return text.size() == kIdDigits && std::all_of(text.begin(), text.end(), [](char c) {
           return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
         });
}

bool is_temporary_name(std::string_view name) {
  return name.starts_with('.') && name.ends_with(xase::proto::kRingTemporarySuffix) &&
         is_hex_id(name.substr(1, name.size() - 1 - xase::proto::kRingTemporarySuffix.size()));
}

// Whether the maker of a file still holds its lock. A file that is not there counts as held: there
// is nothing to clean up.
bool is_locked(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
  if (fd < 0) return errno == ENOENT;
  struct flock lock {};
  lock.l_type = F_WRLCK;
  lock.l_whence = SEEK_SET;
  const bool held = ::fcntl(fd, F_OFD_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
  ::close(fd);
  return held;
}

// A name that is free afterwards. What makers put in the folder may be a folder itself; one that is
// not empty stays, since what is in it is not ours to walk.
bool clear(const std::string& path) {
  if (::unlink(path.c_str()) == 0 || errno == ENOENT) return true;
  return errno == EISDIR && ::rmdir(path.c_str()) == 0;
}

}  // namespace

bool is_ring_name(const std::string& name) {
  const std::string_view view = name;
  return view.ends_with(xase::proto::kRingSuffix) &&
         is_hex_id(view.substr(0, view.size() - xase::proto::kRingSuffix.size()));
}

RingsFolder::RingsFolder(std::string directory, const Clock& clock)
    : directory_(std::move(directory)), clock_(clock) {
  start_watching();
}

RingsFolder::~RingsFolder() {
  if (inotify_fd_ >= 0) ::close(inotify_fd_);
}

// Without inotify, or without the folder, the listing is all there is. Asked again before each: a
// folder that was removed and made again has another watch, the same folder the same.
void RingsFolder::start_watching() {
  if (inotify_fd_ < 0) inotify_fd_ = ::inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
  if (inotify_fd_ < 0) return;
  const int watch = ::inotify_add_watch(inotify_fd_, directory_.c_str(),
                                        IN_MOVED_TO | IN_CLOSE_WRITE | IN_ONLYDIR);
  if (watch == watch_) return;
  // One that moved away has no business here any more; of one that is gone the kernel knows.
  if (watch_ >= 0) (void)::inotify_rm_watch(inotify_fd_, watch_);
  watch_ = watch;
}

void RingsFolder::read_events(Changes& changes) {
  alignas(inotify_event) std::array<char, 16384> buffer{};
  for (;;) {
    const ssize_t got = ::read(inotify_fd_, buffer.data(), buffer.size());
    if (got <= 0) return;
    for (const char* at = buffer.data(); at < buffer.data() + got;) {
      const auto* event = reinterpret_cast<const inotify_event*>(at);
      at += sizeof(inotify_event) + event->len;
      if ((event->mask & IN_IGNORED) != 0 && event->wd == watch_) watch_ = -1;
      if ((event->mask & IN_Q_OVERFLOW) != 0) listed_boot_ns_ = INT64_MIN / 2;
      if (event->len == 0) continue;
      const std::string name = event->name;
      if (!is_ring_name(name)) continue;
      ((event->mask & IN_MOVED_TO) != 0 ? changes.rings : changes.closed).push_back(name);
    }
  }
}

Status RingsFolder::list(Changes& changes) {
  DIR* directory = ::opendir(directory_.c_str());
  if (directory == nullptr) return os_status("list " + directory_, errno);
  std::vector<std::string> temporaries;
  std::vector<std::string> condemned;
  while (const dirent* entry = ::readdir(directory)) {
    const std::string name = entry->d_name;
    if (is_ring_name(name)) {
      changes.rings.push_back(name);
    } else if (is_temporary_name(name)) {
      temporaries.push_back(name);
    } else if (name.starts_with(kCondemnedPrefix)) {
      condemned.push_back(name);
    }
  }
  ::closedir(directory);
  changes.listed = true;
  clean_up(temporaries, std::move(condemned));
  return {};
}

void RingsFolder::clean_up(const std::vector<std::string>& temporaries,
                           std::vector<std::string> condemned) {
  const std::int64_t now = clock_.boot_ns();
  std::map<std::string, std::int64_t> stale;
  for (const std::string& name : temporaries) {
    const std::string path = directory_ + "/" + name;
    if (is_locked(path)) continue;
    // Between its creation and its lock a file looks abandoned: only one that stays so is.
    const auto seen = stale_since_.find(name);
    const std::int64_t since = seen == stale_since_.end() ? now : seen->second;
    const bool is_gone = now - since >= kStaleAfterNs && clear(path);
    if (!is_gone) stale.emplace(name, since);
  }
  stale_since_ = std::move(stale);
  if (condemned.size() <= kCondemnedMax) return;
  std::sort(condemned.begin(), condemned.end());
  condemned.resize(condemned.size() - kCondemnedMax);
  for (const std::string& name : condemned) (void)clear(directory_ + "/" + name);
}

Result<RingsFolder::Changes> RingsFolder::poll(bool list_now) {
  Changes changes;
  const std::int64_t now = clock_.boot_ns();
  if (inotify_fd_ >= 0) read_events(changes);
  if (!list_now && now - listed_boot_ns_ < kListEveryNs) return changes;
  listed_boot_ns_ = now;
  start_watching();
  if (Status status = list(changes); !status.ok()) return status;
  return changes;
}

Status RingsFolder::condemn(const std::string& name) {
  // The time first, so that names sort by age.
  std::array<char, 32> stamp{};
  std::snprintf(stamp.data(), stamp.size(), "%020lld-%04llu",
                static_cast<long long>(clock_.wall_ns()),
                static_cast<unsigned long long>(condemned_count_++ % 10000));
  const std::string to =
      directory_ + "/" + std::string(kCondemnedPrefix) + stamp.data() + "-" + name;
  if (::rename((directory_ + "/" + name).c_str(), to.c_str()) == 0 || errno == ENOENT) return {};
  return os_status("set aside " + name, errno);
}

Result<bool> RingsFolder::remove(const std::string& name) {
  if (::unlink((directory_ + "/" + name).c_str()) == 0) return true;
  if (errno == ENOENT) return false;
  return os_status("remove " + name, errno);
}

}  // namespace xased
