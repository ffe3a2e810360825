// A terminal taken over for a while: one screenful, drawn again and again.
#pragma once

#include <termios.h>

#include <chrono>
#include <string>
#include <vector>

namespace xased::ctl {

// Gives the terminal back as it was, also on SIGINT, SIGTERM and SIGHUP, which end it like the key
// q. One at a time; one thread.
class Screen {
 public:
  Screen();
  ~Screen();
  Screen(const Screen&) = delete;
  Screen& operator=(const Screen&) = delete;

  void draw(const std::vector<std::string>& lines, int rows);
  // Waits; false when the user wants to leave. Returns early when the window changed.
  bool wait(std::chrono::milliseconds time);

 private:
  termios before_{};
  bool raw_ = false;
};

}  // namespace xased::ctl
