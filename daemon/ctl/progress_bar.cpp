#include "daemon/ctl/progress_bar.hpp"

#include <unistd.h>

#include <algorithm>
#include <cmath>

namespace xased::ctl {

void ProgressBar::show(std::uint64_t done, std::uint64_t total) {
  const auto now = std::chrono::steady_clock::now();
  if (!style_.color || now - shown_ < std::chrono::milliseconds(100)) return;
  shown_ = now;
  const double share = total == 0 ? 1.0 : static_cast<double>(done) / static_cast<double>(total);
  const std::chrono::duration<double> took = now - begin_;
  std::string text = "\r\x1b[K" + bar(style_, share, 30) +
                     right(std::to_string(static_cast<int>(std::min(share, 1.0) * 100)), 4) +
                     " %  " + words_(done) + " of " + words_(total);
  if (took.count() > 1 && share > 0.01) {
    text += ", " + short_seconds(std::ceil(took.count() * (1 - share) / share)) + " to go";
  }
  drawn_ = write_all(STDERR_FILENO, text);
}

void ProgressBar::clear() {
  if (drawn_) write_all(STDERR_FILENO, "\r\x1b[K");
  drawn_ = false;
}

}  // namespace xased::ctl
