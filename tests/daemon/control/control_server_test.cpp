#include "daemon/control/control_server.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <algorithm>
#include <fstream>
#include <functional>
#include <future>
#include <nlohmann/json.hpp>
#include <thread>

#include "tests/daemon/control/fake_daemon.hpp"

namespace xased {
namespace {

using std::chrono::milliseconds;

class ControlServerTest : public ::testing::Test {
 protected:
  void start(ControlOptions options = {}) {
    auto server = ControlServer::start(directory_.path(), options, daemon_.hooks());
    ASSERT_TRUE(server.ok()) << server.status().message();
    server_ = std::move(*server);
  }
  Reply get(const std::string& target) { return ask(run_dir(), "GET", target); }
  Reply post(const std::string& target) {
    return ask(run_dir(), "POST", target, "Content-Length: 0\r\n");
  }
  const std::string& run_dir() const { return directory_.path(); }
  std::string socket_path() const { return run_dir() + "/stats.sock"; }

  TemporaryDirectory directory_;
  FakeDaemon daemon_;
  std::unique_ptr<ControlServer> server_;
};

// Runs `test` as the user nobody, who is neither root nor the daemon; its result.
int as_nobody(const std::string& directory, const std::function<int()>& test) {
  chmod(directory.c_str(), 0755);
  const pid_t child = fork();
  if (child == 0) {
    if (setgid(65534) != 0 || setuid(65534) != 0) _exit(250);
    _exit(test());
  }
  int status = 0;
  waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

TEST_F(ControlServerTest, TellsThatItLivesAndIsReady) {
  start();
  EXPECT_EQ(get("/livez").status, 200);
  EXPECT_EQ(get("/readyz").status, 200);
  daemon_.change([](Snapshot& s) {
    s.live = false;
    s.ready = false;
    s.not_ready_reason = "recovering";
  });
  EXPECT_EQ(get("/livez").status, 503);
  const Reply reply = get("/readyz");
  EXPECT_EQ(reply.status, 503);
  EXPECT_NE(reply.body.find("recovering"), std::string::npos);
}

TEST_F(ControlServerTest, StatsCarryTheNamesThatOthersRelyOn) {
  start();
  const auto json = nlohmann::json::parse(get("/stats").body);
  EXPECT_EQ(json["committed"], 1284);
  EXPECT_EQ(json["journaled"], 1283);
  EXPECT_EQ(json["durable"], 1282);
  EXPECT_EQ(json["delivered"], 1200);
  EXPECT_EQ(json["dead_letter"], 2);
  EXPECT_EQ(json["undelivered"], 81);
  EXPECT_EQ(json["gaps"], 0);
  EXPECT_EQ(json["producers"], 0);
  EXPECT_TRUE(json["paused"].is_null());
  EXPECT_EQ(json["last_sequence"], 2500);
  EXPECT_EQ(json["head"], std::string(64, 'a'));
  daemon_.change([](Snapshot& s) { s.paused = "unauthorized"; });
  EXPECT_EQ(nlohmann::json::parse(get("/stats").body)["paused"], "unauthorized");
}

TEST_F(ControlServerTest, LooksAtTheRingsAnewOnlyWhenAsked) {
  start();
  EXPECT_EQ(get("/stats").status, 200);
  EXPECT_EQ(daemon_.scans, 0);
  EXPECT_EQ(get("/stats?fresh=1").status, 200);
  EXPECT_EQ(daemon_.scans, 1);
}

TEST_F(ControlServerTest, ServesMetricsAndConfiguration) {
  start();
  const Reply metrics = get("/metrics");
  EXPECT_EQ(metrics.status, 200);
  EXPECT_NE(metrics.head.find("text/plain; version=0.0.4"), std::string::npos);
  EXPECT_NE(metrics.body.find("xased_records_committed_total 1284\n"), std::string::npos);
  EXPECT_NE(get("/config").body.find("run_dir"), std::string::npos);
}

TEST_F(ControlServerTest, ListsShowsAndRetriesDeadLetters) {
  start();
  auto json = nlohmann::json::parse(get("/deadletters").body);
  ASSERT_EQ(json["dead_letters"].size(), 2U);
  EXPECT_EQ(json["dead_letters"][0]["sequence"], 17);
  EXPECT_EQ(json["dead_letters"][0]["transaction_id"], "loan-17");
  json = nlohmann::json::parse(get("/deadletters?after=17").body);
  ASSERT_EQ(json["dead_letters"].size(), 1U);
  EXPECT_EQ(json["dead_letters"][0]["sequence"], 23);
  EXPECT_NE(get("/deadletters/17").body.find("VALIDATION_ERROR"), std::string::npos);
  EXPECT_EQ(get("/deadletters/99").status, 404);
  EXPECT_EQ(post("/deadletters/17/retry").status, 200);
  EXPECT_EQ(post("/deadletters/99/retry").status, 404);
  EXPECT_EQ(daemon_.retries, 1);
  EXPECT_EQ(nlohmann::json::parse(post("/deadletters/retry").body)["retried"], 2);
}

TEST_F(ControlServerTest, ReloadsAndSaysWhyNot) {
  start();
  EXPECT_EQ(post("/reload").status, 200);
  daemon_.reload_fails = true;
  const Reply reply = post("/reload");
  EXPECT_EQ(reply.status, 400);
  EXPECT_NE(reply.body.find("no such key"), std::string::npos);
  EXPECT_EQ(daemon_.reloads, 2);
}

TEST_F(ControlServerTest, GivesEntriesPageByPage) {
  start();
  auto json = nlohmann::json::parse(get("/entries?after=2490&limit=4").body);
  ASSERT_EQ(json["entries"].size(), 4U);
  EXPECT_EQ(json["entries"][0]["sequence"], 2491);
  EXPECT_EQ(json["next_after"], 2494);
  EXPECT_FALSE(json["entries"][0].contains("payload"));
  json = nlohmann::json::parse(get("/entries?after=2499&payload=1").body);
  EXPECT_EQ(json["entries"][0]["payload"]["input"], R"({"a": 1e2})");
}

TEST_F(ControlServerTest, AnEntryThatComesEndsTheWaitForIt) {
  start();
  auto waiting =
      std::async(std::launch::async, [this] { return get("/entries?after=2500&wait_ms=10000"); });
  daemon_.change([](Snapshot& s) { s.last_sequence = 2501; });
  const auto json = nlohmann::json::parse(waiting.get().body);
  ASSERT_EQ(json["entries"].size(), 1U);
  EXPECT_EQ(json["entries"][0]["sequence"], 2501);
}

TEST_F(ControlServerTest, RefusesWhatItDoesNotKnow) {
  start();
  EXPECT_EQ(get("/").status, 404);
  EXPECT_EQ(get("/deadletters/x").status, 404);
  EXPECT_EQ(get("/deadletters/99999999999999999999999").status, 404);
  EXPECT_EQ(post("/stats").status, 405);
  EXPECT_EQ(get("/reload").status, 405);
  EXPECT_EQ(ask(run_dir(), "DELETE", "/stats").status, 405);
  EXPECT_EQ(get("/entries?limit=-1").status, 400);
  EXPECT_EQ(get("/entries?nonsense=1").status, 400);
}

TEST_F(ControlServerTest, AnswersNotServedWhereAHookIsMissing) {
  ControlHooks hooks;
  hooks.snapshot = [this] { return daemon_.snapshot(); };
  auto server = ControlServer::start(run_dir(), {}, hooks);
  ASSERT_TRUE(server.ok());
  EXPECT_EQ(get("/config").status, 501);
  EXPECT_EQ(get("/entries").status, 501);
  EXPECT_EQ(post("/reload").status, 501);
  EXPECT_EQ(get("/stats?fresh=1").status, 200);
}

TEST_F(ControlServerTest, TakesNoBody) {
  start();
  EXPECT_EQ(ask(run_dir(), "POST", "/reload", "Content-Length: 5\r\n", "hello").status, 413);
  EXPECT_EQ(
      ask(run_dir(), "POST", "/reload", "Transfer-Encoding: chunked\r\n", "5\r\nhello\r\n0\r\n\r\n")
          .status,
      413);
  EXPECT_EQ(daemon_.reloads, 0);
}

TEST_F(ControlServerTest, EndlessRequestLineEndsTheConnection) {
  start();
  const int fd = connect_to(run_dir());
  ASSERT_GE(fd, 0);
  send_text(fd, "GET /" + std::string(1 << 20, 'a'));
  EXPECT_EQ(read_all(fd).find("200 OK"), std::string::npos);
  close(fd);
  EXPECT_EQ(get("/livez").status, 200);
}

TEST_F(ControlServerTest, NeitherRangesNorCompressionMakeAnAnswerDear) {
  start();
  std::string range = "Range: bytes=0-";
  for (int i = 0; i < 200; ++i) range += ",0-";
  const Reply whole = get("/metrics");
  const Reply reply =
      ask(run_dir(), "GET", "/metrics", range + "\r\nAccept-Encoding: gzip, br\r\n");
  EXPECT_EQ(reply.status, 200);
  EXPECT_EQ(reply.body.size(), whole.body.size());
}

TEST_F(ControlServerTest, AConnectionServesManyRequests) {
  start();
  const int fd = connect_to(run_dir());
  ASSERT_GE(fd, 0);
  const std::string request = "GET /livez HTTP/1.1\r\nHost: x\r\n\r\n";
  send_text(fd, request + request + "GET /livez HTTP/1.1\r\nConnection: close\r\n\r\n");
  const std::string text = read_all(fd);
  close(fd);
  std::size_t answers = 0;
  for (std::size_t at = 0; (at = text.find("200 OK", at)) != std::string::npos; ++at) ++answers;
  EXPECT_EQ(answers, 3U);
}

TEST_F(ControlServerTest, SocketHasTheModeAskedForWhateverTheUmask) {
  const mode_t before = umask(0777);
  start();
  umask(before);
  struct stat found {};
  ASSERT_EQ(stat(socket_path().c_str(), &found), 0);
  EXPECT_EQ(found.st_mode & 0777U, 0660U);
  const auto names = std::filesystem::directory_iterator(run_dir());
  EXPECT_EQ(std::distance(begin(names), end(names)), 1) << "a temporary name was left";
}

TEST_F(ControlServerTest, SocketGetsTheGroupAskedFor) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root";
  ControlOptions options;
  options.group = "65534";
  options.mode = 0600;
  start(options);
  struct stat found {};
  ASSERT_EQ(stat(socket_path().c_str(), &found), 0);
  EXPECT_EQ(found.st_gid, 65534U);
  EXPECT_EQ(found.st_mode & 0777U, 0600U);
}

TEST_F(ControlServerTest, AnUnknownGroupIsNamed) {
  ControlOptions options;
  options.group = "no-such-group-here";
  const auto server = ControlServer::start(run_dir(), options, daemon_.hooks());
  ASSERT_FALSE(server.ok());
  EXPECT_NE(server.status().message().find("no-such-group-here"), std::string::npos);
  EXPECT_TRUE(std::filesystem::is_empty(run_dir()));
}

TEST_F(ControlServerTest, ReplacesTheSocketOfADeadDaemon) {
  const pid_t child = fork();
  if (child == 0) {
    auto server = ControlServer::start(run_dir(), {}, daemon_.hooks());
    _exit(server.ok() ? 0 : 1);  // without its destructor, like a kill
  }
  int status = 0;
  waitpid(child, &status, 0);
  ASSERT_EQ(status, 0);
  ASSERT_TRUE(std::filesystem::exists(socket_path()));
  start();
  EXPECT_EQ(get("/livez").status, 200);
}

TEST_F(ControlServerTest, LeavesTheSocketOfALivingDaemonAndNamesIt) {
  start();
  const auto second = ControlServer::start(run_dir(), {}, daemon_.hooks());
  ASSERT_FALSE(second.ok());
  EXPECT_EQ(second.status().code(), Code::kExists);
  EXPECT_NE(second.status().message().find(std::to_string(getpid())), std::string::npos);
  EXPECT_EQ(get("/livez").status, 200);
}

TEST_F(ControlServerTest, DoesNotRemoveWhatIsNoSocket) {
  { std::ofstream(socket_path()) << "precious"; }
  EXPECT_FALSE(ControlServer::start(run_dir(), {}, daemon_.hooks()).ok());
  EXPECT_EQ(std::filesystem::file_size(socket_path()), 8U);
}

TEST_F(ControlServerTest, RemovesItsSocketAtTheEndAndNoOthers) {
  start();
  server_.reset();
  EXPECT_FALSE(std::filesystem::exists(socket_path()));
  start();
  std::filesystem::rename(socket_path(), run_dir() + "/old");
  { std::ofstream(socket_path()) << "another's"; }
  server_.reset();
  EXPECT_TRUE(std::filesystem::exists(socket_path()));
}

TEST_F(ControlServerTest, ServesFromADirectoryLongerThanASocketAddress) {
  const std::string deep = run_dir() + "/" + std::string(100, 'd') + "/" + std::string(100, 'e');
  std::filesystem::create_directories(deep);
  auto server = ControlServer::start(deep, {}, daemon_.hooks());
  ASSERT_TRUE(server.ok()) << server.status().message();
  EXPECT_EQ(ask(deep, "GET", "/livez").status, 200);
}

TEST_F(ControlServerTest, AnotherUserSeesNumbersAndNothingElse) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root";
  ControlOptions options;
  options.mode = 0666;
  start(options);
  const int failed = as_nobody(run_dir(), [this] {
    if (get("/stats").status != 200) return 1;
    if (get("/metrics").status != 200) return 2;
    if (get("/entries?after=2400").status != 200) return 3;
    if (get("/entries?after=2400&payload=1").status != 403) return 4;
    if (get("/deadletters").body.find("loan-17") != std::string::npos) return 5;
    if (get("/deadletters/17").status != 403) return 6;
    if (post("/deadletters/17/retry").status != 403) return 7;
    if (post("/deadletters/retry").status != 403) return 8;
    if (post("/reload").status != 403) return 9;
    // What only a header claims is not believed.
    if (ask(run_dir(), "POST", "/reload", "REMOTE_ADDR: 0\r\nX-Uid: 0\r\n").status != 403)
      return 10;
    return 0;
  });
  EXPECT_EQ(failed, 0);
  EXPECT_EQ(daemon_.reloads, 0);
  EXPECT_EQ(daemon_.retries, 0);
}

TEST_F(ControlServerTest, TheDaemonsOwnUserIsPrivileged) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root";
  ControlOptions options;
  options.mode = 0666;
  options.privileged_uid = 65534;
  start(options);
  EXPECT_EQ(as_nobody(run_dir(), [this] { return post("/reload").status == 200 ? 0 : 1; }), 0);
  EXPECT_EQ(post("/reload").status, 200) << "root is as well";
}

