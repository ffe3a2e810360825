// xasectl as a process, against a stats socket with made-up answers and against real rings.
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <csignal>
#include <fstream>
#include <future>
#include <nlohmann/json.hpp>
#include <string>
#include <thread>
#include <vector>

#include "tests/daemon/control/fake_daemon.hpp"
#include "tests/daemon/ctl/run_xasectl.hpp"

namespace xased {
namespace {

class XasectlTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { std::signal(SIGPIPE, SIG_IGN); }
  void start_daemon() {
    auto server = ControlServer::start(directory_.path(), {}, daemon_.hooks());
    ASSERT_TRUE(server.ok()) << server.status().message();
    server_ = std::move(*server);
  }
  Ended ctl(std::vector<std::string> arguments, const std::string& input = {}) {
    arguments.insert(arguments.begin(), {"--run-dir", directory_.path()});
    return run(std::move(arguments), input);
  }
  bool contains(const std::string& text, const std::string& part) {
    return text.find(part) != std::string::npos;
  }

  TemporaryDirectory directory_;
  FakeDaemon daemon_;
  std::unique_ptr<ControlServer> server_;
};

constexpr char kGood[] = R"({"policy":"p","input":{"a":1},"output":{"b":2}})";

TEST_F(XasectlTest, WrongUsageExitsTwoAndHelpExitsZero) {
  EXPECT_EQ(run({}).code, 2);
  EXPECT_EQ(run({"nonsense"}).code, 2);
  EXPECT_EQ(run({"wait"}).code, 2);
  EXPECT_EQ(run({"wait", "--for", "ever"}).code, 2);
  EXPECT_EQ(run({"deadletter"}).code, 2);
  EXPECT_EQ(run({"--help"}).code, 0);
  EXPECT_TRUE(contains(run({"--help"}).out, "69 no daemon answers"));
  EXPECT_TRUE(contains(run({"--version"}).out, "xasectl "));
}

TEST_F(XasectlTest, WithoutADaemonEveryCommandSaysWhereItLookedAndWhatToTry) {
  for (const std::vector<std::string>& command : {std::vector<std::string>{"status"},
                                                  {"ready"},
                                                  {"tap"},
                                                  {"reload"},
                                                  {"top"},
                                                  {"deadletter", "list"},
                                                  {"deadletter", "retry", "--all"},
                                                  {"config", "show", "--running"}}) {
    const Ended ended = ctl(command);
    EXPECT_EQ(ended.code, 69) << command[0];
    EXPECT_TRUE(contains(ended.err, directory_.path() + "/stats.sock")) << ended.err;
    EXPECT_TRUE(contains(ended.err, "xased --dev")) << ended.err;
    EXPECT_EQ(ended.err.find('\x1b'), std::string::npos);
  }
}

TEST_F(XasectlTest, StatusIsForPeopleAndForPrograms) {
  start_daemon();
  Ended ended = ctl({"status"});
  EXPECT_EQ(ended.code, 0) << ended.err;
  EXPECT_TRUE(contains(ended.out, "committed"));
  EXPECT_TRUE(contains(ended.out, "1,284"));
  EXPECT_EQ(ended.out.find('\x1b'), std::string::npos) << "no colour into a pipe";
  ended = ctl({"status", "--json"});
  EXPECT_EQ(ended.code, 0);
  const auto json = nlohmann::json::parse(ended.out);
  EXPECT_EQ(json["committed"], 1284);
  EXPECT_TRUE(json["paused"].is_null());
  EXPECT_EQ(json["head"], std::string(64, 'a'));
}

TEST_F(XasectlTest, GlobalOptionsMayStandBehindTheCommand) {
  start_daemon();
  EXPECT_EQ(run({"status", "--json", "--run-dir", directory_.path()}).code, 0);
  EXPECT_EQ(run({"deadletter", "list", "--json", "--run-dir", directory_.path()}).code, 0);
}

TEST_F(XasectlTest, TheRunDirectoryComesFromEnvironmentOrFileAsTheDaemonReadsThem) {
  start_daemon();
  EXPECT_EQ(run({"ready"}, {}, {"XASE_RUN_DIR=" + directory_.path()}).code, 0);
  EXPECT_EQ(run({"ready"}, {}, {"XASED_RUN_DIR=" + directory_.path()}).code, 0);
  const std::string file = directory_.path() + "/xased.toml";
  { std::ofstream(file) << "run_dir = \"" << directory_.path() << "\"\n"; }
  EXPECT_EQ(run({"ready", "--config", file}).code, 0);
  EXPECT_EQ(run({"ready", "--config", file + ".not"}).code, 78);
}

TEST_F(XasectlTest, WorksWithARunDirectoryLongerThanASocketAddress) {
  const std::string deep = directory_.path() + "/" + std::string(120, 'd');
  std::filesystem::create_directory(deep);
  auto server = ControlServer::start(deep, {}, daemon_.hooks());
  ASSERT_TRUE(server.ok());
  EXPECT_EQ(run({"ready", "--run-dir", deep}).code, 0);
}

TEST_F(XasectlTest, ReadySaysWhyNot) {
  start_daemon();
  EXPECT_EQ(ctl({"ready"}).code, 0);
  daemon_.change([](Snapshot& s) {
    s.ready = false;
    s.not_ready_reason = "recovering the journal";
  });
  const Ended ended = ctl({"ready", "--json"});
  EXPECT_EQ(ended.code, 1);
  EXPECT_TRUE(contains(ended.err, "recovering the journal"));
  EXPECT_EQ(nlohmann::json::parse(ended.out)["ready"], false);
}

TEST_F(XasectlTest, ReadyWaitsForADaemonThatComes) {
  auto ended = std::async(std::launch::async, [this] { return ctl({"ready", "--timeout", "60"}); });
  start_daemon();
  EXPECT_EQ(ended.get().code, 0);
}

TEST_F(XasectlTest, WaitEndsWhenAllIsDelivered) {
  start_daemon();
  auto waiting = std::async(std::launch::async, [this] {
    return ctl({"wait", "--for", "delivered", "--timeout", "60"});
  });
  while (daemon_.scans < 3) std::this_thread::yield();
  daemon_.change([](Snapshot& s) { s.settled_through = 2500; });
  const Ended ended = waiting.get();
  EXPECT_EQ(ended.code, 0) << ended.err;
  EXPECT_TRUE(contains(ended.err, "2 set aside")) << ended.err;
}

TEST_F(XasectlTest, WaitTellsWhatIsMissingWhenTimeIsUp) {
  start_daemon();
  daemon_.change([](Snapshot& s) { s.paused = "unauthorized"; });
  const Ended ended = ctl({"wait", "--for", "delivered", "--timeout", "0.1", "--json"});
  EXPECT_EQ(ended.code, 1);
  EXPECT_TRUE(contains(ended.err, "81 records are not delivered")) << ended.err;
  EXPECT_TRUE(contains(ended.err, "unauthorized"));
  EXPECT_EQ(nlohmann::json::parse(ended.out)["reached"], false);
}

TEST_F(XasectlTest, WaitOutlastsARestartOfTheDaemon) {
  start_daemon();
  auto waiting = std::async(std::launch::async, [this] {
    return ctl({"wait", "--for", "durable", "--timeout", "60"});
  });
  while (daemon_.scans < 2) std::this_thread::yield();
  server_.reset();
  daemon_.change([](Snapshot& s) { s.durable_sequence = 2600; });
  start_daemon();
  EXPECT_EQ(waiting.get().code, 0);
}

TEST_F(XasectlTest, WaitWithoutADaemonExitsOneWhenTimeIsUp) {
  const Ended ended = ctl({"wait", "--for", "durable", "--timeout", "0.05"});
  EXPECT_EQ(ended.code, 1);
  EXPECT_TRUE(contains(ended.err, "no daemon")) << ended.err;
}

TEST_F(XasectlTest, TapShowsEntriesAndPayloadsOnlyWhenAsked) {
  start_daemon();
  Ended ended = ctl({"tap", "--from", "2499", "--count", "2"});
  EXPECT_EQ(ended.code, 0) << ended.err;
  EXPECT_TRUE(contains(ended.out, "#2499"));
  EXPECT_TRUE(contains(ended.out, "#2500"));
  EXPECT_FALSE(contains(ended.out, "1e2"));
  ended = ctl({"tap", "--from", "2500", "--count", "1", "--payload", "--json"});
  EXPECT_EQ(nlohmann::json::parse(ended.out)["payload"]["input"], R"({"a": 1e2})");
}

TEST_F(XasectlTest, TapFollowsWhatComesAcrossARestart) {
  start_daemon();
  auto tapping = std::async(std::launch::async, [this] {
    return ctl({"tap", "--from", "2500", "--count", "2", "--json"});
  });
  server_.reset();
  daemon_.change([](Snapshot& s) { s.last_sequence = 2501; });
  start_daemon();
  const Ended ended = tapping.get();
  // It may have come before there was a daemon: then it says so, and nothing else.
  if (ended.code != 69) {
    EXPECT_EQ(ended.code, 0) << ended.err;
    EXPECT_TRUE(contains(ended.out, "\"sequence\":2501")) << ended.out;
  }
}

TEST_F(XasectlTest, DeadLettersAreListedShownAndRetried) {
  start_daemon();
  Ended ended = ctl({"deadletter", "list"});
  EXPECT_EQ(ended.code, 0);
  EXPECT_TRUE(contains(ended.out, "VALIDATION_ERROR"));
  EXPECT_TRUE(contains(ended.out, "loan-17"));
  EXPECT_TRUE(contains(ended.err, "2 set aside"));
  ended = ctl({"deadletter", "list", "--json"});
  EXPECT_EQ(nlohmann::json::parse(ended.out.substr(0, ended.out.find('\n')))["sequence"], 17);
  EXPECT_TRUE(contains(ctl({"deadletter", "show", "17"}).out, "VALIDATION_ERROR"));
  EXPECT_EQ(ctl({"deadletter", "show", "99"}).code, 1);
  EXPECT_EQ(ctl({"deadletter", "retry", "17"}).code, 0);
  EXPECT_EQ(ctl({"deadletter", "retry", "99"}).code, 1);
  EXPECT_EQ(ctl({"deadletter", "retry"}).code, 2);
  EXPECT_EQ(ctl({"deadletter", "retry", "17", "--all"}).code, 2);
  EXPECT_EQ(daemon_.retries, 1);
  EXPECT_EQ(ctl({"deadletter", "retry", "--all"}).code, 0);
  EXPECT_EQ(daemon_.retries, 2);
}

TEST_F(XasectlTest, ReloadTellsWhyTheOldConfigurationStays) {
  start_daemon();
  EXPECT_EQ(ctl({"reload"}).code, 0);
  daemon_.reload_fails = true;
  const Ended ended = ctl({"reload"});
  EXPECT_EQ(ended.code, 78);
  EXPECT_TRUE(contains(ended.err, "no such key"));
}

TEST_F(XasectlTest, ConfigShowGivesOriginsAndMasksTheKey) {
  const std::string key = "xase_pk_" + std::string(44, '0') + "beef";
  const Ended ended = run({"config", "show"}, {}, {"XASE_API_KEY=" + key, "XASED_API_TIMEOUT=7s"});
  EXPECT_EQ(ended.code, 0) << ended.err;
  EXPECT_TRUE(contains(ended.out, "environment XASED_API_TIMEOUT"));
  EXPECT_TRUE(contains(ended.out, "xase_pk_0000"));
  EXPECT_FALSE(contains(ended.out + ended.err, "beef"));
  start_daemon();
  EXPECT_TRUE(contains(ctl({"config", "show", "--running"}).out, "/run/x"));
}

TEST_F(XasectlTest, TopWithoutATerminalIsALineALook) {
  start_daemon();
  const Ended ended = ctl({"top", "--count", "2", "--interval", "0.1"});
  EXPECT_EQ(ended.code, 0);
  EXPECT_EQ(std::count(ended.out.begin(), ended.out.end(), '\n'), 3);
  EXPECT_EQ(ended.out.find('\x1b'), std::string::npos);
}

TEST_F(XasectlTest, VerifyWithoutALedgerExitsThreeAndSaysWhatToGive) {
  const Ended ended = run({"verify", directory_.path()});
  EXPECT_EQ(ended.code, 3);
  EXPECT_TRUE(contains(ended.err, "state_dir")) << ended.err;
}

TEST_F(XasectlTest, CompletionKnowsTheCommands) {
  const Ended ended = run({"completion", "bash"});
  EXPECT_EQ(ended.code, 0);
  EXPECT_TRUE(contains(ended.out, "\"deadletter\") words=\"list show retry"));
  EXPECT_TRUE(contains(ended.out, "\"keys\") words=\"show"));
  EXPECT_TRUE(contains(ended.out, "--checkpoint"));
  const std::string script = directory_.path() + "/completion";
  { std::ofstream(script) << ended.out; }
  EXPECT_EQ(std::system(("bash -n " + script).c_str()), 0);
}

TEST_F(XasectlTest, AUserWhoMayNotEnterIsToldWhatToDo) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root";
  start_daemon();
  const std::string run_dir = directory_.path();
  const pid_t child = fork();
  if (child == 0) {
    if (setgid(65534) != 0 || setuid(65534) != 0) _exit(250);
    const Ended ended = run({"status", "--run-dir", run_dir});
    _exit(ended.code == 77 && ended.err.find("group xase") != std::string::npos ? 0 : 1);
  }
  int status = 0;
  waitpid(child, &status, 0);
  EXPECT_EQ(status, 0);
}

