// What an HTTP peer sends: the pieces in which it comes change nothing, and what it does to the
// delivery is bounded.
#include "daemon/delivery/answer.hpp"
#include "daemon/delivery/http_response.hpp"
#include "tests/fuzz/fuzz.hpp"

namespace {

using xase::fuzz::require;
using xased::Answer;
using xased::HttpResponse;
using State = HttpResponse::State;

struct Read {
  State state = State::kMore;
  bool may_reuse = false;
  std::size_t fed = 0;  // bytes until the state was final
  Answer answer;
};

// Feeds `text` in pieces of lengths that `cuts` gives in turn; a length of 0 is the whole rest.
Read read(std::string_view text, std::string_view cuts) {
  HttpResponse response;
  Read out;
  std::size_t turn = 0;
  while (out.state == State::kMore && out.fed < text.size()) {
    const auto wanted = static_cast<unsigned char>(cuts[turn++ % cuts.size()]);
    const std::size_t left = text.size() - out.fed;
    const std::size_t length = wanted == 0 ? left : std::min<std::size_t>(wanted, left);
    out.state = response.add(text.substr(out.fed, length));
    out.fed += length;
  }
  require(response.started() == (out.fed != 0), "a response starts with its first byte");
  if (out.state == State::kMore) out.state = response.end();
  if (out.state == State::kDone) out.may_reuse = response.may_reuse();
  if (out.state == State::kDone || out.state == State::kTooLarge) response.move_to(out.answer);
  return out;
}

void require_same(const Read& a, const Read& b, std::size_t size) {
  require(a.state == b.state, "pieces do not change the outcome");
  // Bytes behind an answer forbid another request, where they were seen.
  if (a.fed == size && b.fed == size) {
    require(a.may_reuse == b.may_reuse, "pieces do not change what becomes of the connection");
  } else {
    require(!a.may_reuse || a.fed < size, "bytes behind an answer forbid another request");
  }
  const Answer& x = a.answer;
  const Answer& y = b.answer;
  require(x.status == y.status && x.body == y.body && x.delimited == y.delimited &&
              x.too_large == y.too_large && x.retry_after == y.retry_after &&
              x.rate_limit == y.rate_limit && x.rate_remaining == y.rate_remaining &&
              x.rate_reset == y.rate_reset && x.date == y.date && x.replayed == y.replayed &&
              x.reach == y.reach,
          "pieces do not change the answer");
}

void check_verdict(const Answer& answer) {
  static xased::AnswerReader reader;
  const xased::Verdict verdict = reader.read(answer, 1'700'000'000'000'000'000);
  using xased::Outcome;
  require(verdict.outcome != Outcome::kDelivered || answer.status == 201,
          "only a 201 is a delivery");
  require(!verdict.replayed || verdict.outcome == Outcome::kDelivered,
          "only a delivery is a replay");
  require((verdict.outcome == Outcome::kPause) == (verdict.reason != xased::PauseReason::kNone),
          "a pause has a reason");
  require(verdict.wait.count() >= 0 && verdict.wait <= xased::kWaitMax, "a wait is bounded");
  require(verdict.outcome == Outcome::kWait || verdict.wait.count() == 0, "only a wait waits");
  require(verdict.outcome != Outcome::kRefused || !verdict.may_have_reached,
          "a refused record was not taken");
  require(verdict.api_code.size() <= 64, "a code is short");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  // The first bytes say where the rest is cut.
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const std::string_view cuts = input.substr(0, 3);
  if (cuts.size() < 3) return 0;
  const std::string_view text = input.substr(3);
  const Read whole = read(text, std::string_view("\0", 1));
  require_same(whole, read(text, cuts), text.size());
  require_same(whole, read(text, "\1"), text.size());
  if (whole.state != State::kDone && whole.state != State::kTooLarge) return 0;
  require(whole.answer.status >= 200 && whole.answer.status <= 999, "a status has three digits");
  require(whole.answer.body.size() <= xased::kAnswerBytesMax, "a body is bounded");
  require(whole.answer.too_large == (whole.state == State::kTooLarge), "too large is told");
  check_verdict(whole.answer);
  return 0;
}
