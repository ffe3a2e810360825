#include "daemon/ctl/paced_questions.hpp"

#include <algorithm>
#include <utility>

namespace xased::ctl {

using std::chrono::nanoseconds;

namespace {

constexpr double kNsPerSecond = 1e9;
constexpr std::int64_t kIntervalNsMax = 3'600'000'000'000;

bool is_worth_another(const Answer& answer) {
  return answer.reach != Reach::kAnswered || answer.status == 408 || answer.status == 425 ||
         answer.status >= 500;
}

}  // namespace

PacedQuestions::PacedQuestions(Transport& transport, double per_second, Time time)
    : transport_(transport),
      interval_(static_cast<std::int64_t>(
          std::clamp(kNsPerSecond / per_second, 0.0, static_cast<double>(kIntervalNsMax)))),
      time_(std::move(time)) {}

void PacedQuestions::keep_pace() {
  const nanoseconds now = time_.now();
  if (now < next_) time_.sleep(next_ - now);
  next_ = std::max(next_, now) + interval_;
}

Answer PacedQuestions::ask(const std::string& transaction_id) {
  Request request;
  request.verify_id = transaction_id;
  nanoseconds delay = kFirstDelay;
  std::uint32_t waits = 0;
  for (std::uint32_t attempt = 1;;) {
    keep_pace();
    Answer answer = transport_.post(request);
    const bool limited = answer.reach == Reach::kAnswered && answer.status == 429;
    if (limited && waits++ < kWaitsMax) {
      const nanoseconds wait = answers_.read(answer, time_.wall_ns()).wait;
      time_.on_wait(wait);
      time_.sleep(wait);
      continue;
    }
    if (!is_worth_another(answer) || attempt++ == kAttempts) return answer;
    time_.sleep(delay);
    delay *= 2;
  }
}

}  // namespace xased::ctl
