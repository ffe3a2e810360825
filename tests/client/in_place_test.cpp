// Records written in place: xase_reserve(), xase_commit(), xase_cancel(); and tickets.
#include <array>
#include <string>

#include "tests/client/fake_daemon.hpp"

namespace xase::test {
namespace {

using proto::ErrorCode;
using proto::Span;

class InPlace : public testing::Test {
 protected:
  // A ring of its own, which the first record of a thread makes.
  void SetUp() override {
    ASSERT_EQ(xase_reserve(client_.get(), 100, &room_), XASE_RUN_DIR_UNAVAILABLE);
    const xase_record_fields first = some_record("first");
    ASSERT_EQ(xase_record(client_.get(), &first), XASE_OK);
  }

  xase_error reserve(std::size_t bytes) { return xase_reserve(client_.get(), bytes, &room_); }

  // Copies texts to the room, one after the other.
  xase_record_fields put(const std::string& input, const std::string& output,
                         const std::string& context = "") {
    xase_record_fields record = some_record("in place");
    char* at = room_;
    const auto put_one = [&](const std::string& text, xase_text& to) {
      std::copy(text.begin(), text.end(), at);
      to = {at, text.size()};
      at += text.size();
    };
    put_one(input, record.input);
    put_one(output, record.output);
    put_one(context, record.context);
    return record;
  }

  std::vector<SeenRecord> read() { return FakeRing(ring_paths(dir_.path()).at(0)).read(); }

