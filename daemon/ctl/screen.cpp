#include "daemon/ctl/screen.hpp"

#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "daemon/ctl/terminal.hpp"

namespace xased::ctl {
namespace {

volatile sig_atomic_t leave_asked = 0;

void ask_to_leave(int /*signal*/) { leave_asked = 1; }
void look_again(int /*signal*/) {}  // only there to end a poll

void handle(int signal, void (*handler)(int)) {
  struct sigaction action {};
  action.sa_handler = handler;
  sigaction(signal, &action, nullptr);
}

constexpr char kEnter[] = "\x1b[?1049h\x1b[?25l";
constexpr char kLeave[] = "\x1b[?25h\x1b[?1049l";
constexpr char kHome[] = "\x1b[H";
constexpr char kClearLine[] = "\x1b[K";
constexpr char kClearBelow[] = "\x1b[J";

}  // namespace

Screen::Screen() {
  handle(SIGINT, ask_to_leave);
  handle(SIGTERM, ask_to_leave);
  handle(SIGHUP, ask_to_leave);
  handle(SIGWINCH, look_again);
  if (tcgetattr(STDIN_FILENO, &before_) == 0) {
    termios raw = before_;
    raw.c_lflag &= ~static_cast<tcflag_t>(ICANON | ECHO);
    raw_ = tcsetattr(STDIN_FILENO, TCSANOW, &raw) == 0;
  }
  write_all(STDOUT_FILENO, kEnter);
}

Screen::~Screen() {
  write_all(STDOUT_FILENO, kLeave);
  if (raw_) tcsetattr(STDIN_FILENO, TCSANOW, &before_);
}

void Screen::draw(const std::vector<std::string>& lines, int rows) {
  // Over the old picture and in one write: nothing flickers.
  std::string picture = kHome;
  const std::size_t count = std::min(lines.size(), static_cast<std::size_t>(rows));
  for (std::size_t i = 0; i < count; ++i) {
    picture += lines[i];
    picture += kClearLine;
    if (i + 1 < count) picture += "\r\n";
  }
  picture += kClearBelow;
  write_all(STDOUT_FILENO, picture);
}

bool Screen::wait(std::chrono::milliseconds time) {
  pollfd keys{raw_ ? STDIN_FILENO : -1, POLLIN, 0};
  const int ready = poll(&keys, 1, static_cast<int>(time.count()));
  if (leave_asked != 0) return false;
  if (ready <= 0) return true;
  std::array<char, 16> typed{};
  const ssize_t size = read(STDIN_FILENO, typed.data(), typed.size());
  if (size == 0) return false;
  for (ssize_t i = 0; i < size; ++i) {
    const char key = typed[static_cast<std::size_t>(i)];
    if (key == 'q' || key == 'Q' || key == '\x03' || key == '\x04') return false;
  }
  return true;
}

}  // namespace xased::ctl
