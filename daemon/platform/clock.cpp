#include "daemon/platform/clock.hpp"

#include <array>
#include <cstdio>
#include <ctime>

namespace xased {
namespace {

std::int64_t read_clock(clockid_t id) {
  timespec now{};
  clock_gettime(id, &now);
  return std::int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

int hex_digit(int c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return -1;
}

// /proc/sys/kernel/random/boot_id is a UUID; zero where there is none.
xase::proto::Id read_boot_id() {
  xase::proto::Id id{};
  std::FILE* file = std::fopen("/proc/sys/kernel/random/boot_id", "re");
  if (file == nullptr) return id;
  std::size_t digits = 0;
  for (int c = std::fgetc(file); c != EOF && digits < 32; c = std::fgetc(file)) {
    const int digit = hex_digit(c);
    if (digit < 0) continue;
    const auto value = static_cast<unsigned char>(digits % 2 == 0 ? digit << 4 : digit);
    id.at(digits / 2) |= std::byte{value};
    ++digits;
  }
  (void)std::fclose(file);  // read only: nothing to lose
  return id;
}

class SystemClock final : public Clock {
 public:
  std::int64_t wall_ns() const override { return read_clock(CLOCK_REALTIME); }
  std::int64_t boot_ns() const override { return read_clock(CLOCK_BOOTTIME); }
  xase::proto::Id boot_id() const override { return boot_id_; }

 private:
  xase::proto::Id boot_id_ = read_boot_id();
};

}  // namespace

const Clock& system_clock() {
  static const SystemClock clock;
  return clock;
}

}  // namespace xased
