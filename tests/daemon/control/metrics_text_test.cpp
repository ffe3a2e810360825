#include <gtest/gtest.h>

#include <map>
#include <regex>
#include <set>
#include <sstream>

#include "daemon/control/render.hpp"

namespace xased {
namespace {

Snapshot snapshot() {
  Snapshot s;
  s.version = "1.2.3";
  s.committed = 10;
  s.dead_letter_total = 5;
  s.dead_letter = 3;
  s.refused_total = 4;
  s.sync_seconds = 0.25;
  s.syncs = 100;
  s.answers_limited = 6;
  s.oldest_undelivered_seconds = 1.5;
  return s;
}

bool has_line(const std::string& text, const std::string& line) {
  return ("\n" + text).find("\n" + line + "\n") != std::string::npos;
}

TEST(MetricsText, EveryLineIsOfTheFormat) {
  Snapshot s = snapshot();
  s.paused = "odd \"reason\"\\\n";
  const std::string text = metrics_text(s);
  ASSERT_TRUE(text.ends_with("\n"));
  const std::regex help("# HELP [a-z_]+ .+");
  const std::regex type("# TYPE [a-z_]+ (counter|gauge|summary)");
  const std::regex sample(R"re([a-z_]+(\{[a-z]+="([^"\\\n]|\\["\\n])*"\})? -?[0-9][0-9.e+-]*)re");
  std::istringstream lines(text);
  std::set<std::string> typed;
  std::set<std::string> samples;
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("# HELP")) {
      EXPECT_TRUE(std::regex_match(line, help)) << line;
    } else if (line.starts_with("# TYPE")) {
      EXPECT_TRUE(std::regex_match(line, type)) << line;
      const std::string name = line.substr(7, line.find(' ', 7) - 7);
      EXPECT_TRUE(typed.insert(name).second) << name << " twice";
      // The convention that tells counters from gauges.
      EXPECT_EQ(line.ends_with(" counter"), name.ends_with("_total")) << line;
    } else {
      EXPECT_TRUE(std::regex_match(line, sample)) << line;
      EXPECT_TRUE(samples.insert(line.substr(0, line.rfind(' '))).second) << line << " twice";
    }
  }
}

TEST(MetricsText, CarriesTheNamesThatDashboardsAndAlertsUse) {
  const std::string text = metrics_text(snapshot());
  for (const char* name : {"xased_records_committed_total",
                           "xased_records_journaled_total",
                           "xased_records_durable_total",
                           "xased_records_delivered_total",
                           "xased_records_dead_letter_total",
                           "xased_records_dead_letter",
                           "xased_records_undelivered",
                           "xased_records_rejected_total",
                           "xased_records_replayed_total",
                           "xased_gaps_total",
                           "xased_records_missing_total",
                           "xased_records_refused_total",
                           "xased_producers",
                           "xased_rings_waiting",
                           "xased_rings_condemned_total",
                           "xased_delivery_paused",
                           "xased_delivery_in_flight",
                           "xased_delivery_attempts_total",
                           "xased_oldest_undelivered_seconds",
                           "xased_journal_bytes",
                           "xased_journal_bytes_max",
                           "xased_segments",
                           "xased_sync_seconds",
                           "xased_last_sequence",
                           "xased_disk_full",
                           "xased_checkpoint_size",
                           "xased_tree_stalled",
                           "xased_head_disagreed",
                           "xased_keys_trouble",
                           "xased_checkpoint_waits",
                           "xased_ready",
                           "xased_log_alarms_total",
                           "xased_audits_total",
                           "xased_audit_failures_total",
                           "xased_build_info"}) {
    EXPECT_NE(text.find("# TYPE " + std::string(name) + " "), std::string::npos) << name;
  }
}

TEST(MetricsText, GivesValuesAsTheyAre) {
  const std::string text = metrics_text(snapshot());
  EXPECT_TRUE(has_line(text, "xased_records_committed_total 10"));
  EXPECT_TRUE(has_line(text, "xased_records_dead_letter_total 5"));
  EXPECT_TRUE(has_line(text, "xased_records_dead_letter 3"));
  EXPECT_TRUE(has_line(text, "xased_records_refused_total 4"));
  EXPECT_TRUE(has_line(text, "xased_sync_seconds_sum 0.25"));
  EXPECT_TRUE(has_line(text, "xased_sync_seconds_count 100"));
  EXPECT_TRUE(has_line(text, "xased_oldest_undelivered_seconds 1.5"));
  EXPECT_TRUE(has_line(text, "xased_delivery_attempts_total{result=\"limited\"} 6"));
  EXPECT_TRUE(has_line(text, "xased_build_info{version=\"1.2.3\"} 1"));
}

TEST(MetricsText, EveryPauseReasonIsThereAndOneAtMostIsOn) {
  Snapshot s = snapshot();
  EXPECT_TRUE(has_line(metrics_text(s), "xased_delivery_paused{reason=\"unauthorized\"} 0"));
  s.paused = "unauthorized";
  const std::string text = metrics_text(s);
  EXPECT_TRUE(has_line(text, "xased_delivery_paused{reason=\"unauthorized\"} 1"));
  EXPECT_TRUE(has_line(text, "xased_delivery_paused{reason=\"rate_limited\"} 0"));
  EXPECT_TRUE(has_line(text, "xased_delivery_paused{reason=\"disabled\"} 0"));
  EXPECT_EQ(text.find("reason=\"none\""), std::string::npos);
}

TEST(StatsJson, TextThatIsNotUtf8DoesNotBreakIt) {
  Snapshot s;
  s.base_url = "\xff\xfe";
  EXPECT_NE(stats_json(s).find("\"base_url\""), std::string::npos);
}

}  // namespace
}  // namespace xased
