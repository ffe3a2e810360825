#include <sys/mman.h>
#include <sys/wait.h>

#include <csignal>
#include <cstdlib>
#include <random>

#include "tests/client/fake_daemon.hpp"

namespace xase::test {
namespace {

// What the child has been told is committed, in memory that outlives it.
struct Acknowledged {
  std::atomic<std::uint64_t> count;
};

int rounds() {
  const char* given = std::getenv("XASE_TEST_KILLS");
  return given != nullptr ? static_cast<int>(std::strtol(given, nullptr, 10))
         : kSanitized     ? 30
                          : 300;
}

TEST(Crash, KilledAtAnyPointOfRecordNothingIsTornAndNothingAcknowledgedIsMissing) {
  const auto seed = std::random_device()();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  void* memory = mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  ASSERT_NE(memory, MAP_FAILED);
  auto* acknowledged = new (memory) Acknowledged{};
  for (int round = 0; round < rounds(); ++round) {
    const TempDir dir;
    acknowledged->count = 0;
    const pid_t child = fork();
    if (child == 0) {
      const ClientPtr client = open_client(dir.path());
      std::mt19937 sizes(seed + static_cast<unsigned>(round));
      while (true) {
        xase_record_fields fields = some_record("t");
        const std::string input = "{\"x\":\"" + std::string(sizes() % 3000, 'x') + "\"}";
        fields.input = {input.data(), input.size()};
        if (xase_record(client.get(), &fields) == XASE_OK) acknowledged->count.fetch_add(1);
      }
    }
    // Until there is something to kill in the middle of, then a moment more.
    while (acknowledged->count == 0) std::this_thread::yield();
    std::unique_ptr<FakeRing> ring = std::make_unique<FakeRing>(ring_paths(dir.path()).at(0));
    std::uint64_t taken = 0;
    for (auto spins = random() % 200; spins != 0; --spins) {
      taken += ring->read().size();
      ring->release();
    }
    kill(child, SIGKILL);
    int status = 0;
    waitpid(child, &status, 0);
    ASSERT_TRUE(WIFSIGNALED(status));
    taken += ring->read().size();  // checks sequence and form of every record
    EXPECT_GE(taken, acknowledged->count) << "an acknowledged record is missing";
    EXPECT_LE(taken, acknowledged->count + 1);
    EXPECT_FALSE(ring->has_owner());
    if (testing::Test::HasFailure()) break;
  }
  munmap(memory, 4096);
}

}  // namespace
}  // namespace xase::test
