#include "daemon/ledger/cache_release.hpp"

#include <algorithm>
#include <utility>

#include "daemon/ledger/segment_names.hpp"

namespace xased {

using std::chrono::nanoseconds;

namespace {
constexpr nanoseconds kIdle = std::chrono::seconds(1);
// Between two looks at the folder: a few segments may be written meanwhile.
constexpr nanoseconds kListEvery = std::chrono::milliseconds(250);
}  // namespace

CacheRelease::CacheRelease(FileSystem& fs, const Clock& clock, std::string directory,
                           const std::atomic<std::uint64_t>& in_tree,
                           const std::atomic<std::uint64_t>& in_index)
    : fs_(fs),
      clock_(clock),
      directory_(std::move(directory)),
      in_tree_(in_tree),
      in_index_(in_index) {}

nanoseconds CacheRelease::step() {
  const std::uint64_t read_through =
      std::min(in_tree_.load(std::memory_order_relaxed), in_index_.load(std::memory_order_relaxed));
  if (read_through < look_from_ || read_through == looked_at_) return kIdle;
  const std::int64_t now = clock_.boot_ns();
  const std::int64_t due = listed_boot_ns_ + kListEvery.count();
  if (now < due) return nanoseconds(due - now);
  listed_boot_ns_ = now;
  // It is a service to others: what fails is left as it is.
  const auto firsts = list_segments(fs_, directory_);
  if (!firsts.ok() || firsts->empty()) return kIdle;
  looked_at_ = read_through;
  // Where the newest segment ends is seen once another one is there.
  look_from_ = firsts->back();
  for (std::size_t i = 0; i + 1 < firsts->size(); ++i) {
    const std::uint64_t last = firsts->at(i + 1) - 1;
    if (last <= released_through_) continue;
    if (last > read_through) {
      look_from_ = last;
      break;
    }
    const auto file = fs_.open(directory_ + "/" + segment_name(firsts->at(i)), OpenMode::kRead);
    if (file.ok()) (*file)->release_cache();
    released_through_ = last;
  }
  return kIdle;
}

}  // namespace xased
