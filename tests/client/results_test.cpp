#include "client/src/results.hpp"

#include <xase/xase.hpp>

#include "tests/client/fake_daemon.hpp"

namespace xase::test {
namespace {

using proto::ErrorCode;
using proto::Span;

constexpr const char* kAnswer =
    R"({"success":true,"transaction_id":"txn_1","receipt_url":"http://x/receipt/txn_1",)"
    R"("timestamp":"2026-01-07T12:00:00.000Z","record_hash":"ab12","chain_position":"chained"})";

Options options_for(const TempDir& dir) {
  Options options;
  options.run_dir = dir.path();
  options.ring_bytes = 64 << 10;
  return options;
}

Record record_named(std::string_view transaction_id) {
  Record record;
  record.policy = "p";
  record.input = "{}";
  record.output = "{}";
  record.transaction_id = transaction_id;
  return record;
}

TEST(SynchronousRecord, ReturnsTheReceiptOfADeliveredRecord) {
  const TempDir dir;
  FakeDaemon daemon(dir.path(), FakeDaemon::deliver_all(kAnswer));
  Client client(options_for(dir));
  const Receipt receipt = client.record_sync(record_named("a"));
  EXPECT_TRUE(ok(receipt.code)) << receipt.message;
  EXPECT_TRUE(receipt.success);
  EXPECT_EQ(receipt.http_status, 201);
  EXPECT_EQ(receipt.transaction_id, "txn_1");
  EXPECT_EQ(receipt.receipt_url, "http://x/receipt/txn_1");
  EXPECT_EQ(receipt.timestamp, "2026-01-07T12:00:00.000Z");
  EXPECT_EQ(receipt.record_hash, "ab12");
  EXPECT_EQ(receipt.chain_position, "chained");
  EXPECT_EQ(receipt.answer, kAnswer);
  EXPECT_EQ(receipt.sequence, 1U);
  EXPECT_EQ(receipt.producer_id.size(), 32U);
  EXPECT_FALSE(receipt.replayed);
}

TEST(SynchronousRecord, TellsWhyTheApiRefused) {
  const TempDir dir;
  FakeDaemon daemon(dir.path(), [](FakeRing& ring, const SeenRecord& record) {
    ring.send_result(
        record.sequence, ErrorCode::kRequestFailed, 400, proto::kResultPossibleDuplicate,
        R"({"error":"no such type","code":"VALIDATION_ERROR","details":[{"path":"a"}]})");
    ring.daemon().failed.fetch_add(1);
    ring.set_settled(record.sequence);
  });
  Client client(options_for(dir));
  const Receipt receipt = client.record_sync(record_named("a"));
  EXPECT_EQ(receipt.code, Error::kRequestFailed);
  EXPECT_FALSE(receipt.success);
  EXPECT_TRUE(receipt.possible_duplicate);
  EXPECT_EQ(receipt.http_status, 400);
  EXPECT_EQ(receipt.api_code, "VALIDATION_ERROR");
  EXPECT_EQ(receipt.message, "no such type");
}

TEST(SynchronousRecord, ARejectionEndsTheWaitForDurable) {
  const TempDir dir;
  FakeDaemon daemon(dir.path(), [](FakeRing& ring, const SeenRecord& record) {
    ring.send_result(record.sequence, ErrorCode::kRejected, 0, 0, "input is not JSON");
  });
  Client client(options_for(dir));
  const Receipt receipt = client.record_sync(record_named("a"), Until::kDurable);
  EXPECT_EQ(receipt.code, Error::kRejected);
  EXPECT_EQ(receipt.message, "input is not JSON");
}

TEST(SynchronousRecord, WaitsForExactlyThePointThatWasAskedFor) {
  const TempDir dir;
  FakeDaemon daemon(dir.path(), [](FakeRing& ring, const SeenRecord& record) {
    ring.set_journaled(record.sequence);
    ring.set_durable(record.sequence);
  });
  Client client(options_for(dir));
  using std::chrono::milliseconds;
  EXPECT_TRUE(ok(client.record_sync(record_named("a"), Until::kCommitted, milliseconds(0)).code));
  EXPECT_TRUE(ok(client.record_sync(record_named("a"), Until::kJournaled).code));
  EXPECT_TRUE(ok(client.record_sync(record_named("a"), Until::kDurable).code));
  const Receipt receipt =
      client.record_sync(record_named("a"), Until::kDelivered, milliseconds(20));
  EXPECT_EQ(receipt.code, Error::kTimeout);
  EXPECT_FALSE(receipt.message.empty());
  EXPECT_EQ(client.stats().committed, 4U) << "what timed out is committed all the same";
}

TEST(SynchronousRecord, SaysUnknownWhereTheResultWasLostOnItsWay) {
  const TempDir dir;
  FakeDaemon daemon(dir.path(), [](FakeRing& ring, const SeenRecord& record) {
    ring.daemon().results_dropped.fetch_add(1);
    ring.daemon().delivered.fetch_add(1);
    ring.set_settled(record.sequence);
  });
  Client client(options_for(dir));
  EXPECT_EQ(client.record_sync(record_named("a")).code, Error::kUnknownError);
}

TEST(SynchronousRecord, SettledAfterADaemonRestartWithoutAResultIsUnknownAndNoHang) {
  const TempDir dir;
  FakeDaemon daemon(dir.path(), [](FakeRing& ring, const SeenRecord& record) {
    ring.set_settled(record.sequence);
  });
  Client client(options_for(dir));
  EXPECT_EQ(client.record_sync(record_named("a")).code, Error::kUnknownError);
}

TEST(SynchronousRecord, ManyThreadsEachGetTheirOwn) {
  const TempDir dir;
  FakeDaemon daemon(dir.path(), [](FakeRing& ring, const SeenRecord& record) {
    ring.send_result(record.sequence, ErrorCode::kOk, 201, 0,
                     "{\"transaction_id\":\"" + record.text(Span::kTransactionId) + "\"}");
    ring.set_settled(record.sequence);
  });
  Client client(options_for(dir));
  std::atomic<bool> polling{true};
  // Takes results out of the rings of others while they wait.
  std::thread poller([&] {
    while (polling) client.poll();
  });
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&client, t] {
      for (int i = 0; i < 100; ++i) {
        const std::string id = std::to_string(t) + "-" + std::to_string(i);
        const Receipt receipt = client.record_sync(record_named(id));
        EXPECT_TRUE(ok(receipt.code)) << receipt.message;
        EXPECT_EQ(receipt.transaction_id, id);
      }
    });
  }
  for (auto& thread : threads) thread.join();
  polling = false;
  poller.join();
}