  TempDir dir_;
  ClientPtr client_ = open_client(dir_.path());
  char* room_ = nullptr;
};

TEST_F(InPlace, ARecordArrivesAsItWasWritten) {
  ASSERT_EQ(reserve(4096), XASE_OK);
  const xase_record_fields record = put(R"({"a":1})", R"({"b":22})", R"({"c":[3]})");
  ASSERT_EQ(xase_commit(client_.get(), &record, nullptr), XASE_OK) << xase_last_error_message();
  const auto seen = read();
  ASSERT_EQ(seen.size(), 2U);
  EXPECT_EQ(seen[1].text(Span::kInput), R"({"a":1})");
  EXPECT_EQ(seen[1].text(Span::kOutput), R"({"b":22})");
  EXPECT_EQ(seen[1].text(Span::kContext), R"({"c":[3]})");
  EXPECT_EQ(seen[1].text(Span::kExplanation), "");
  EXPECT_EQ(seen[1].text(Span::kPolicy), "credit_policy_v4");
  EXPECT_EQ(seen[1].text(Span::kTransactionId), "in place");
}

TEST_F(InPlace, TakesNoMoreRoomThanTheRecord) {
  // Far more than the ring's size in all, were the whole room kept.
  for (int i = 0; i < 100; ++i) {
    ASSERT_EQ(reserve(8000), XASE_OK) << i;
    const xase_record_fields record = put("{}", "{}");
    ASSERT_EQ(xase_commit(client_.get(), &record, nullptr), XASE_OK);
  }
  EXPECT_EQ(read().size(), 101U);
}

TEST_F(InPlace, WhatIsCancelledIsNotRecorded) {
  ASSERT_EQ(reserve(1000), XASE_OK);
  const xase_record_fields record = put("{}", "{}");
  xase_cancel(client_.get());
  EXPECT_EQ(xase_commit(client_.get(), &record, nullptr), XASE_INVALID_ARGUMENT);
  const xase_record_fields other = some_record("other");
  EXPECT_EQ(xase_record(client_.get(), &other), XASE_OK);
  const auto seen = read();
  ASSERT_EQ(seen.size(), 2U);
  EXPECT_EQ(seen[1].text(Span::kTransactionId), "other");
  xase_cancel(client_.get());  // nothing is reserved: nothing happens
}

TEST_F(InPlace, ACommitThatFailsGivesTheRoomBack) {
  for (const auto& [spoil, code] :
       {std::pair{+[](xase_record_fields& r) { r.policy.size = 0; }, XASE_MISSING_POLICY},
        std::pair{+[](xase_record_fields& r) { r.output.data += 1; }, XASE_INVALID_OUTPUT},
        std::pair{+[](xase_record_fields& r) { r.context = xase_str("{}"); },
                  XASE_INVALID_ARGUMENT},
        std::pair{+[](xase_record_fields& r) { r.size = 1; }, XASE_INVALID_ARGUMENT}}) {
    ASSERT_EQ(reserve(1000), XASE_OK);
    xase_record_fields record = put("{}", "{}");
    spoil(record);
    EXPECT_EQ(xase_commit(client_.get(), &record, nullptr), code) << xase_last_error_message();
  }
  ASSERT_EQ(reserve(10), XASE_OK);  // fewer than the record's texts
  const xase_record_fields record = put("{}", "{}");
  EXPECT_EQ(xase_commit(client_.get(), &record, nullptr), XASE_INVALID_ARGUMENT);
  EXPECT_EQ(read().size(), 1U);
}

TEST_F(InPlace, AFullRingIsToldAndNoRefusalCounted) {
  const std::string input = R"({"a":")" + std::string(7000, 'x') + "\"}";
  while (reserve(input.size() + 100) == XASE_OK) {
    const xase_record_fields record = put(input, "{}");
    ASSERT_EQ(xase_commit(client_.get(), &record, nullptr), XASE_OK);
  }
  EXPECT_EQ(reserve(input.size() + 100), XASE_QUEUE_FULL);
  EXPECT_EQ(counts_of(client_).refused, 0U);
  EXPECT_EQ(reserve(std::size_t{1} << 40), XASE_RECORD_TOO_LARGE);
  EXPECT_EQ(reserve(32 << 10), XASE_RECORD_TOO_LARGE);  // a quarter of the ring is less
  const xase_record_fields small = some_record("small");
  EXPECT_EQ(xase_record(client_.get(), &small), XASE_OK) << "a smaller one still fits";
}

TEST_F(InPlace, OfAClosedClientIsRefused) {
  xase_client_close(client_.get());
  EXPECT_EQ(reserve(100), XASE_QUEUE_CLOSED);
  const xase_record_fields record = some_record();
  EXPECT_EQ(xase_commit(client_.get(), &record, nullptr), XASE_INVALID_ARGUMENT);
}

struct Results {
  std::vector<std::pair<std::string, std::uint64_t>> found;
  static void keep(const xase_receipt* receipt, void* user) {
    static_cast<Results*>(user)->found.emplace_back(receipt->producer_id.data, receipt->sequence);
  }
};

TEST(Ticket, NamesTheRecordWhoseResultComes) {
  const TempDir dir;
  Results results;
  const ClientPtr client = open_client(dir.path(), [&](xase_client_options& options) {
    options.on_success = Results::keep;
    options.user = &results;
    options.results_on_request = 1;
  });
  const xase_record_fields record = some_record();
  ASSERT_EQ(xase_record(client.get(), &record), XASE_OK);
  xase_ticket asked = XASE_TICKET_INIT;
  ASSERT_EQ(xase_record_tracked(client.get(), &record, &asked), XASE_OK);
  xase_ticket in_place = XASE_TICKET_INIT;
  char* room = nullptr;
  ASSERT_EQ(xase_reserve(client.get(), 100, &room), XASE_OK);
  std::memcpy(room, "{}{}", 4);
  xase_record_fields written = record;
  written.input = {room, 2};
  written.output = {room + 2, 2};
  ASSERT_EQ(xase_commit(client.get(), &written, &in_place), XASE_OK);
  EXPECT_EQ(asked.sequence, 2U);
  EXPECT_EQ(in_place.sequence, 3U);
  EXPECT_EQ(std::string(asked.producer_id) + ".ring", files_in(dir.path() + "/rings").at(0));

  FakeDaemon daemon(dir.path(), FakeDaemon::deliver_all());
  ASSERT_EQ(xase_flush(client.get(), XASE_DELIVERED, 60'000), XASE_OK);
  while (xase_poll(client.get(), 0) != 0) {
  }
  ASSERT_EQ(results.found.size(), 2U);
  EXPECT_EQ(results.found[0], std::pair(std::string(asked.producer_id), asked.sequence));
  EXPECT_EQ(results.found[1], std::pair(std::string(asked.producer_id), in_place.sequence));
}

TEST(Ticket, OfTheWrongSizeIsAClearError) {
  const TempDir dir;
  const ClientPtr client = open_client(dir.path());
  const xase_record_fields record = some_record();
  xase_ticket ticket = XASE_TICKET_INIT;
  ticket.size = 8;
  EXPECT_EQ(xase_record_tracked(client.get(), &record, &ticket), XASE_INVALID_ARGUMENT);
  EXPECT_EQ(xase_record_tracked(client.get(), &record, nullptr), XASE_INVALID_ARGUMENT);
  EXPECT_EQ(counts_of(client).committed, 0U);
}

}  // namespace
}  // namespace xase::test
