// Answers as the service and the proxies before it give them.
#pragma once

#include <string>

#include "daemon/delivery/transport.hpp"

namespace xased::test {

inline Answer answer(int status, std::string body) {
  Answer answer;
  answer.reach = Reach::kAnswered;
  answer.status = status;
  answer.body = std::move(body);
  return answer;
}

inline Answer created(bool replayed = false) {
  Answer made = answer(
      201, R"({"success":true,"transaction_id":"txn_0123456789abcdef0123456789abcdef",)"
           R"("receipt_url":"https://x/xase/receipt/txn_0","timestamp":"2026-01-07T12:00:00.000Z",)"
           R"("record_hash":"00","chain_position":"chained"})");
  made.replayed = replayed;
  return made;
}

inline Answer refused(int status = 400, const std::string& code = "VALIDATION_ERROR") {
  return answer(status, R"({"error":"no","code":")" + code + R"("})");
}

inline Answer limited(const std::string& retry_after = "") {
  Answer made = answer(429, R"({"error":"slow down","code":"RATE_LIMIT_EXCEEDED"})");
  made.retry_after = retry_after;
  return made;
}

inline Answer html(int status) { return answer(status, "<html><body>Welcome</body></html>"); }

inline Answer no_answer(Reach reach) {
  Answer made;
  made.reach = reach;
  made.failure = "connection reset";
  return made;
}

}  // namespace xased::test
