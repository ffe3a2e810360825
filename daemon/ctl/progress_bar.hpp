// How far a long reading is, for who waits at a terminal.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>

#include "daemon/ctl/terminal.hpp"

namespace xased::ctl {

// A line on stderr that is drawn anew, ten times a second at most; none where that is no terminal.
// One thread.
class ProgressBar {
 public:
  // `words`: an amount for people.
  ProgressBar(const Style& style, std::function<std::string(std::uint64_t)> words)
      : style_(style), words_(std::move(words)) {}
  ~ProgressBar() { clear(); }
  ProgressBar(const ProgressBar&) = delete;
  ProgressBar& operator=(const ProgressBar&) = delete;

  void show(std::uint64_t done, std::uint64_t total);
  void clear();

 private:
  const Style style_;
  const std::function<std::string(std::uint64_t)> words_;
  const std::chrono::steady_clock::time_point begin_ = std::chrono::steady_clock::now();
  std::chrono::steady_clock::time_point shown_ = begin_;
  bool drawn_ = false;
};

}  // namespace xased::ctl