TEST_F(XasectlTest, RecordAcknowledgesEachLineOnceItIsCommitted) {
  const Ended ended = ctl({"record", "--ack"}, std::string(kGood) + "\n\n" + kGood + "\n" + kGood);
  EXPECT_EQ(ended.code, 0) << ended.err;
  EXPECT_EQ(ended.out, "1\n3\n4\n");
}

TEST_F(XasectlTest, RecordSkipsBadLinesTellsThemAndExitsOne) {
  const Ended ended = ctl({"record", "--ack"},
                          std::string(kGood) + "\nnonsense\n" + R"({"policy":"p","inputs":{}})" +
                              "\n" + R"({"policy":"p","input":{"a":1}})" + "\n" + kGood + "\n");
  EXPECT_EQ(ended.code, 1);
  EXPECT_EQ(ended.out, "1\n5\n");
  EXPECT_TRUE(contains(ended.err, "line 2: INVALID_JSON"));
  EXPECT_TRUE(contains(ended.err, "line 3: UNKNOWN_FIELD"));
  EXPECT_TRUE(contains(ended.err, "did you mean \"input\""));
  EXPECT_TRUE(contains(ended.err, "line 4: INVALID_OUTPUT"));
}

TEST_F(XasectlTest, RecordAcknowledgesBeforeTheNextLineComes) {
  std::array<int, 2> in{};
  std::array<int, 2> out{};
  ASSERT_EQ(pipe2(in.data(), O_CLOEXEC), 0);
  ASSERT_EQ(pipe2(out.data(), O_CLOEXEC), 0);
  const std::string run_dir = directory_.path();
  const pid_t child = fork();
  if (child == 0) {
    dup2(in[0], 0);
    dup2(out[1], 1);
    execl(XASECTL, "xasectl", "record", "--ack", "--run-dir", run_dir.c_str(), nullptr);
    _exit(127);
  }
  close(in[0]);
  close(out[1]);
  for (int line = 1; line <= 3; ++line) {
    const std::string text = std::string(kGood) + "\n";
    ASSERT_EQ(write(in[1], text.data(), text.size()), static_cast<ssize_t>(text.size()));
    char answer[16];
    const ssize_t got = read(out[0], answer, sizeof answer);
    ASSERT_GT(got, 0);
    EXPECT_EQ(std::string(answer, static_cast<std::size_t>(got)), std::to_string(line) + "\n");
  }
  close(in[1]);
  close(out[0]);
  int status = 0;
  waitpid(child, &status, 0);
  EXPECT_EQ(status, 0);
}

