// Reads an HTTP/1.1 response (RFC 9112) as it comes in, piece by piece.
//
// Every byte is the peer's: the head takes at most kHeadBytesMax, the body kAnswerBytesMax, and
// what is not a response ends as "malformed".
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "daemon/delivery/transport.hpp"

namespace xased {

class HttpResponse {
 public:
  static constexpr std::size_t kHeadBytesMax = std::size_t{32} << 10;

  enum class State {
    kMore,  // not complete
    kDone,
    kTooLarge,   // the body goes on beyond the limit; its beginning is kept
    kMalformed,  // no HTTP response
  };

  // The next bytes from the peer. After a state other than kMore: no more calls.
  State add(std::string_view bytes);
  // The peer closed the connection: completes a body that nothing else ends; kMore where the
  // response is cut off.
  State end();

  // Any byte of a response was seen.
  bool started() const { return started_; }
  // After kDone: another request may follow on the connection.
  bool may_reuse() const { return reusable_ && rest_.empty(); }
  // After kDone or kTooLarge: fills in what the response says.
  void move_to(Answer& answer);

 private:
  enum class Part { kHead, kSized, kUntilEnd, kChunkSize, kChunk, kChunkEnd, kTrailer, kDone };
  State take_head();
  bool take_status_line(std::string_view line);
  bool take_header(std::string_view line);
  State start_body();
  State take_body();
  bool take_line(std::string_view& line, std::size_t bytes_max);
  bool add_body(std::size_t bytes);

  Part part_ = Part::kHead;
  std::string rest_;  // received, not yet consumed, from rest_start_
  std::size_t rest_start_ = 0;
  bool started_ = false;
  bool reusable_ = true;
  bool chunked_ = false;
  bool has_length_ = false;
  std::uint64_t left_ = 0;  // of a sized body or a chunk
  std::size_t trailer_bytes_ = 0;
  Answer answer_;
};

}  // namespace xased
