#include "daemon/ctl/new_ids.hpp"

#include <gtest/gtest.h>

#include <regex>
#include <set>

namespace xased::ctl {
namespace {

TEST(NewIds, EveryRoundAndLineGetsIdsOfItsOwn) {
  NewIds ids("run");
  std::set<std::string> transactions;
  std::set<std::string> keys;
  for (std::uint64_t round = 1; round <= 3; ++round) {
    for (std::uint64_t line = 1; line <= 3; ++line) {
      RecordLine record;
      const std::string id = "loan-" + std::to_string(line);
      const std::string key = "0123456789abcde" + std::to_string(line);
      record.transaction_id = id;
      record.idempotency_key = key;
      ids.apply(round, line, record);
      transactions.emplace(record.transaction_id);
      keys.emplace(record.idempotency_key);
      EXPECT_TRUE(std::regex_match(std::string(record.idempotency_key),
                                   std::regex("[A-Za-z0-9_-]{16,64}")));
    }
  }
  EXPECT_EQ(transactions.size(), 9U);
  EXPECT_EQ(keys.size(), 9U);
  EXPECT_TRUE(transactions.contains("run-2-loan-3"));
}

TEST(NewIds, ARecordWithoutAnIdGetsItsLinesNumberAndNoKey) {
  NewIds ids("run");
  RecordLine record;
  ids.apply(2, 7, record);
  EXPECT_EQ(record.transaction_id, "run-2-7");
  EXPECT_TRUE(record.idempotency_key.empty());
}

TEST(NewIds, TheSamePrefixGivesTheSameIds) {
  RecordLine a;
  RecordLine b;
  a.idempotency_key = b.idempotency_key = "0123456789abcdef";
  NewIds first("run");
  NewIds second("run");
  first.apply(1, 1, a);
  second.apply(1, 1, b);
  EXPECT_EQ(a.idempotency_key, b.idempotency_key);
  EXPECT_EQ(a.transaction_id, b.transaction_id);
}

}  // namespace
}  // namespace xased::ctl
