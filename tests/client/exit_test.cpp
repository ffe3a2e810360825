// What records while its process ends: no crash, and what returned OK is in a ring.
#include <sys/mman.h>

#include <cstdlib>

#include "tests/client/fake_daemon.hpp"

namespace xase::test {
namespace {

constexpr std::uint64_t kBefore = 50;
constexpr int kRounds = kSanitized ? 3 : 20;

// Of the process that ends, which has nobody to free them.
xase_client* client = nullptr;
// Shared with the parent: records of the thread that were taken.
std::atomic<std::uint64_t>* taken = nullptr;

xase_error record_one(std::string_view id) {
  const xase_record_fields fields = some_record(id);
  return xase_record(client, &fields);
}

void must(bool holds) {
  if (!holds) std::abort();
}

// A pace at which the ring does not fill: every record is taken until the process is gone, or until
// the client is closed.
void record_on_and_on() {
  while (true) {
    const xase_error error = record_one("thread");
    if (error == XASE_QUEUE_CLOSED) return;
    must(error == XASE_OK);
    taken->fetch_add(1);
    std::this_thread::sleep_for(std::chrono::microseconds(20));
  }
}

void wait_until_taken(std::uint64_t count) {
  while (taken->load() < count) std::this_thread::yield();
}

void record_beside_the_thread() {
  must(record_one("at exit") == XASE_OK);
  wait_until_taken(taken->load() + kBefore);
}

void close_under_the_thread() {
  xase_client_close(client);
  must(record_one("too late") == XASE_QUEUE_CLOSED);
}

struct RecordsWhenDestroyed {
  ~RecordsWhenDestroyed() {
    if (client != nullptr) must(record_one("static") == expected);
  }
  xase_error expected = XASE_OK;
};
// Made before the library has made anything, and so destroyed after it.
RecordsWhenDestroyed last_static;  // NOLINT(cert-err58-cpp)

class Exit : public testing::Test {
 protected:
  Exit() {
    void* page =
        mmap(nullptr, sizeof *taken, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    taken = new (page) std::atomic<std::uint64_t>(0);
  }
  ~Exit() override {
    munmap(taken, sizeof *taken);
    taken = nullptr;
  }

  static void open() {
    client = open_client(dir_path, [](xase_client_options& options) {
               options.ring_bytes = 64 << 20;
             }).release();
  }

  // How often each id is in the rings.
  std::map<std::string, std::uint64_t> recorded() const {
    std::map<std::string, std::uint64_t> counts;
    for (const std::string& path : ring_paths(dir_.path())) {
      FakeRing ring(path);
      EXPECT_FALSE(ring.has_owner());
      for (const SeenRecord& record : ring.read())
        ++counts[record.text(proto::Span::kTransactionId)];
    }
    return counts;
  }

  TempDir dir_;
  static std::string dir_path;
};
std::string Exit::dir_path;

TEST_F(Exit, HandlersAndStaticDestructorsMayRecordWhenAllThreadsHaveEnded) {
  dir_path = dir_.path();
  EXPECT_EXIT(
      {
        open();
        for (int i = 0; i < 3; ++i)
          std::thread([] { must(record_one("thread") == XASE_OK); }).join();
        std::atexit([] { must(record_one("at exit") == XASE_OK); });
        static RecordsWhenDestroyed local;
        std::exit(0);
      },
      testing::ExitedWithCode(0), "");
  EXPECT_EQ(recorded(),
            (std::map<std::string, std::uint64_t>{{"thread", 3}, {"at exit", 1}, {"static", 2}}));
}

TEST_F(Exit, AfterACloseTheySaySo) {
  dir_path = dir_.path();
  EXPECT_EXIT(
      {
        open();
        must(record_one("before") == XASE_OK);
        xase_client_close(client);
        last_static.expected = XASE_QUEUE_CLOSED;
        std::atexit([] { must(record_one("at exit") == XASE_QUEUE_CLOSED); });
        std::exit(0);
      },
      testing::ExitedWithCode(0), "");
  EXPECT_EQ(recorded(), (std::map<std::string, std::uint64_t>{{"before", 1}}));
}

TEST_F(Exit, AThreadThatRecordsAllTheWhileDoesNoHarm) {
  for (int round = 0; round < kRounds; ++round) {
    const TempDir dir;
    dir_path = dir.path();
    taken->store(0);
    EXPECT_EXIT(
        {
          open();
          std::thread(record_on_and_on).detach();
          wait_until_taken(kBefore);
          std::atexit(record_beside_the_thread);
          std::exit(0);
        },
        testing::ExitedWithCode(0), "");
    std::uint64_t of_thread = 0;
    std::uint64_t others = 0;
    for (const std::string& path : ring_paths(dir.path())) {
      FakeRing ring(path);
      for (const SeenRecord& record : ring.read()) {
        ++(record.text(proto::Span::kTransactionId) == "thread" ? of_thread : others);
      }
    }
    EXPECT_GE(taken->load(), 2 * kBefore);
    // It may have been stopped between the commit and the count.
    EXPECT_GE(of_thread, taken->load());
    EXPECT_LE(of_thread, taken->load() + 1);
    EXPECT_EQ(others, 2U) << "of the handler and of the static object";
  }
}

TEST_F(Exit, AHandlerMayCloseUnderAThreadThatRecords) {
  for (int round = 0; round < kRounds; ++round) {
    const TempDir dir;
    dir_path = dir.path();
    taken->store(0);
    EXPECT_EXIT(
        {
          open();
          std::thread(record_on_and_on).detach();
          wait_until_taken(kBefore);
          last_static.expected = XASE_QUEUE_CLOSED;
          std::atexit(close_under_the_thread);
          std::exit(0);
        },
        testing::ExitedWithCode(0), "");
    const std::vector<std::string> paths = ring_paths(dir.path());
    ASSERT_EQ(paths.size(), 1U);
    const std::uint64_t seen = FakeRing(paths.front()).read().size();
    EXPECT_GE(seen, taken->load());
    EXPECT_LE(seen, taken->load() + 1);
  }
}

}  // namespace
}  // namespace xase::test
