#include "daemon/delivery/http_response.hpp"

#include <gtest/gtest.h>

#include <string>

namespace xased {
namespace {

using State = HttpResponse::State;

constexpr std::string_view kSized =
    "HTTP/1.1 201 Created\r\nContent-Type: application/json\r\ncontent-length: 5\r\n"
    "X-RateLimit-Remaining: 41\r\nX-Idempotency-Replay: true\r\n\r\nhello";
constexpr std::string_view kChunked =
    "HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\n"
    "3;ext=1\r\nhel\r\n2\r\nlo\r\n0\r\nTrailer: x\r\n\r\n";

TEST(HttpResponse, ReadsASizedBodyAndTheHeadersThatCount) {
  HttpResponse response;
  ASSERT_EQ(response.add(kSized), State::kDone);
  EXPECT_TRUE(response.may_reuse());
  Answer answer;
  response.move_to(answer);
  EXPECT_EQ(answer.reach, Reach::kAnswered);
  EXPECT_EQ(answer.status, 201);
  EXPECT_EQ(answer.body, "hello");
  EXPECT_EQ(answer.rate_remaining, "41");
  EXPECT_TRUE(answer.replayed);
  EXPECT_TRUE(answer.delimited);
}

TEST(HttpResponse, ReadsTheSameHoweverItIsCutIntoPieces) {
  for (const std::string_view whole : {kSized, kChunked}) {
    for (std::size_t size = 1; size < whole.size(); ++size) {
      HttpResponse response;
      State state = State::kMore;
      for (std::size_t at = 0; at < whole.size(); at += size) {
        ASSERT_EQ(state, State::kMore) << size << " " << at;
        state = response.add(whole.substr(at, size));
      }
      ASSERT_EQ(state, State::kDone) << size;
      Answer answer;
      response.move_to(answer);
      ASSERT_EQ(answer.body, "hello") << size;
    }
  }
}

TEST(HttpResponse, IsNotCompleteAtAnyPrefix) {
  for (const std::string_view whole : {kSized, kChunked}) {
    for (std::size_t size = 0; size < whole.size(); ++size) {
      HttpResponse response;
      ASSERT_EQ(response.add(whole.substr(0, size)), State::kMore) << size;
      ASSERT_EQ(response.end(), State::kMore) << size;
      ASSERT_EQ(response.started(), size > 0);
    }
  }
}

TEST(HttpResponse, TakesABodyWithoutALengthUntilTheEnd) {
  HttpResponse response;
  ASSERT_EQ(response.add("HTTP/1.0 200 OK\r\n\r\nab"), State::kMore);
  ASSERT_EQ(response.add("cd"), State::kMore);
  ASSERT_EQ(response.end(), State::kDone);
  EXPECT_FALSE(response.may_reuse());
  Answer answer;
  response.move_to(answer);
  EXPECT_EQ(answer.body, "abcd");
  EXPECT_FALSE(answer.delimited);
}

TEST(HttpResponse, PassesOverInterimResponses) {
  HttpResponse response;
  ASSERT_EQ(response.add("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early\r\nLink: x\r\n\r\n"
                         "HTTP/1.1 204 No Content\r\n\r\n"),
            State::kDone);
  Answer answer;
  response.move_to(answer);
  EXPECT_EQ(answer.status, 204);
}

TEST(HttpResponse, DoesNotReuseAConnectionThatItShouldNot) {
  for (const std::string_view head :
       {"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\nHTTP/1.1 200 OK\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 9\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"}) {
    HttpResponse response;
    ASSERT_EQ(response.add(head), State::kDone) << head;
    EXPECT_FALSE(response.may_reuse()) << head;
  }
}

TEST(HttpResponse, CallsOutWhatIsNotHttp) {
  for (const std::string_view text :
       {"SSH-2.0-OpenSSH_9.2\r\n", "<html>", "HTTP/2 200\r\n\r\n", "HTTP/1.1 abc\r\n\r\n",
        "HTTP/1.1 200OK\r\n\r\n", "HTTP/1.1 099 x\r\n\r\n", "HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
        "HTTP/1.1 200 OK\r\nA: b\r\n folded\r\n\r\n", "HTTP/1.1 101 Switching\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nabc",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n"}) {
    HttpResponse response;
    EXPECT_EQ(response.add(text), State::kMalformed) << text;
  }
}

TEST(HttpResponse, BoundsTheHead) {
  for (const std::string& start :
       {std::string("HTTP/1.1 200 "), std::string("HTTP/1.1 200 OK\r\nX: ")}) {
    HttpResponse response;
    State state = response.add(start);
    std::size_t bytes = 0;
    for (; state == State::kMore && bytes < (1U << 20); bytes += 1024) {
      state = response.add(std::string(1024, 'a'));
    }
    EXPECT_EQ(state, State::kMalformed);
    EXPECT_LE(bytes, HttpResponse::kHeadBytesMax + 2048);
  }
}

TEST(HttpResponse, TakesTheLargestHeadInPiecesToo) {
  std::string whole = "HTTP/1.1 204 No Content\r\nX: ";
  whole.append(HttpResponse::kHeadBytesMax - whole.size(), 'x') += "\r\n\r\n";
  EXPECT_EQ(HttpResponse().add(whole), State::kDone);
  HttpResponse response;
  State state = State::kMore;
  for (std::size_t at = 0; at < whole.size(); ++at) {
    ASSERT_EQ(state, State::kMore) << at;
    state = response.add(whole.substr(at, 1));
  }
  EXPECT_EQ(state, State::kDone);
  EXPECT_EQ(HttpResponse().add(whole.insert(30, 1, 'x')), State::kMalformed);
}

TEST(HttpResponse, BoundsTheTrailer) {
  HttpResponse response;
  State state = response.add("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n");
  std::size_t lines = 0;
  for (; state == State::kMore && lines < 100000; ++lines) state = response.add("T: x\r\n");
  EXPECT_EQ(state, State::kMalformed);
}

TEST(HttpResponse, KeepsNoMoreOfABodyThanTheLimit) {
  for (const std::string& head :
       {std::string("HTTP/1.1 200 OK\r\nContent-Length: 104857600\r\n\r\n"),
        std::string("HTTP/1.1 200 OK\r\n\r\n"),
        std::string("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n6400000\r\n")}) {
    HttpResponse response;
    State state = response.add(head);
    std::size_t bytes = 0;
    for (; state == State::kMore && bytes < 104857600; bytes += 65536) {
      state = response.add(std::string(65536, 'x'));
    }
    ASSERT_EQ(state, State::kTooLarge) << head;
    EXPECT_LE(bytes, kAnswerBytesMax + 131072);
    Answer answer;
    response.move_to(answer);
    EXPECT_TRUE(answer.too_large);
    EXPECT_EQ(answer.body.size(), kAnswerBytesMax);
  }
}

}  // namespace
}  // namespace xased
