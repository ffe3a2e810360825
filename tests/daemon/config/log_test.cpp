#include "daemon/config/log.hpp"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <sstream>
#include <thread>
#include <vector>

namespace xased {
namespace {

using nlohmann::json;
using std::chrono::seconds;

// What `work` writes to stderr, by lines.
template <class Work>
std::vector<std::string> lines_of(Work work) {
  ::testing::internal::CaptureStderr();
  work();
  std::istringstream in(::testing::internal::GetCapturedStderr());
  std::vector<std::string> lines;
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

std::vector<json> objects_of(const std::vector<std::string>& lines) {
  std::vector<json> objects;
  for (const std::string& line : lines) {
    EXPECT_TRUE(json::accept(line)) << line;
    objects.push_back(json::parse(line, nullptr, false));
  }
  return objects;
}

// The time stands at a fixed place; any digit in it becomes a nine.
std::string digits_as_nines(std::string line, std::size_t begin, std::size_t size) {
  for (std::size_t i = begin; i < begin + size && i < line.size(); i++) {
    if (line[i] >= '0' && line[i] <= '9') line[i] = '9';
  }
  return line;
}

class Log : public ::testing::Test {
 protected:
  void SetUp() override { init_log(LogLevel::kInfo, LogFormat::kJson, "xased"); }
  void TearDown() override { init_log(LogLevel::kInfo, LogFormat::kAuto, "xased"); }
};

using Repeated = Log;

TEST_F(Log, WritesOneJsonObjectALine) {
  const auto lines = lines_of([] {
    log_info("delivery", "paused",
             {{"reason", "UNAUTHORIZED"},
              {"status", 401},
              {"left", std::uint64_t{1} << 63U},
              {"probe", true}});
    log_error("journal", "cannot sync");
  });
  ASSERT_EQ(lines.size(), 2U);
  EXPECT_EQ(digits_as_nines(lines[0], 9, 24),
            R"({"time":"9999-99-99T99:99:99.999Z","level":"info","stage":"delivery",)"
            R"("msg":"paused","reason":"UNAUTHORIZED","status":401,)"
            R"("left":9223372036854775808,"probe":true})");
  const auto objects = objects_of(lines);
  EXPECT_EQ(objects[1]["level"], "error");
  EXPECT_EQ(objects[1]["msg"], "cannot sync");
}

TEST_F(Log, KeepsHostileTextInItsString) {
  const std::string hostile = "a\"},\n{\"level\":\"x\\ \x1b[31m \xff\xfe \xed\xa0\x80 %v {}";
  const auto lines = lines_of([&] {
    log_warn(hostile, hostile, {{hostile, hostile}, {"nul", std::string("a\0b", 3)}});
  });
  ASSERT_EQ(lines.size(), 1U);
  const auto objects = objects_of(lines);
  EXPECT_EQ(objects[0].size(), 6U);
  EXPECT_EQ(objects[0]["level"], "warn");
  EXPECT_EQ(objects[0]["nul"], std::string("a\0b", 3));
  EXPECT_EQ(objects[0]["msg"].get<std::string>().rfind("a\"},\n{\"level\"", 0), 0U);
}

TEST_F(Log, RenamesFieldsThatWouldHideItsOwn) {
  const auto objects = objects_of(lines_of([] {
    log_info("s", "m", {{"time", "t"}, {"level", "l"}, {"stage", "g"}, {"msg", "n"}});
  }));
  ASSERT_EQ(objects.size(), 1U);
  EXPECT_EQ(objects[0].size(), 8U);
  EXPECT_EQ(objects[0]["msg"], "m");
  EXPECT_EQ(objects[0]["_msg"], "n");
  EXPECT_EQ(objects[0]["_level"], "l");
}

TEST_F(Log, LeavesOutWhatIsBelowItsLevel) {
  EXPECT_FALSE(log_enabled(LogLevel::kDebug));
  EXPECT_TRUE(lines_of([] { log_debug("s", "m"); }).empty());
  init_log(LogLevel::kError, LogFormat::kJson, "xased");
  EXPECT_TRUE(lines_of([] { log_warn("s", "m"); }).empty());
  init_log(LogLevel::kTrace, LogFormat::kJson, "xased");
  const auto objects = objects_of(lines_of([] {
    log_trace("s", "m");
    log_debug("s", "m");
  }));
  ASSERT_EQ(objects.size(), 2U);
  EXPECT_EQ(objects[0]["level"], "trace");
  EXPECT_EQ(objects[1]["level"], "debug");
}

TEST_F(Log, WritesTextForPeople) {
  init_log(LogLevel::kInfo, LogFormat::kText, "xased");
  const auto lines = lines_of([] {
    log_warn("delivery", "paused: the API refuses the key",
             {{"reason", "UNAUTHORIZED"}, {"status", 401}, {"hint", "two words"}, {"none", ""}});
  });
  ASSERT_EQ(lines.size(), 1U);
  EXPECT_EQ(digits_as_nines(lines[0], 0, 24),
            "9999-99-99T99:99:99.999Z warn  xased delivery: paused: the API refuses the key "
            R"(reason=UNAUTHORIZED status=401 hint="two words" none="")");
}

TEST_F(Log, LetsNoControlSequenceThroughToATerminal) {
  init_log(LogLevel::kInfo, LogFormat::kText, "xased");
  const auto lines = lines_of([] {
    log_info("s", "line\nbreak \x1b]0;title\x07 \x7f \xc2\x9b",
             {{"a\nb", "c\rd"}, {"f", "x=y"}, {"bad", "\xff"}});
  });
  ASSERT_EQ(lines.size(), 1U);
  for (const char c : lines[0]) EXPECT_TRUE(c >= 0x20 && c < 0x7f) << static_cast<int>(c);
  EXPECT_NE(lines[0].find(R"("a\nb"="c\rd" f="x=y")"), std::string::npos) << lines[0];
}

TEST_F(Log, IsJsonWhereStderrIsNoTerminal) {
  const auto lines = lines_of([] {
    init_log(LogLevel::kInfo, LogFormat::kAuto, "xased");
    log_info("s", "m");
  });
  ASSERT_EQ(lines.size(), 1U);
  EXPECT_EQ(objects_of(lines)[0]["msg"], "m");
}

TEST_F(Log, TakesLinesFromManyThreadsWhileItIsSetUpAnew) {
  const auto lines = lines_of([] {
    std::vector<std::thread> threads;
    threads.reserve(4);
    for (int t = 0; t < 4; t++) {
      threads.emplace_back([] {
        for (int i = 0; i < 100; i++) log_info("s", "m", {{"i", i}});
      });
    }
    for (int i = 0; i < 20; i++) init_log(LogLevel::kInfo, LogFormat::kJson, "xased");
    for (std::thread& thread : threads) thread.join();
  });
  EXPECT_EQ(lines.size(), 400U);
  objects_of(lines);
}

TEST_F(Repeated, LogsTheFirstAtOnceAndThenCounts) {
  RepeatedLog log("delivery", seconds(10));
  const auto at = [&](int second, int status) {
    return objects_of(lines_of([&] {
      log.log(LogLevel::kWarn, "refused", "refused", {{"status", status}}, seconds(second));
    }));
  };
  const auto first = at(0, 500);
  ASSERT_EQ(first.size(), 1U);
  EXPECT_FALSE(first[0].contains("repeated"));
  EXPECT_EQ(first[0]["stage"], "delivery");
  EXPECT_TRUE(at(1, 501).empty());
  EXPECT_TRUE(at(9, 502).empty());
  const auto later = at(10, 503);
  ASSERT_EQ(later.size(), 1U);
  EXPECT_EQ(later[0]["repeated"], 3);
  EXPECT_EQ(later[0]["status"], 503);
  EXPECT_EQ(later[0]["level"], "warn");
  EXPECT_TRUE(at(19, 504).empty());
}

TEST_F(Repeated, KeepsKeysApart) {
  RepeatedLog log("s", seconds(10));
  EXPECT_EQ(lines_of([&] {
              log.log(LogLevel::kWarn, "a", "m", {}, seconds(0));
              log.log(LogLevel::kWarn, "b", "m", {}, seconds(1));
              log.log(LogLevel::kWarn, "a", "m", {}, seconds(2));
            }).size(),
            2U);
}

TEST_F(Repeated, SaysItsCountsWhenTheIntervalEndsWithoutANewEvent) {
  RepeatedLog log("s", seconds(10));
  EXPECT_EQ(lines_of([&] {
              log.log(LogLevel::kWarn, "a", "m", {}, seconds(0));
              log.log(LogLevel::kWarn, "a", "m", {}, seconds(1));
              log.flush(seconds(9));
            }).size(),
            1U);
  const auto flushed = objects_of(lines_of([&] { log.flush(seconds(10)); }));
  ASSERT_EQ(flushed.size(), 1U);
  EXPECT_EQ(flushed[0]["repeated"], 1);
  EXPECT_TRUE(lines_of([&] { log.flush(seconds(30)); }).empty());
  // Forgotten by now: the next one is a first one again.
  const auto again =
      objects_of(lines_of([&] { log.log(LogLevel::kWarn, "a", "m", {}, seconds(31)); }));
  ASSERT_EQ(again.size(), 1U);
  EXPECT_FALSE(again[0].contains("repeated"));
}

TEST_F(Repeated, LosesNoCountAtTheEnd) {
  RepeatedLog log("s", seconds(10));
  const auto objects = objects_of(lines_of([&] {
    for (int i = 0; i < 5; i++) log.log(LogLevel::kWarn, "a", "m", {}, seconds(0));
    log.flush_all();
    log.flush_all();
  }));
  ASSERT_EQ(objects.size(), 2U);
  EXPECT_EQ(objects[1]["repeated"], 4);
}

TEST_F(Repeated, MakesRoomByReportingItsOldestKey) {
  RepeatedLog log("s", seconds(10));
  const auto lines = lines_of([&] {
    log.log(LogLevel::kWarn, "oldest", "oldest", {}, std::chrono::nanoseconds(0));
    log.log(LogLevel::kWarn, "oldest", "oldest", {}, std::chrono::nanoseconds(0));
    for (std::size_t i = 1; i <= RepeatedLog::kKeysMax; i++) {
      log.log(LogLevel::kWarn, "key" + std::to_string(i), "m", {}, std::chrono::nanoseconds(i));
    }
  });
  ASSERT_EQ(lines.size(), RepeatedLog::kKeysMax + 2);
  std::size_t reported = 0;
  for (const json& object : objects_of(lines)) {
    if (object.contains("repeated")) {
      reported++;
      EXPECT_EQ(object["msg"], "oldest");
    }
  }
  EXPECT_EQ(reported, 1U);
}

}  // namespace
}  // namespace xased
