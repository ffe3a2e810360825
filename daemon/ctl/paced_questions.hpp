// Asks the service of records, one after the other and not too fast.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>

#include "daemon/delivery/answer.hpp"
#include "daemon/delivery/transport.hpp"

namespace xased::ctl {

// One thread; one request at a time.
class PacedQuestions {
 public:
  struct Time {
    std::function<std::chrono::nanoseconds()> now;  // of a clock that only grows
    std::function<void(std::chrono::nanoseconds)> sleep;
    std::function<std::int64_t()> wall_ns;
    // The service asked to wait this long.
    std::function<void(std::chrono::nanoseconds)> on_wait;
  };
  // So many attempts at a question that gets no answer, with waits that double between.
  static constexpr std::uint32_t kAttempts = 5;
  static constexpr std::chrono::milliseconds kFirstDelay{500};
  // So many 429s in a row to one question.
  static constexpr std::uint32_t kWaitsMax = 10;

  // `per_second`: more than 0.
  PacedQuestions(Transport& transport, double per_second, Time time);

  // GET /verify/ the id: the last answer, whatever it is.
  Answer ask(const std::string& transaction_id);

 private:
  void keep_pace();

  Transport& transport_;
  const std::chrono::nanoseconds interval_;
  const Time time_;
  AnswerReader answers_;
  std::chrono::nanoseconds next_{0};
};

}  // namespace xased::ctl