TEST(Callbacks, PollDeliversSuccessAndErrorInTheCallingThread) {
  const TempDir dir;
  FakeDaemon daemon(dir.path(), [](FakeRing& ring, const SeenRecord& record) {
    const bool good = record.sequence % 2 == 1;
    ring.send_result(record.sequence, good ? ErrorCode::kOk : ErrorCode::kRequestFailed,
                     good ? 201 : 422, good ? proto::kResultReplayed : std::uint16_t{0}, kAnswer);
    ring.set_settled(record.sequence);
  });
  std::vector<std::uint64_t> good;
  std::vector<std::uint64_t> bad;
  Options options = options_for(dir);
  options.on_success = [&](const Receipt& receipt) {
    EXPECT_TRUE(receipt.success && receipt.replayed);
    EXPECT_EQ(receipt.transaction_id, "txn_1");
    good.push_back(receipt.sequence);
  };
  options.on_error = [&](const Receipt& receipt) {
    EXPECT_EQ(receipt.http_status, 422);
    bad.push_back(receipt.sequence);
    throw std::runtime_error("a callback's exception is its own");
  };
  Client client(options);
  for (int i = 0; i < 6; ++i) ASSERT_TRUE(ok(client.record(record_named("a"))));
  ASSERT_TRUE(ok(client.flush(Until::kDelivered, std::chrono::seconds(60))));
  EXPECT_EQ(client.poll(1), 1U);
  EXPECT_EQ(client.poll(), 5U);
  EXPECT_EQ(client.poll(), 0U);
  EXPECT_EQ(good, (std::vector<std::uint64_t>{1, 3, 5}));
  EXPECT_EQ(bad, (std::vector<std::uint64_t>{2, 4, 6}));
}

TEST(Callbacks, AThreadOfTheLibraryDeliversThemWhereAskedFor) {
  const TempDir dir;
  FakeDaemon daemon(dir.path(), FakeDaemon::deliver_all(kAnswer));
  std::atomic<int> successes{0};
  std::atomic<bool> elsewhere{true};
  Options options = options_for(dir);
  options.result_thread = true;
  options.on_success = [&, self = std::this_thread::get_id()](const Receipt&) {
    if (std::this_thread::get_id() == self) elsewhere = false;
    ++successes;
  };
  Client client(options);
  for (int i = 0; i < 50; ++i) ASSERT_TRUE(ok(client.record(record_named("a"))));
  EXPECT_TRUE(eventually([&] { return successes == 50; }));
  EXPECT_TRUE(elsewhere);
  client.close();
  EXPECT_EQ(client.poll(), 0U);
}