TEST_F(XasectlTest, RecordRepeatsAFileAndCountsItsLinesOn) {
  const std::string file = directory_.path() + "/lines";
  { std::ofstream(file) << kGood << "\n" << kGood << "\n"; }
  Ended ended = ctl({"record", file, "--ack", "--repeat", "3"});
  EXPECT_EQ(ended.code, 0) << ended.err;
  EXPECT_EQ(ended.out, "1\n2\n3\n4\n5\n6\n");
  ended = ctl({"record", "--repeat", "2"}, kGood);
  EXPECT_NE(ended.code, 0);
  EXPECT_TRUE(contains(ended.err, "give a file")) << ended.err;
}

TEST_F(XasectlTest, RecordSumsUpForPrograms) {
  const Ended ended = ctl({"record", "--json"}, std::string(kGood) + "\nx\n");
  EXPECT_EQ(ended.code, 1);
  const auto json = nlohmann::json::parse(ended.out);
  EXPECT_EQ(json["committed"], 1);
  EXPECT_EQ(json["failed"], 1);
  EXPECT_EQ(ctl({"record", "--json", "--ack"}, kGood).code, 2);
}

TEST_F(XasectlTest, RecordWithoutRoomAndWithoutADaemonEndsWithAClearMessage) {
  { std::ofstream(directory_.path() + "/settings") << "ring_bytes=65536\n"; }
  std::string input;
  for (int i = 0; i < 2000; ++i) input += std::string(kGood) + "\n";
  const Ended ended = ctl({"record", "--room-timeout", "0.05"}, input);
  EXPECT_EQ(ended.code, 1);
  EXPECT_TRUE(contains(ended.err, "QUEUE_FULL")) << ended.err;
  EXPECT_TRUE(contains(ended.err, "is the daemon running?"));
}

TEST_F(XasectlTest, RecordWhoseRecordsGoNowhereSaysThatNothingIsLost) {
  const Ended ended = ctl({"record", "--wait", "durable", "--timeout", "0.05"}, kGood);
  EXPECT_EQ(ended.code, 1);
  EXPECT_TRUE(contains(ended.err, "not all durable")) << ended.err;
  EXPECT_TRUE(contains(ended.err, "nothing is lost")) << ended.err;
}

TEST_F(XasectlTest, RecordWithoutAFileOrADirectoryExitsAccordingly) {
  EXPECT_EQ(ctl({"record", "/no/such/file"}).code, 3);
  const Ended ended = run({"record", "--run-dir", "/no/such/place/run"}, kGood);
  EXPECT_EQ(ended.code, 69) << ended.err;
  EXPECT_TRUE(contains(ended.err, "RUN_DIR_UNAVAILABLE")) << ended.err;
}

}  // namespace
}  // namespace xased
