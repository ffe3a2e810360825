// RUN_DIR/rings: which rings come and which may have lost their owner.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "daemon/platform/clock.hpp"
#include "daemon/platform/status.hpp"

namespace xased {

// Watches the folder by inotify, with a listing now and then behind it, since events can be lost.
// Owned by intake's thread.
class RingsFolder {
 public:
  RingsFolder(std::string directory, const Clock& clock);
  ~RingsFolder();
  RingsFolder(const RingsFolder&) = delete;
  RingsFolder& operator=(const RingsFolder&) = delete;

  struct Changes {
    std::vector<std::string> rings;   // names that are there, old or new
    std::vector<std::string> closed;  // names that someone closed after writing
    bool listed = false;              // `rings` is all of them
  };
  // What happened since the last call; never waits. Lists the folder when that is due, or when
  // `list` says so, and then also removes what an interrupted maker left behind.
  Result<Changes> poll(bool list);

  // Takes a file out of the way: it keeps its bytes under a name that nobody attaches. Of these
  // files, and of folders that are empty, the kCondemnedMax last are kept.
  Status condemn(const std::string& name);
  // Whether it was there.
  Result<bool> remove(const std::string& name);

  const std::string& directory() const { return directory_; }

 private:
  static constexpr std::int64_t kListEveryNs = 1'000'000'000;
  static constexpr std::size_t kCondemnedMax = 16;

  void start_watching();
  void read_events(Changes& changes);
  Status list(Changes& changes);
  void clean_up(const std::vector<std::string>& temporaries, std::vector<std::string> condemned);

  const std::string directory_;
  const Clock& clock_;
  int inotify_fd_ = -1;
  int watch_ = -1;
  std::int64_t listed_boot_ns_ = INT64_MIN / 2;
  // Unlocked temporary files, and when they were first seen so.
  std::map<std::string, std::int64_t> stale_since_;
  std::uint64_t condemned_count_ = 0;
};

bool is_ring_name(const std::string& name);

}  // namespace xased
