#include <barrier>
#include <xase/xase.hpp>

#include "tests/client/fake_daemon.hpp"

namespace xase::test {
namespace {

TEST(Threads, EachHasARingOfItsOwn) {
  const TempDir dir;
  const ClientPtr client = open_client(dir.path());
  constexpr int kThreads = 8;
  std::barrier all(kThreads);
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&] {
      const xase_record_fields fields = some_record();
      EXPECT_EQ(xase_record(client.get(), &fields), XASE_OK);
      all.arrive_and_wait();
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(ring_paths(dir.path()).size(), std::size_t{kThreads});
  EXPECT_EQ(counts_of(client).committed, std::uint64_t{kThreads});
}

TEST(Threads, ComingAndGoingByTheThousandTheyHandTheirRingsOn) {
  const TempDir dir;
  const ClientPtr client = open_client(dir.path(), [](auto& options) {
    options.on_full = XASE_FULL_BLOCK;
    options.block_timeout_ms = 60'000;
  });
  FakeDaemon daemon(dir.path(), FakeDaemon::deliver_all());
  constexpr int kRounds = 1000;
  constexpr int kAtOnce = 3;
  for (int round = 0; round < kRounds; ++round) {
    std::vector<std::thread> threads;
    for (int t = 0; t < kAtOnce; ++t) {
      threads.emplace_back([&, round, t] {
        const std::string id = std::to_string(round) + "-" + std::to_string(t);
        const xase_record_fields fields = some_record(id);
        EXPECT_EQ(xase_record(client.get(), &fields), XASE_OK) << xase_last_error_message();
      });
    }
    for (auto& thread : threads) thread.join();
  }
  EXPECT_EQ(xase_flush(client.get(), XASE_DELIVERED, 60'000), XASE_OK);
  daemon.stop();
  EXPECT_EQ(daemon.transactions().size(), std::size_t{kRounds * kAtOnce});
  EXPECT_LE(ring_paths(dir.path()).size(), std::size_t{kAtOnce});
}

TEST(Threads, TwoClientsInOneProcessDoNotMix) {
  const TempDir first_dir;
  const TempDir second_dir;
  const ClientPtr first = open_client(first_dir.path());
  const ClientPtr second = open_client(second_dir.path());
  for (int i = 0; i < 10; ++i) {
    const xase_record_fields one = some_record("first");
    const xase_record_fields two = some_record("second");
    ASSERT_EQ(xase_record(first.get(), &one), XASE_OK);
    ASSERT_EQ(xase_record(second.get(), &two), XASE_OK);
  }
  FakeRing ring(ring_paths(first_dir.path()).at(0));
  const auto seen = ring.read();
  EXPECT_EQ(seen.size(), 10U);
  for (const SeenRecord& record : seen) {
    EXPECT_EQ(record.text(proto::Span::kTransactionId), "first");
  }
}

TEST(Threads, ManyClientsOpenedAndClosedLeaveNothingMapped) {
  const TempDir dir;
  const auto maps = [] {
    std::size_t lines = 0;
    FILE* file = std::fopen("/proc/self/maps", "re");
    for (int c = 0; file != nullptr && (c = std::fgetc(file)) != EOF;) lines += c == '\n' ? 1U : 0U;
    if (file != nullptr) std::fclose(file);
    return lines;
  };
  const auto use_one = [&] {
    const ClientPtr client = open_client(dir.path());
    const xase_record_fields fields = some_record();
    EXPECT_EQ(xase_record(client.get(), &fields), XASE_OK);
  };
  use_one();
  const std::size_t before = maps();
  for (int i = 0; i < 200; ++i) use_one();
  EXPECT_LE(maps(), before + 8);
  EXPECT_LE(files_in("/proc/self/fd").size(), 20U);
  for (const std::string& path : ring_paths(dir.path())) {
    EXPECT_FALSE(FakeRing(path).has_owner()) << "left to the daemon";
  }
  EXPECT_EQ(ring_paths(dir.path()).size(), 201U) << "the library removes no ring with records";
}

TEST(Threads, AThreadMayEndAfterItsClientWasFreed) {
  const TempDir dir;
  ClientPtr client = open_client(dir.path());
  std::barrier both(2);
  std::thread thread([&] {
    const xase_record_fields fields = some_record();
    EXPECT_EQ(xase_record(client.get(), &fields), XASE_OK);
    both.arrive_and_wait();
    both.arrive_and_wait();
  });
  both.arrive_and_wait();
  client.reset();
  both.arrive_and_wait();
  thread.join();
}

TEST(Threads, LastErrorTextsAreTheirOwn) {
  const TempDir dir;
  const ClientPtr client = open_client(dir.path());
  xase_record_fields bad = some_record();
  bad.policy = xase_str("");
  EXPECT_EQ(xase_record(client.get(), &bad), XASE_MISSING_POLICY);
  std::thread([] { EXPECT_STREQ(xase_last_error_message(), ""); }).join();
  EXPECT_STREQ(xase_last_error_message(), "policy is required");
}

TEST(Close, EveryLaterCallSaysSoAndTheCountsStay) {
  const TempDir dir;
  const ClientPtr client = open_client(dir.path());
  const xase_record_fields fields = some_record();
  ASSERT_EQ(xase_record(client.get(), &fields), XASE_OK);
  xase_client_close(client.get());
  xase_client_close(client.get());
  EXPECT_EQ(xase_record(client.get(), &fields), XASE_QUEUE_CLOSED);
  EXPECT_EQ(xase_record_sync(client.get(), &fields, XASE_DURABLE, 0, nullptr), XASE_QUEUE_CLOSED);
  EXPECT_EQ(xase_flush(client.get(), XASE_COMMITTED, 0), XASE_QUEUE_CLOSED);
  std::thread([&] { EXPECT_EQ(xase_record(client.get(), &fields), XASE_QUEUE_CLOSED); }).join();
  const xase_counts counts = counts_of(client);
  EXPECT_EQ(counts.committed, 1U);
  EXPECT_EQ(counts.rings, 1U);
  EXPECT_EQ(counts.closed, 1U);
  FakeRing ring(ring_paths(dir.path()).at(0));
  EXPECT_EQ(ring.read().size(), 1U);
}

TEST(Close, AmongRunningRecordsEachIsEitherTakenOrRefused) {
  for (int round = 0; round < 50; ++round) {
    const TempDir dir;
    const ClientPtr client = open_client(dir.path(), [](auto& options) {
      options.on_full = XASE_FULL_BLOCK;
      options.block_timeout_ms = 60'000;
    });
    std::atomic<std::uint64_t> taken{0};
    std::atomic<int> running{0};
    std::vector<std::thread> threads;
    for (int t = 0; t < 3; ++t) {
      threads.emplace_back([&] {
        const xase_record_fields fields = some_record();
        xase_error error = XASE_OK;
        ++running;
        while ((error = xase_record(client.get(), &fields)) == XASE_OK) ++taken;
        // A full ring's waiter is sent away by close() as well.
        EXPECT_TRUE(error == XASE_QUEUE_CLOSED || error == XASE_QUEUE_FULL);
      });
    }
    while (running != 3) std::this_thread::yield();
    xase_client_close(client.get());
    for (auto& thread : threads) thread.join();
    std::uint64_t found = 0;
    for (const std::string& path : ring_paths(dir.path())) {
      FakeRing ring(path);
      EXPECT_FALSE(ring.has_owner());
      found += ring.read().size();
    }
    EXPECT_EQ(found, taken);
    EXPECT_EQ(counts_of(client).committed, taken);
  }
}

TEST(Close, EndsAWaitingFlushAndASynchronousRecord) {
  const TempDir dir;
  const ClientPtr client = open_client(dir.path());
  const xase_record_fields fields = some_record();
  ASSERT_EQ(xase_record(client.get(), &fields), XASE_OK);
  std::thread flushing(
      [&] { EXPECT_EQ(xase_flush(client.get(), XASE_DURABLE, 600'000), XASE_QUEUE_CLOSED); });
  std::thread waiting([&] {
    EXPECT_EQ(xase_record_sync(client.get(), &fields, XASE_DURABLE, 600'000, nullptr),
              XASE_TIMEOUT);
  });
  // Both show up as waiters of their rings.
  EXPECT_TRUE(eventually([&] {
    std::uint32_t waiters = 0;
    for (const std::string& path : ring_paths(dir.path())) {
      waiters += FakeRing(path).producer().waiters.load();
    }
    return waiters == 2;
  }));
  xase_client_close(client.get());
  flushing.join();
  waiting.join();
}

// The client outlives everything, as that of an app that never closes it does.
xase_client* immortal = nullptr;

void record_at_exit() {
  const xase_record_fields fields = some_record("at exit");
  if (xase_record(immortal, &fields) != XASE_OK) std::abort();
}

TEST(AtExit, AHandlerMayRecord) {
  const TempDir dir;
  EXPECT_EXIT(
      {
        immortal = open_client(dir.path()).release();
        const xase_record_fields fields = some_record("before");
        if (xase_record(immortal, &fields) != XASE_OK) std::abort();
        std::atexit(record_at_exit);
        std::exit(0);
      },
      testing::ExitedWithCode(0), "");
  FakeRing ring(ring_paths(dir.path()).at(0));
  const auto seen = ring.read();
  ASSERT_EQ(seen.size(), 2U);
  EXPECT_EQ(seen[1].text(proto::Span::kTransactionId), "at exit");
}

struct RecordsWhenDestroyed {
  xase_client* client = nullptr;
  ~RecordsWhenDestroyed() {
    if (client == nullptr) return;
    const xase_record_fields fields = some_record("thread end");
    EXPECT_EQ(xase_record(client, &fields), XASE_OK);
  }
};
thread_local RecordsWhenDestroyed last_words;

TEST(AtExit, AThreadLocalsDestructorMayRecord) {
  const TempDir dir;
  const ClientPtr client = open_client(dir.path());
  std::thread([&] { last_words.client = client.get(); }).join();
  std::thread([&] {
    const xase_record_fields fields = some_record("next");
    EXPECT_EQ(xase_record(client.get(), &fields), XASE_OK);
  }).join();
  ASSERT_EQ(ring_paths(dir.path()).size(), 1U) << "handed on";
  EXPECT_EQ(FakeRing(ring_paths(dir.path()).at(0)).read().size(), 2U);
}

}  // namespace
}  // namespace xase::test
