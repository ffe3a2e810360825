#include <gtest/gtest.h>

#include "daemon/control/render.hpp"
#include "daemon/ctl/control_client.hpp"
#include "daemon/ctl/rate_history.hpp"
#include "daemon/ctl/status_view.hpp"

namespace xased::ctl {
namespace {

using std::chrono::seconds;

constexpr std::int64_t kNow = 1'800'000'000'000'000'000;

Style plain() { return {}; }
Style colourful(int columns = 120) {
  Style style;
  style.terminal = style.color = style.unicode = true;
  style.columns = columns;
  return style;
}

std::string joined(const std::vector<std::string>& lines) {
  std::string text;
  for (const std::string& line : lines) text += line + "\n";
  return text;
}

Snapshot waiting() {
  Snapshot s;
  s.version = "1.0.0";
  s.live = s.ready = true;
  s.started_wall_ns = kNow - 3'600'000'000'000;
  s.committed = 1'284'112;
  s.journaled = 1'284'112;
  s.durable = 1'284'110;
  s.delivered = 1'201'334;
  s.undelivered = 82'776;
  s.dead_letter = 2;
  s.oldest_undelivered_seconds = 252;
  s.paused = "unauthorized";
  s.paused_http_status = 401;
  s.paused_since_wall_ns = kNow - 252'000'000'000;
  s.next_probe_seconds = 12;
  return s;
}

TEST(StatusView, SaysWhyDeliveryWaitsForHowLongAndWhatToDo) {
  const std::string text = joined(status_lines(waiting(), kNow, plain()));
  EXPECT_NE(text.find("1,284,112"), std::string::npos);
  EXPECT_NE(text.find("the API does not accept the key (401) for 4m 12s"), std::string::npos);
  EXPECT_NE(text.find("next try in 12 s"), std::string::npos);
  EXPECT_NE(text.find("82,776 to go, oldest 4m 12s"), std::string::npos);
  EXPECT_NE(text.find("xasectl deadletter list"), std::string::npos);
  EXPECT_NE(text.find("> put a valid key"), std::string::npos);
}

TEST(StatusView, ColourIsForTerminalsAlone) {
  EXPECT_EQ(joined(status_lines(waiting(), kNow, plain())).find('\x1b'), std::string::npos);
  EXPECT_NE(joined(status_lines(waiting(), kNow, colourful())).find("\x1b[31m"), std::string::npos);
}

TEST(StatusView, FitsTheTerminalWhateverItsWidth) {
  Snapshot s = waiting();
  s.base_url = "https://" + std::string(300, 'x');
  for (int columns = 20; columns < 200; columns += 7) {
    for (const std::string& line : status_lines(s, kNow, colourful(columns), Rates{})) {
      EXPECT_LE(shown_width(line), static_cast<std::size_t>(columns)) << line;
    }
  }
}

TEST(StatusView, WhatTheDaemonWasToldCannotSteerTheTerminal) {
  Snapshot s = waiting();
  s.base_url = "https://a\x1b[2J\xc2\x9b";
  s.paused = "\x1b]0;owned\x07";
  EXPECT_EQ(joined(status_lines(s, kNow, plain())).find_first_of("\x1b\x07"), std::string::npos);
}

TEST(StatusView, ADaemonWithNothingToSayIsQuiet) {
  Snapshot s;
  s.live = s.ready = true;
  const std::string text = joined(status_lines(s, kNow, plain()));
  EXPECT_NE(text.find("nothing to deliver"), std::string::npos);
  EXPECT_NE(text.find("gaps         none"), std::string::npos);
  EXPECT_EQ(text.find("rejected"), std::string::npos);
  EXPECT_EQ(text.find("> "), std::string::npos);
}

TEST(StatusView, ShowsTheFullestRingsFirst) {
  Snapshot s;
  for (std::uint32_t i = 0; i < 20; ++i) {
    RingSnapshot ring;
    ring.ring_id = "ring" + std::to_string(i);
    ring.pid = i;
    ring.capacity_bytes = 100;
    ring.used_bytes = i;
    s.rings.push_back(ring);
  }
  const auto lines = ring_lines(s, plain(), 3);
  ASSERT_EQ(lines.size(), 5U);
  EXPECT_TRUE(lines[1].starts_with("ring19"));
  EXPECT_TRUE(lines[3].starts_with("ring17"));
  EXPECT_EQ(lines[4], "and 17 other rings");
}

TEST(PauseWords, EveryReasonSaysWhatToDo) {
  for (const char* reason : {"no_api_key", "unauthorized", "quota_exceeded", "forbidden",
                             "not_found", "method_not_allowed", "redirected", "not_the_api",
                             "refusals", "rate_limited", "journal_full", "disabled"}) {
    EXPECT_FALSE(pause_words(reason).what_to_do.empty()) << reason;
    EXPECT_NE(pause_words(reason).why, reason);
  }
  EXPECT_EQ(pause_words("of tomorrow").why, "of tomorrow");
}

TEST(ParseSnapshot, ReadsWhatTheServerWrites) {
  Snapshot s = waiting();
  s.rings.push_back({"ab", 1, 2, true, 3, 4, 5, 6, 7, 8});
  s.settled_through = 77;
  s.sync_seconds = 0.5;
  s.answers_limited = 9;
  const std::string text = stats_json(s);
  const Result<Snapshot> read = parse_snapshot(text);
  ASSERT_TRUE(read.ok());
  EXPECT_EQ(stats_json(*read), text);
}

TEST(ParseSnapshot, RefusesWhatIsNot) {
  EXPECT_FALSE(parse_snapshot("").ok());
  EXPECT_FALSE(parse_snapshot("<html>").ok());
  EXPECT_FALSE(parse_snapshot("{}").ok());
  EXPECT_FALSE(parse_snapshot(R"({"committed":"many"})").ok());
  EXPECT_FALSE(parse_snapshot(R"({"committed":1,"rings":[7]})").ok());
}

TEST(RateHistory, RatesAreThoseOfTheLastLooks) {
  RateHistory history;
  Snapshot s;
  const RateHistory::Time begin{};
  history.add(s, begin);
  EXPECT_FALSE(history.rates());
  for (int i = 1; i <= 5; ++i) {
    s.committed += 100;
    s.delivered += 10;
    history.add(s, begin + seconds(i));
  }
  ASSERT_TRUE(history.rates());
  EXPECT_DOUBLE_EQ(history.rates()->committed, 100);
  EXPECT_DOUBLE_EQ(history.rates()->delivered, 10);
  EXPECT_DOUBLE_EQ(history.committed_peak(), 100);
  EXPECT_EQ(shown_width(history.committed_sparkline(colourful(), 20)), 20U);
}

TEST(RateHistory, AnotherLedgerBeginsAnew) {
  RateHistory history;
  Snapshot s;
  s.journaled = s.committed = 1000;
  history.add(s, RateHistory::Time{});
  s.journaled = s.committed = 5;
  history.add(s, RateHistory::Time{} + seconds(1));
  EXPECT_FALSE(history.rates());
}

TEST(Terminal, NumbersAreAsOneReadsThem) {
  EXPECT_EQ(with_commas(0), "0");
  EXPECT_EQ(with_commas(999), "999");
  EXPECT_EQ(with_commas(1000), "1,000");
  EXPECT_EQ(with_commas(1284112), "1,284,112");
  EXPECT_EQ(short_seconds(0), "0 s");
  EXPECT_EQ(short_seconds(0.0012), "1.2 ms");
  EXPECT_EQ(short_seconds(0.85), "850 ms");
  EXPECT_EQ(short_seconds(59.9), "59 s");
  EXPECT_EQ(short_seconds(252), "4m 12s");
  EXPECT_EQ(short_seconds(11220), "3h 7m");
  EXPECT_EQ(short_seconds(1e6), "11d 13h");
  EXPECT_EQ(short_bytes(412), "412 B");
  EXPECT_EQ(short_bytes(2'469'606'195), "2.3 GiB");
  EXPECT_EQ(short_rate(3.44), "3.4");
  EXPECT_EQ(short_rate(28411.2), "28,411");
}

TEST(Terminal, PrintableLeavesTextAloneAndControlsOut) {
  EXPECT_EQ(printable("abc é → 日本 😀"), "abc é → 日本 😀");
  EXPECT_EQ(printable("a\nb\tc"), "a b c");
  EXPECT_EQ(printable("\x1b[31m\x07\x7f"), "?[31m??");
  EXPECT_EQ(printable("\xc2\x9b"), "?") << "C1 controls";
  EXPECT_EQ(printable("\xe2\x80\xae"), "?") << "right-to-left override";
  EXPECT_EQ(printable("\xff\xc3"), "??");
  EXPECT_EQ(printable("\xc0\xaf\xed\xa0\x80"), "?????") << "overlong and surrogate";
}

TEST(Terminal, WidthsDoNotCountColours) {
  const Style style = colourful();
  const std::string red = paint(style, Ink::kRed, "añb");
  EXPECT_EQ(shown_width(red), 3U);
  EXPECT_EQ(shown_width(left(red, 10)), 10U);
  EXPECT_EQ(clipped(red, 2), "\x1b[31mañ\x1b[0m") << "the colour still ends";
  EXPECT_EQ(shown_width(bar(style, 0.33, 10)), 10U);
  EXPECT_EQ(bar(plain(), 0.5, 4), "##..");
  EXPECT_EQ(bar(plain(), 7, 4), "####");
}

}  // namespace
}  // namespace xased::ctl
