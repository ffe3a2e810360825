// RUN_DIR/doorbell: lets producers wake intake.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "daemon/intake/bus_guard.hpp"
#include "daemon/platform/status.hpp"
#include "daemon/platform/wake.hpp"
#include "proto/mapping.hpp"

namespace xased {

// Owned by intake's thread.
class DoorbellFile {
 public:
  explicit DoorbellFile(std::string run_dir) : path_(std::move(run_dir)) {}

  // Opens the page, or makes it where there is none, and lets `wake` use its words. Again where the
  // file was replaced since: producers that come now open the new one. Without a page, `wake` goes
  // on with what it has, and the timer does the rest.
  Status ensure(Wake& wake);

 private:
  struct Page {
    xase::proto::Mapping mapping;
    std::unique_ptr<BusGuard> guard;
  };
  std::string path_;
  unsigned long long inode_ = 0;
  // Earlier pages too: another thread may be about to ring there.
  std::vector<Page> pages_;
  static constexpr std::size_t kPagesMax = 64;
};

}  // namespace xased