TEST_F(ControlServerTest, ThoseWhoDawdleDoNotHoldUpOthers) {
  start();
  std::vector<int> idle;
  for (int i = 0; i < 40; ++i) {
    const int fd = connect_to(run_dir());
    ASSERT_GE(fd, 0);
    // Some say nothing, some never finish, some never read.
    if (i % 3 == 1) send_text(fd, "GET /stats HT");
    if (i % 3 == 2) send_text(fd, "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n");
    idle.push_back(fd);
  }
  EXPECT_EQ(get("/stats").status, 200);
  for (const int fd : idle) close(fd);
}

TEST_F(ControlServerTest, CutsOffARequestThatDoesNotCome) {
  ControlOptions options;
  options.request_timeout = milliseconds(50);
  start(options);
  const int fd = connect_to(run_dir());
  ASSERT_GE(fd, 0);
  send_text(fd, "GET /livez HTTP/1.1\r\nHos");
  EXPECT_EQ(read_all(fd).find("200 OK"), std::string::npos);  // and it ends
  close(fd);
}

TEST_F(ControlServerTest, CutsOffAReaderThatDoesNotRead) {
  ControlOptions options;
  options.response_timeout = milliseconds(50);
  daemon_.change([](Snapshot& s) { s.version = std::string(8 << 20, 'v'); });
  start(options);
  const int fd = connect_to(run_dir());
  ASSERT_GE(fd, 0);
  send_text(fd, "GET /stats HTTP/1.1\r\nHost: x\r\n\r\n");
  // stop() joins the connection's thread: with the reader asleep, only the deadline ends it.
  while (get("/livez").status != 200) std::this_thread::yield();
  const std::string text = read_all(fd);
  close(fd);
  EXPECT_LE(text.size(), std::size_t{9} << 20);
}