TEST(Callbacks, ACallbackMayRecordPollAndClose) {
  const TempDir dir;
  FakeDaemon daemon(dir.path(), FakeDaemon::deliver_all(kAnswer));
  std::atomic<int> calls{0};
  Client* self = nullptr;
  Options options = options_for(dir);
  options.result_thread = true;
  options.on_success = [&](const Receipt&) {
    if (++calls < 10) {
      EXPECT_TRUE(ok(self->record(record_named("again"))));
      static_cast<void>(self->poll());
    } else {
      self->close();
    }
  };
  Client client(options);
  self = &client;
  ASSERT_TRUE(ok(client.record(record_named("a"))));
  EXPECT_TRUE(eventually([&] { return calls >= 10 && client.stats().closed == 1; }));
}

TEST(Callbacks, WithoutThemNoResultIsAskedFor) {
  const TempDir dir;
  Client client(options_for(dir));
  ASSERT_TRUE(ok(client.record(record_named("a"))));
  FakeRing ring(ring_paths(dir.path()).at(0));
  EXPECT_EQ(ring.producer().wants_results.load(), 0U);
  EXPECT_EQ(ring.read().at(0).flags, 0);
}

TEST(Callbacks, NonsenseInTheResultsIsLeftAlone) {
  const TempDir dir;
  int calls = 0;
  Options options = options_for(dir);
  options.on_success = options.on_error = [&](const Receipt&) { ++calls; };
  Client client(options);
  ASSERT_TRUE(ok(client.record(record_named("a"))));
  FakeRing ring(ring_paths(dir.path()).at(0));
  ring.send_result(1, ErrorCode::kOk, 201, 0, kAnswer);
  EXPECT_EQ(client.poll(), 1U);
  for (const std::uint64_t word : {UINT64_MAX, std::uint64_t{1}, std::uint64_t{0}}) {
    ring.daemon().results_committed.store(word);
    EXPECT_EQ(client.poll(), 0U);
  }
  EXPECT_TRUE(ok(client.record(record_named("a"))));
  EXPECT_EQ(calls, 1);
}

TEST(Results, DropWhatNobodyTakesAndCountIt) {
  const TempDir dir;
  Options options = options_for(dir);
  options.results_bytes = 16 << 20;
  options.on_success = [](const Receipt&) {};
  Client client(options);
  ASSERT_TRUE(ok(client.record(record_named("a"))));
  FakeRing ring(ring_paths(dir.path()).at(0));
  // poll(1) takes all results out of the ring and one out of the queue.
  std::uint64_t sent = 0;
  const std::string answer(1 << 20, 'x');
  for (int i = 0; i < 20; ++i) {
    if (ring.send_result(1, ErrorCode::kOk, 201, 0, answer)) ++sent;
    if (i == 12) {
      EXPECT_EQ(client.poll(1), 1U);
    }
  }
  ASSERT_EQ(sent, 20U);
  EXPECT_EQ(client.poll(), 16U) << "16 MiB are kept";
  EXPECT_EQ(client.stats().results_dropped, 3U);
}

TEST(Flush, CommittedReturnsAtOnceAndTheOthersWaitOrTimeOut) {
  const TempDir dir;
  Client client(options_for(dir));
  using std::chrono::milliseconds;
  EXPECT_TRUE(ok(client.flush(Until::kDelivered, milliseconds(0)))) << "nothing to wait for";
  ASSERT_TRUE(ok(client.record(record_named("a"))));
  EXPECT_TRUE(ok(client.flush(Until::kCommitted, milliseconds(0))));
  EXPECT_EQ(client.flush(Until::kDurable, milliseconds(5)), Error::kFlushTimeout);
  FakeRing ring(ring_paths(dir.path()).at(0));
  ring.set_durable(1);
  EXPECT_TRUE(ok(client.flush(Until::kDurable, milliseconds(0))));
  EXPECT_EQ(client.flush(Until::kDelivered, milliseconds(5)), Error::kFlushTimeout);
  EXPECT_EQ(ring.producer().waiters.load(), 0U);
}

TEST(Flush, IncludesRingsOfThreadsThatEnded) {
  const TempDir dir;
  Client client(options_for(dir));
  std::thread([&] { EXPECT_TRUE(ok(client.record(record_named("a")))); }).join();
  EXPECT_EQ(client.flush(Until::kDurable, std::chrono::milliseconds(5)), Error::kFlushTimeout);
  FakeDaemon daemon(dir.path(), FakeDaemon::deliver_all());
  EXPECT_TRUE(ok(client.flush(Until::kDelivered, std::chrono::seconds(60))));
  EXPECT_EQ(client.stats().pending, 0U);
}

TEST(Flush, EndsWhereTheDaemonGivesTheRingUp) {
  const TempDir dir;
  Client client(options_for(dir));
  ASSERT_TRUE(ok(client.record(record_named("a"))));
  FakeRing ring(ring_paths(dir.path()).at(0));
  ring.daemon().condemned.store(1);
  EXPECT_EQ(client.flush(Until::kDurable, std::chrono::seconds(60)), Error::kUnknownError);
}

}  // namespace
}  // namespace xase::test
