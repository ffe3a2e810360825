// The transport seam: one request, one answer.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "daemon/delivery/delivery_options.hpp"

namespace xased {

// What is sent; the transport adds address, API key and its own headers.
struct Request {
  std::string body;
  std::string idempotency_key;
  // Not empty: GET /verify/ this instead, without key or body. Letters, digits, _ and - alone.
  std::string verify_id;
};

// How far an attempt got.
enum class Reach : std::uint8_t {
  kNotSent,   // no byte of the request left: the service cannot have seen it
  kMaybe,     // some or all of it left, and no complete answer came
  kAnswered,  // a complete answer
};

struct Answer {
  Reach reach = Reach::kNotSent;
  // kAnswered only.
  int status = 0;
  std::string body;
  // The body's end was told by a length, not by the end of the connection.
  bool delimited = true;
  // The answer went on beyond kAnswerBytesMax; `body` is its beginning.
  bool too_large = false;
  // Headers, as sent; empty where there is none.
  std::string retry_after;
  std::string rate_limit;
  std::string rate_remaining;
  std::string rate_reset;
  std::string date;
  bool replayed = false;  // X-Idempotency-Replay: true
  // Not kAnswered: what went wrong, for logs; no payload, no key.
  std::string failure;
  // The time limit ended it.
  bool timed_out = false;
  // Which key it was sent with: ApiKeyHolder::generation().
  std::uint64_t key_generation = 0;
};

// Twice what an entry keeps. Each request under way may hold as much.
inline constexpr std::size_t kAnswerBytesMax = std::size_t{128} << 10;

// One thread posts at a time; abort() may come from any other.
class Transport {
 public:
  virtual ~Transport() = default;
  // Blocks until there is an answer, the time is over, or abort() is called.
  virtual Answer post(const Request& request) = 0;
  // Ends a post() that is under way, and makes every later one fail at once.
  virtual void abort() = 0;
};

// Makes one transport for one worker. Any thread.
using TransportFactory = std::function<std::unique_ptr<Transport>()>;

}  // namespace xased
