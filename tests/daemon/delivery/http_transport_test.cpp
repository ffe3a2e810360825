// The transport against a peer that does everything wrong that a peer can do.
#include "daemon/delivery/http_transport.hpp"

#include <gtest/gtest.h>

#include <fstream>
#include <future>
#include <memory>
#include <string>
#include <thread>

#include "tests/daemon/delivery/answers.hpp"
#include "tests/support/loopback_peer.hpp"

namespace xased::test {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr std::string_view kKey = "xase_pk_0123456789abcdef0123456789abcdef0123456789abcdef";

std::shared_ptr<ApiKeyHolder> holder(const std::string& key = std::string(kKey)) {
  auto made = std::make_shared<ApiKeyHolder>();
  made->set_source({ApiKeySource::Kind::kEnvironment, "KEY"},
                   [key](const char*) { return key.c_str(); });
  made->refresh(false);
  return made;
}

HttpOptions options_for(const std::string& url, milliseconds timeout = seconds(30)) {
  HttpOptions options;
  options.url = *parse_base_url(url);
  options.timeout = timeout;
  options.connect_timeout = seconds(5);
  return options;
}

std::unique_ptr<Transport> transport(const HttpOptions& options,
                                     std::shared_ptr<const ApiKeyHolder> key = holder()) {
  auto factory = make_http_transports(options, std::move(key), system_clock());
  EXPECT_TRUE(factory.ok());
  return (*factory)();
}

Request request(std::size_t body_bytes = 10) {
  return {std::string(body_bytes, 'b'), "0123456789abcdef0123456789abcdef", {}};
}

// One that serves every request of a connection with the same bytes.
LoopbackPeer::Serve serving(std::string bytes) {
  return [bytes = std::move(bytes)](PeerConnection& connection) {
    while (!connection.request().empty() && connection.send(bytes)) {
    }
  };
}

TEST(HttpTransport, PostsWhatTheApiExpects) {
  std::promise<std::string> seen;
  LoopbackPeer peer([&](PeerConnection& connection) {
    seen.set_value(connection.request());
    connection.send(http(201, created().body, "X-RateLimit-Remaining: 9\r\n"));
  });
  const Answer answer = transport(options_for(peer.url("/api/xase/v1/")))->post(request());
  EXPECT_EQ(answer.reach, Reach::kAnswered);
  EXPECT_EQ(answer.status, 201);
  EXPECT_EQ(answer.body, created().body);
  EXPECT_EQ(answer.rate_remaining, "9");
  EXPECT_EQ(answer.key_generation, 1U);
  EXPECT_EQ(seen.get_future().get(),
            "POST /api/xase/v1/records HTTP/1.1\r\nHost: 127.0.0.1:" + std::to_string(peer.port()) +
                "\r\nContent-Type: application/json\r\nAccept: application/json\r\n"
                "User-Agent: xased\r\nX-API-Key: " +
                std::string(kKey) +
                "\r\nIdempotency-Key: 0123456789abcdef0123456789abcdef\r\n"
                "Content-Length: 10\r\n\r\nbbbbbbbbbb");
}

TEST(HttpTransport, KeepsItsConnection) {
  LoopbackPeer peer(serving(http(201, created().body)));
  const auto one = transport(options_for(peer.url()));
  for (int i = 0; i < 20; ++i) ASSERT_EQ(one->post(request()).status, 201);
  EXPECT_EQ(peer.connections(), 1);
}

TEST(HttpTransport, ConnectsAnewWhereThePeerClosed) {
  LoopbackPeer peer([](PeerConnection& connection) {
    connection.request();
    connection.send(http(201, created().body, "Connection: close\r\n"));
  });
  const auto one = transport(options_for(peer.url()));
  for (int i = 0; i < 3; ++i) ASSERT_EQ(one->post(request()).status, 201);
  EXPECT_EQ(peer.connections(), 3);
}

TEST(HttpTransport, DoesNotTakeALateByteForTheNextAnswer) {
  LoopbackPeer peer([](PeerConnection& connection) {
    connection.request();
    connection.send(http(201, created().body) + http(401, "stale"));
    connection.hang();
  });
  const auto one = transport(options_for(peer.url()));
  EXPECT_EQ(one->post(request()).status, 201);
  EXPECT_EQ(one->post(request()).status, 201);
  EXPECT_EQ(peer.connections(), 2);
}

TEST(HttpTransport, DoesNotTakeTheReceiptBeforeThatComesOnceMoreForTheNextRecords) {
  std::atomic<int> requests{0};
  LoopbackPeer peer([&](PeerConnection& connection) {
    std::string last;
    for (std::string all = connection.request(); !all.empty(); all = connection.request()) {
      const std::string own = http(
          201, R"({"success":true,"transaction_id":"txn_)" + std::to_string(++requests) + R"("})");
      if (!connection.send(last + own)) return;
      last = own;
    }
  });
  const auto one = transport(options_for(peer.url()));
  Request first = request();
  Request second = request();
  second.idempotency_key[0] = 'x';
  EXPECT_EQ(one->post(first).status, 201);
  const Answer late = one->post(second);
  EXPECT_EQ(late.reach, Reach::kMaybe);
  EXPECT_EQ(late.status, 0);
  const Answer own = one->post(second);
  EXPECT_EQ(own.status, 201);
  EXPECT_NE(own.body.find("txn_3"), std::string::npos) << own.body;
  EXPECT_EQ(peer.connections(), 2);
}

TEST(HttpTransport, TakesTheSameReceiptAgainForTheSameKey) {
  LoopbackPeer peer(serving(http(201, created().body, "X-Idempotency-Replay: true\r\n")));
  const auto one = transport(options_for(peer.url()));
  for (int i = 0; i < 3; ++i) EXPECT_EQ(one->post(request()).status, 201);
  EXPECT_EQ(peer.connections(), 1);
}

TEST(HttpTransport, ARefusedConnectionSentNothing) {
  int port = 0;
  {
    LoopbackPeer gone(serving(""));
    port = gone.port();
  }
  const Answer answer =
      transport(options_for("http://127.0.0.1:" + std::to_string(port)))->post(request());
  EXPECT_EQ(answer.reach, Reach::kNotSent);
  EXPECT_NE(answer.failure.find("refused"), std::string::npos) << answer.failure;
}

TEST(HttpTransport, ANameThatDoesNotResolveSentNothing) {
  const Answer answer = transport(options_for("http://nothing.invalid"))->post(request());
  EXPECT_EQ(answer.reach, Reach::kNotSent);
  EXPECT_NE(answer.failure.find("nothing.invalid"), std::string::npos) << answer.failure;
}

TEST(HttpTransport, SendsNothingWithoutAKey) {
  LoopbackPeer peer(serving(http(201, "")));
  const Answer answer =
      transport(options_for(peer.url()), std::make_shared<ApiKeyHolder>())->post(request());
  EXPECT_EQ(answer.reach, Reach::kNotSent);
  EXPECT_EQ(peer.connections(), 0);
}

TEST(HttpTransport, HidesTheKeyInAnAnswerThatRepeatsIt) {
  const std::string key(kKey);
  const std::string hidden = "xase_pk_" + std::string(48, '*');
  const std::string body = R"({"error":"no )" + key + R"(","code":")" + key + R"("})";
  LoopbackPeer peer(serving("HTTP/1.1 400 Bad\r\nRetry-After: " + key + "\r\nDate: " + key +
                            "\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" +
                            body));
  const Answer answer = transport(options_for(peer.url()))->post(request());
  EXPECT_EQ(answer.status, 400);
  EXPECT_EQ(answer.body, R"({"error":"no )" + hidden + R"(","code":")" + hidden + R"("})");
  EXPECT_EQ(answer.retry_after, hidden);
  EXPECT_EQ(answer.date, hidden);
}

TEST(HttpTransport, ACutOffAnswerIsNoAnswer) {
  const std::string whole = http(201, created().body);
  for (const std::size_t size :
       {std::size_t{0}, std::size_t{5}, std::size_t{17}, whole.size() / 2, whole.size() - 1}) {
    LoopbackPeer peer([&](PeerConnection& connection) {
      connection.request();
      connection.send(whole.substr(0, size));
    });
    const Answer answer = transport(options_for(peer.url()))->post(request());
    EXPECT_EQ(answer.reach, Reach::kMaybe) << size;
    EXPECT_FALSE(answer.timed_out) << size;
  }
}

TEST(HttpTransport, AResetAfterTheRequestMayHaveReached) {
  LoopbackPeer peer([](PeerConnection& connection) {
    connection.request();
    connection.reset();
  });
  EXPECT_EQ(transport(options_for(peer.url()))->post(request()).reach, Reach::kMaybe);
}

TEST(HttpTransport, AResetInTheMiddleOfALargeBodyMayHaveReached) {
  LoopbackPeer peer([](PeerConnection& connection) {
    connection.receive();
    connection.reset();
  });
  EXPECT_EQ(transport(options_for(peer.url()))->post(request(16U << 20)).reach, Reach::kMaybe);
}

TEST(HttpTransport, SendsABodyOfAnySize) {
  for (const std::size_t size : {std::size_t{0}, std::size_t{65535}, std::size_t{65536},
                                 std::size_t{65537}, std::size_t{16U << 20}}) {
    std::promise<std::size_t> seen;
    LoopbackPeer peer([&](PeerConnection& connection) {
      const std::string all = connection.request();
      seen.set_value(all.size() - all.find("\r\n\r\n") - 4);
      connection.send(http(201, created().body));
    });
    EXPECT_EQ(transport(options_for(peer.url()))->post(request(size)).status, 201) << size;
    EXPECT_EQ(seen.get_future().get(), size);
  }
}

TEST(HttpTransport, TakesAnAnswerThatComesBeforeTheBodyIsThrough) {
  LoopbackPeer peer([](PeerConnection& connection) {
    connection.receive();
    connection.send(http(413, "too large", "Connection: close\r\n"));
    // Nothing more is taken, and the rest of the body meets a closed door.
    ::shutdown(connection.fd(), SHUT_RD);
    connection.hang();
  });
  const Answer answer =
      transport(options_for(peer.url(), milliseconds(2000)))->post(request(16U << 20));
  // Loopback may lose the answer to the reset that follows; what must not be is a false 'not sent'.
  EXPECT_NE(answer.reach, Reach::kNotSent);
  EXPECT_EQ(answer.status, answer.reach == Reach::kAnswered ? 413 : 0);
}

TEST(HttpTransport, APeerThatNeverAnswersMeetsTheTimeLimit) {
  LoopbackPeer peer([](PeerConnection& connection) { connection.hang(); });
  const Answer answer = transport(options_for(peer.url(), milliseconds(100)))->post(request());
  EXPECT_EQ(answer.reach, Reach::kMaybe);
  EXPECT_TRUE(answer.timed_out);
}

TEST(HttpTransport, APeerThatDripsMeetsTheTimeLimitInEveryPhase) {
  const std::string whole = http(201, created().body);
  for (const std::size_t quick : {std::size_t{0}, std::size_t{20}, whole.size() - 40}) {
    LoopbackPeer peer([&](PeerConnection& connection) {
      connection.request();
      connection.send(whole.substr(0, quick));
      for (std::size_t i = quick; i < whole.size() && !connection.stopping(); ++i) {
        if (!connection.send(whole.substr(i, 1))) return;
        std::this_thread::sleep_for(milliseconds(30));
      }
    });
    const Answer answer = transport(options_for(peer.url(), milliseconds(200)))->post(request());
    EXPECT_EQ(answer.reach, Reach::kMaybe) << quick;
    EXPECT_TRUE(answer.timed_out) << quick;
  }
}

TEST(HttpTransport, APeerThatTakesNothingMeetsTheTimeLimit) {
  LoopbackPeer peer([](PeerConnection& connection) {
    while (!connection.stopping()) std::this_thread::sleep_for(milliseconds(5));
  });
  const Answer answer =
      transport(options_for(peer.url(), milliseconds(200)))->post(request(16U << 20));
  EXPECT_EQ(answer.reach, Reach::kMaybe);
  EXPECT_TRUE(answer.timed_out);
}

TEST(HttpTransport, AnEndlessAnswerIsCutAndToldToBeTooLarge) {
  LoopbackPeer peer([](PeerConnection& connection) {
    connection.request();
    connection.send("HTTP/1.1 200 OK\r\nContent-Length: 104857600\r\n\r\n");
    while (connection.send(std::string(65536, 'x'))) {
    }
  });
  const Answer answer = transport(options_for(peer.url()))->post(request());
  EXPECT_EQ(answer.reach, Reach::kAnswered);
  EXPECT_TRUE(answer.too_large);
  EXPECT_EQ(answer.body.size(), kAnswerBytesMax);
}

TEST(HttpTransport, EndlessHeadersAreNoHttp) {
  LoopbackPeer peer([](PeerConnection& connection) {
    connection.request();
    connection.send("HTTP/1.1 200 OK\r\n");
    while (connection.send("X-Filler: " + std::string(1000, 'x') + "\r\n")) {
    }
  });
  const Answer answer = transport(options_for(peer.url()))->post(request());
  EXPECT_EQ(answer.reach, Reach::kAnswered);
  EXPECT_EQ(answer.status, 0);
}

TEST(HttpTransport, NeverFollowsARedirect) {
  LoopbackPeer elsewhere(serving(http(201, created().body)));
  for (const int status : {301, 302, 303, 307, 308}) {
    LoopbackPeer peer(serving(http(status, "", "Location: " + elsewhere.url("/records") + "\r\n")));
    EXPECT_EQ(transport(options_for(peer.url()))->post(request()).status, status);
  }
  EXPECT_EQ(elsewhere.connections(), 0);
}

TEST(HttpTransport, AbortEndsWhatIsUnderWayAndWhatComesLater) {
  std::promise<void> arrived;
  LoopbackPeer peer([&](PeerConnection& connection) {
    connection.request();
    arrived.set_value();
    connection.hang();
  });
  const auto one = transport(options_for(peer.url(), seconds(60)));
  std::thread aborter([&] {
    arrived.get_future().wait();
    one->abort();
  });
  const Answer answer = one->post(request());
  aborter.join();
  EXPECT_EQ(answer.reach, Reach::kMaybe);
  EXPECT_FALSE(answer.timed_out);
  EXPECT_EQ(one->post(request()).reach, Reach::kNotSent);
}

TEST(HttpTransport, UsesTheKeyOfTheMoment) {
  std::string current(kKey);
  auto key = std::make_shared<ApiKeyHolder>();
  key->set_source({ApiKeySource::Kind::kEnvironment, "KEY"},
                  [&](const char*) { return current.c_str(); });
  key->refresh(false);
  std::mutex mutex;
  std::vector<std::string> seen;
  LoopbackPeer peer([&](PeerConnection& connection) {
    for (std::string all = connection.request(); !all.empty(); all = connection.request()) {
      const std::scoped_lock lock(mutex);
      seen.push_back(all.substr(all.find("X-API-Key: ") + 11, kKey.size()));
      connection.send(http(201, created().body));
    }
  });
  const auto one = transport(options_for(peer.url()), key);
  EXPECT_EQ(one->post(request()).key_generation, 1U);
  current = "xase_pk_" + std::string(48, 'f');
  EXPECT_TRUE(key->refresh(true));
  EXPECT_EQ(one->post(request()).key_generation, 2U);
  const std::scoped_lock lock(mutex);
  ASSERT_EQ(seen.size(), 2U);
  EXPECT_EQ(seen[0], kKey);
  EXPECT_EQ(seen[1], current);
}

TEST(BaseUrl, IsTakenApart) {
  const auto url = parse_base_url("https://api.example.com/xase/v1/");
  ASSERT_TRUE(url.ok());
  EXPECT_TRUE(url->tls);
  EXPECT_EQ(url->host, "api.example.com");
  EXPECT_EQ(url->port, "443");
  EXPECT_EQ(url->path, "/xase/v1");
  EXPECT_EQ(url->authority(), "api.example.com");
  const auto ip = parse_base_url("http://[::1]:3000");
  ASSERT_TRUE(ip.ok());
  EXPECT_EQ(ip->host, "::1");
  EXPECT_EQ(ip->port, "3000");
  EXPECT_EQ(ip->path, "");
  EXPECT_EQ(ip->authority(), "[::1]:3000");
}

TEST(BaseUrl, RefusesWhatItCannotUse) {
  for (const char* text : {"", "ftp://x", "http://", "http://:80", "http://x:0", "http://x:99999",
                           "http://x:", "http://user:pw@x", "http://x/?q", "http://x/#f",
                           "http://x/a b", "http://x\r\nA: b", "http://[::1", "http://[::1]x"}) {
    EXPECT_FALSE(parse_base_url(text).ok()) << text;
  }
}

}  // namespace
}  // namespace xased::test
