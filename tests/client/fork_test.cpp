#include <sys/wait.h>

#include <xase/xase.hpp>

#include "tests/client/fake_daemon.hpp"
#include "tests/support/sanitizer_fork.hpp"

namespace xase::test {
namespace {

// Runs `body` in a child; its exit code, or -1 where it died.
template <class Body>
int in_child(Body body) {
  const pid_t child = fork();
  if (child == 0) _exit(body());
  int status = 0;
  waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

int record_named(const ClientPtr& client, const std::string& id) {
  const xase_record_fields fields = some_record(id);
  return static_cast<int>(xase_record(client.get(), &fields));
}

std::map<std::string, std::vector<std::string>> ids_by_ring(const std::string& run_dir) {
  std::map<std::string, std::vector<std::string>> ids;
  for (const std::string& path : ring_paths(run_dir)) {
    FakeRing ring(path);
    for (const SeenRecord& record : ring.read()) {
      ids[path].push_back(record.text(proto::Span::kTransactionId));
    }
  }
  return ids;
}

TEST(Fork, AChildMakesItsOwnRingAndTheParentGoesOnInItsOwn) {
  const TempDir dir;
  const ClientPtr client = open_client(dir.path());
  ASSERT_EQ(record_named(client, "parent"), XASE_OK);
  EXPECT_EQ(in_child([&] { return record_named(client, "child"); }), XASE_OK);
  ASSERT_EQ(record_named(client, "parent"), XASE_OK);
  std::vector<std::vector<std::string>> rings;
  for (const auto& [path, ids] : ids_by_ring(dir.path())) rings.push_back(ids);
  std::sort(rings.begin(), rings.end());
  const std::vector<std::vector<std::string>> expected{{"child"}, {"parent", "parent"}};
  EXPECT_EQ(rings, expected);
  EXPECT_EQ(counts_of(client).committed, 2U);
}

TEST(Fork, GrandchildrenToo) {
  const TempDir dir;
  const ClientPtr client = open_client(dir.path());
  ASSERT_EQ(record_named(client, "1"), XASE_OK);
  EXPECT_EQ(in_child([&] {
              if (record_named(client, "2") != XASE_OK) return 1;
              return in_child([&] { return record_named(client, "3"); });
            }),
            0);
  EXPECT_EQ(ring_paths(dir.path()).size(), 3U);
}

TEST(Fork, AChildThatRecordsNothingDoesNotKeepTheParentsRingOwned) {
  const TempDir dir;
  int pipe_fds[2];
  ASSERT_EQ(pipe(pipe_fds), 0);
  // The middle process owns a ring, forks a child that lives on, and dies.
  const int middle = in_child([&] {
    const ClientPtr client = open_client(dir.path());
    if (record_named(client, "a") != XASE_OK) return 1;
    if (fork() == 0) {
      char byte = 0;
      close(pipe_fds[1]);
      _exit(read(pipe_fds[0], &byte, 1) == 0 ? 0 : 1);
    }
    _exit(0);
  });
  EXPECT_EQ(middle, 0);
  FakeRing ring(ring_paths(dir.path()).at(0));
  EXPECT_FALSE(ring.has_owner());
  close(pipe_fds[0]);
  close(pipe_fds[1]);
}

TEST(Fork, AnAppThatClosesEveryDescriptorStillOwnsItsRing) {
  const TempDir dir;
  int ready[2];
  int done[2];
  ASSERT_EQ(pipe(ready), 0);
  ASSERT_EQ(pipe(done), 0);
  const pid_t child = fork();
  if (child == 0) {
    const ClientPtr client = open_client(dir.path());
    if (record_named(client, "a") != XASE_OK) _exit(1);
    for (int fd = 3; fd < 1024; ++fd) {
      if (fd != ready[1] && fd != done[0]) close(fd);
    }
    if (record_named(client, "b") != XASE_OK) _exit(2);
    char byte = 'r';
    if (write(ready[1], &byte, 1) != 1) _exit(3);
    _exit(read(done[0], &byte, 1) == 1 ? 0 : 4);
  }
  char byte = 0;
  ASSERT_EQ(read(ready[0], &byte, 1), 1);
  FakeRing ring(ring_paths(dir.path()).at(0));
  EXPECT_TRUE(ring.has_owner());
  EXPECT_EQ(ring.read().size(), 2U);
  ASSERT_EQ(write(done[1], &byte, 1), 1);
  int status = 0;
  waitpid(child, &status, 0);
  EXPECT_EQ(status, 0);
  EXPECT_FALSE(ring.has_owner());
  for (const int fd : {ready[0], ready[1], done[0], done[1]}) close(fd);
}

TEST(Fork, InTheMiddleOfOtherThreadsCallsTheChildDoesNotHang) {
  let_sanitizer_fork();
  const TempDir dir;
  const ClientPtr client = open_client(dir.path());
  std::atomic<bool> stop{false};
  std::vector<std::thread> threads;
  // One records, one opens rings and takes the lock all the time, one asks for counts.
  threads.emplace_back([&] {
    while (!stop) static_cast<void>(record_named(client, "parent"));
  });
  threads.emplace_back([&] {
    while (!stop) std::thread([&] { static_cast<void>(record_named(client, "parent")); }).join();
  });
  threads.emplace_back([&] {
    while (!stop) static_cast<void>(counts_of(client));
  });
  for (int i = 0; i < (kSanitized ? 10 : 100); ++i) {
    EXPECT_EQ(in_child([&] {
                alarm(60);
                for (int n = 0; n < 10; ++n) {
                  if (record_named(client, "child") != XASE_OK) return 1;
                }
                xase_counts counts = XASE_COUNTS_INIT;
                if (xase_stats(client.get(), &counts) != XASE_OK) return 2;
                return counts.committed == 10 ? 0 : 3;
              }),
              0);
  }
  stop = true;
  for (auto& thread : threads) thread.join();
  for (const auto& [path, ids] : ids_by_ring(dir.path())) {
    EXPECT_EQ(std::count(ids.begin(), ids.end(), ids.front()),
              static_cast<std::ptrdiff_t>(ids.size()))
        << "two processes wrote into one ring";
  }
}

TEST(Fork, AClosedClientIsClosedInTheChildToo) {
  const TempDir dir;
  const ClientPtr client = open_client(dir.path());
  ASSERT_EQ(record_named(client, "a"), XASE_OK);
  xase_client_close(client.get());
  EXPECT_EQ(in_child([&] { return record_named(client, "b"); }), XASE_QUEUE_CLOSED);
}

TEST(Fork, AChildMayFreeWhatItsParentOpened) {
  const TempDir dir;
  ClientPtr client = open_client(dir.path());
  ASSERT_EQ(record_named(client, "a"), XASE_OK);
  EXPECT_EQ(in_child([&] {
              client.reset();
              return 0;
            }),
            0);
  EXPECT_EQ(in_child([&] {
              if (record_named(client, "child") != XASE_OK) return 1;
              client.reset();
              return 0;
            }),
            0);
  ASSERT_EQ(record_named(client, "b"), XASE_OK);
  EXPECT_EQ(ring_paths(dir.path()).size(), 2U);
}

TEST(Fork, TheChildsCallbacksComeFromAThreadOfItsOwn) {
  const TempDir dir;
  FakeDaemon daemon(dir.path(), FakeDaemon::deliver_all());
  std::atomic<int> calls{0};
  Options options;
  options.run_dir = dir.path();
  options.ring_bytes = 64 << 10;
  options.result_thread = true;
  options.on_success = [&](const Receipt&) { ++calls; };
  Client client(options);
  Record record;
  record.policy = "p";
  record.input = record.output = "{}";
  ASSERT_TRUE(ok(client.record(record)));
  EXPECT_TRUE(eventually([&] { return calls == 1; }));
  EXPECT_EQ(in_child([&] {
              calls = 0;
              if (!ok(client.record(record))) return 1;
              return eventually([&] { return calls == 1; }) ? 0 : 2;
            }),
            0);
  EXPECT_EQ(calls, 1);
}

}  // namespace
}  // namespace xase::test