TEST_F(ControlServerTest, OneUidCannotTakeAllConnections) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root";
  ControlOptions options;
  options.mode = 0666;
  options.connections_per_uid_max = 4;
  start(options);
  const int refused = as_nobody(run_dir(), [this] {
    std::vector<int> held;
    for (int i = 0; i < 4; ++i) held.push_back(connect_to(run_dir()));
    const int fd = connect_to(run_dir());
    const std::string text = read_all(fd);  // refused without being asked anything
    return text.find("503") != std::string::npos ? 0 : 1;
  });
  EXPECT_EQ(refused, 0);
  EXPECT_EQ(get("/livez").status, 200);
}

TEST_F(ControlServerTest, StopsWhileConnectionsAreOpenAndSomeoneWaits) {
  start();
  const int idle = connect_to(run_dir());
  auto waiting =
      std::async(std::launch::async, [this] { return get("/entries?after=2500&wait_ms=10000"); });
  while (get("/livez").status != 200) std::this_thread::yield();
  server_->stop();
  server_->stop();
  waiting.get();
  close(idle);
  EXPECT_FALSE(std::filesystem::exists(socket_path()));
}

TEST_F(ControlServerTest, ServesManyAtOnce) {
  start();
  std::atomic<int> good{0};
  std::vector<std::thread> askers;
  for (int i = 0; i < 8; ++i) {
    askers.emplace_back([&] {
      for (int round = 0; round < 25; ++round) good += get("/stats").status == 200 ? 1 : 0;
    });
  }
  for (std::thread& asker : askers) asker.join();
  EXPECT_EQ(good, 200);
}

}  // namespace
}  // namespace xased
