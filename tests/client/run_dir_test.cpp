#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include <csignal>
#include <fstream>

#include "tests/client/fake_daemon.hpp"

namespace xase::test {
namespace {

namespace fs = std::filesystem;

xase_error record(const ClientPtr& client, const std::string& id = "") {
  const xase_record_fields fields = some_record(id);
  return xase_record(client.get(), &fields);
}

std::string message() { return xase_last_error_message(); }

bool mentions(const std::string& text, const std::string& what) {
  return text.find(what) != text.npos;
}

mode_t mode_of(const std::string& path) {
  struct stat status {};
  EXPECT_EQ(lstat(path.c_str(), &status), 0) << path;
  return status.st_mode & 07777U;
}

// Records until it works: attempts to make a ring are spaced out.
bool works_eventually(const ClientPtr& client) {
  return eventually([&] { return record(client) == XASE_OK; });
}

TEST(RunDir, IsMadeWhereItsParentExistsAndIsOpenToTheGroup) {
  const TempDir dir;
  const std::string run_dir = dir.path() + "/xased";
  const mode_t before = umask(077);
  const ClientPtr client = open_client(run_dir);
  EXPECT_EQ(record(client), XASE_OK) << message();
  umask(before);
  EXPECT_EQ(mode_of(run_dir), 0770U);
  EXPECT_EQ(mode_of(run_dir + "/rings"), 0770U);
  EXPECT_EQ(mode_of(ring_paths(run_dir).at(0)), 0660U);
  EXPECT_EQ(mode_of(run_dir + "/doorbell"), 0660U);
  EXPECT_EQ(files_in(run_dir), (std::vector<std::string>{"doorbell", "rings"}));
}

TEST(RunDir, AMissingParentIsAClearErrorAndWorksOnceItIsThere) {
  const TempDir dir;
  const std::string run_dir = dir.path() + "/missing/xased";
  const ClientPtr client = open_client(run_dir);
  EXPECT_EQ(record(client), XASE_RUN_DIR_UNAVAILABLE);
  EXPECT_TRUE(mentions(message(), run_dir)) << message();
  EXPECT_TRUE(mentions(message(), "parent")) << message();
  std::uint64_t refused = 1;
  fs::create_directory(dir.path() + "/missing");
  EXPECT_TRUE(eventually([&] {
    if (record(client, "first") == XASE_OK) return true;
    ++refused;
    return false;
  }));
  FakeRing ring(ring_paths(run_dir).at(0));
  const auto seen = ring.read();
  ASSERT_EQ(seen.size(), 1U);
  EXPECT_EQ(seen[0].refused, refused) << "what had no ring to be counted in is counted now";
  EXPECT_EQ(counts_of(client).refused, refused);
}

// The first pause is 10 ms. Where this thread was not let run that long between two calls, the
// round says nothing, and another is tried.
TEST(RunDir, FailedAttemptsAreSpacedOut) {
  using Clock = std::chrono::steady_clock;
  EXPECT_TRUE(eventually([] {
    const TempDir dir;
    const ClientPtr client = open_client(dir.path() + "/missing/xased");
    const auto start = Clock::now();
    EXPECT_EQ(record(client), XASE_RUN_DIR_UNAVAILABLE);
    const std::string first = message();
    // The reason has changed, but nobody has looked yet.
    std::ofstream(dir.path() + "/missing") << "a file";
    EXPECT_EQ(record(client), XASE_RUN_DIR_UNAVAILABLE);
    const std::string second = message();
    const bool at_once = Clock::now() - start < std::chrono::milliseconds(10);
    if (at_once) {
      EXPECT_EQ(second, first);
    }
    EXPECT_TRUE(eventually([&] {
      EXPECT_EQ(record(client), XASE_RUN_DIR_UNAVAILABLE);
      return message() != first;
    }));
    return at_once;
  }));
}

TEST(RunDir, LinksAndFilesInItsPlaceAreRefused) {
  const TempDir dir;
  std::ofstream(dir.path() + "/file") << "x";
  EXPECT_EQ(record(open_client(dir.path() + "/file")), XASE_RUN_DIR_UNAVAILABLE);
  fs::create_directory(dir.path() + "/run");
  fs::create_directory(dir.path() + "/elsewhere");
  fs::create_symlink(dir.path() + "/elsewhere", dir.path() + "/run/rings");
  EXPECT_EQ(record(open_client(dir.path() + "/run")), XASE_RUN_DIR_UNAVAILABLE);
  EXPECT_TRUE(mentions(message(), "not a link")) << message();
  EXPECT_TRUE(files_in(dir.path() + "/elsewhere").empty());
}

// Runs `body` as a user without privileges: root may write anywhere.
template <class Body>
int as_nobody(Body body) {
  const pid_t child = fork();
  if (child == 0) {
    if (geteuid() == 0 && (setgid(65534) != 0 || setuid(65534) != 0)) _exit(99);
    _exit(body());
  }
  int status = 0;
  waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

TEST(RunDir, OneThatMayNotBeWrittenIsAClearError) {
  const TempDir dir;
  fs::permissions(dir.path(), fs::perms::owner_read | fs::perms::owner_exec |
                                  fs::perms::others_read | fs::perms::others_exec);
  EXPECT_EQ(as_nobody([&] {
              const ClientPtr client = open_client(dir.path());
              if (record(client) != XASE_RUN_DIR_UNAVAILABLE) return 1;
              return mentions(message(), "daemon's group") ? 0 : 2;
            }),
            0);
  fs::permissions(dir.path(), fs::perms::owner_all);
}

// As systemd/xased.tmpfiles makes it: apps write there and list nothing.
TEST(RunDir, AFolderOfRingsThatMayNotBeReadIsEnough) {
  const TempDir dir;
  const std::string rings = dir.path() + "/rings";
  fs::create_directory(rings);
  ASSERT_EQ(chmod(dir.path().c_str(), 0755), 0);
  ASSERT_EQ(chmod(rings.c_str(), 03733), 0);
  EXPECT_EQ(as_nobody([&] { return record(open_client(dir.path())) == XASE_OK ? 0 : 1; }), 0);
  EXPECT_EQ(ring_paths(dir.path()).size(), 1U);
}

// A file system of our own, `bytes` large; needs root or a user namespace.
int in_own_tmpfs(const std::string& path, const std::string& options, auto body) {
  const pid_t child = fork();
  if (child == 0) {
    const int flags = geteuid() == 0 ? CLONE_NEWNS : CLONE_NEWNS | CLONE_NEWUSER;
    if (unshare(flags) != 0 || mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
        mount("tmpfs", path.c_str(), "tmpfs", 0, options.c_str()) != 0) {
      _exit(99);
    }
    _exit(body());
  }
  int status = 0;
  waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

TEST(RunDir, AFullOneIsAClearErrorLeavesNothingAndWorksOnceThereIsRoom) {
  const TempDir dir;
  const int code = in_own_tmpfs(dir.path(), "size=500k", [&] {
    const ClientPtr client =
        open_client(dir.path(), [](auto& options) { options.ring_bytes = 128 << 10; });
    if (record(client) != XASE_OK) return 1;
    const std::string filler = dir.path() + "/filler";
    {
      std::ofstream file(filler);
      file << std::string(150 << 10, 'x');
    }
    int result = 0;
    std::thread([&] {
      if (record(client) != XASE_RUN_DIR_UNAVAILABLE) result = 2;
      if (!mentions(message(), dir.path()) || !mentions(message(), "make room")) result = 3;
      if (files_in(dir.path() + "/rings").size() != 1) result = 4;
      if (result != 0) return;
      fs::remove(filler);
      if (!works_eventually(client)) result = 5;
    }).join();
    return result;
  });
  ASSERT_NE(code, 99) << "cannot mount a tmpfs: run as root, or allow user namespaces";
  EXPECT_EQ(code, 0);
}

TEST(RunDir, AReadOnlyOneIsAClearError) {
  const TempDir dir;
  const int code = in_own_tmpfs(dir.path(), "size=1m", [&] {
    if (mount(nullptr, dir.path().c_str(), nullptr, MS_REMOUNT | MS_RDONLY, nullptr) != 0)
      return 99;
    const ClientPtr client = open_client(dir.path());
    if (record(client) != XASE_RUN_DIR_UNAVAILABLE) return 1;
    return mentions(message(), "can be written") ? 0 : 2;
  });
  ASSERT_NE(code, 99) << "cannot mount a tmpfs: run as root, or allow user namespaces";
  EXPECT_EQ(code, 0);
}

TEST(RunDir, AFileSizeLimitIsAClearErrorAndNoSignal) {
  const TempDir dir;
  const pid_t child = fork();
  if (child == 0) {
    rlimit limit{1000, 1000};
    setrlimit(RLIMIT_FSIZE, &limit);
    const ClientPtr client = open_client(dir.path());
    if (record(client) != XASE_RUN_DIR_UNAVAILABLE) _exit(1);
    _exit(files_in(dir.path() + "/rings").empty() ? 0 : 2);
  }
  int status = 0;
  waitpid(child, &status, 0);
  ASSERT_TRUE(WIFEXITED(status)) << "killed by a signal";
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

TEST(RunDir, RunningOutOfDescriptorsIsAClearErrorAndPasses) {
  const TempDir dir;
  const ClientPtr client = open_client(dir.path());
  rlimit before{};
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &before), 0);
  const rlimit none{3, before.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &none), 0);
  const xase_error error = record(client);
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &before), 0);
  EXPECT_EQ(error, XASE_RUN_DIR_UNAVAILABLE);
  EXPECT_TRUE(works_eventually(client));
}

TEST(RunDir, AFullRingWhoseDirectoryWasRemadeIsReplaced) {
  const TempDir dir;
  const std::string run_dir = dir.path() + "/xased";
  const ClientPtr client = open_client(run_dir);
  ASSERT_EQ(record(client), XASE_OK);
  fs::remove_all(run_dir);
  fs::create_directory(run_dir);
  EXPECT_TRUE(eventually([&] {
    static_cast<void>(record(client, "after"));
    return !ring_paths(run_dir).empty();
  }));
  EXPECT_EQ(counts_of(client).rings_replaced, 1U);
  FakeRing ring(ring_paths(run_dir).at(0));
  EXPECT_TRUE(ring.has_owner());
  ASSERT_EQ(record(client, "after"), XASE_OK);
  EXPECT_EQ(ring.read().back().text(proto::Span::kTransactionId), "after");
  EXPECT_TRUE(fs::exists(run_dir + "/doorbell"));
}

TEST(RunDir, TheSettingsFileSetsTheSizeOfRings) {
  const TempDir dir;
  const auto bytes_with = [&](const std::string& settings, std::uint64_t asked) {
    std::ofstream(dir.path() + "/settings") << settings;
    fs::remove_all(dir.path() + "/rings");
    const ClientPtr client =
        open_client(dir.path(), [&](auto& options) { options.ring_bytes = asked; });
    EXPECT_EQ(record(client), XASE_OK);
    return FakeRing(ring_paths(dir.path()).at(0)).identity().data_bytes;
  };
  EXPECT_EQ(bytes_with("a=1\nring_bytes=131072\nb=2\n", 0), 131'072U);
  EXPECT_EQ(bytes_with("ring_bytes=131073", 0), 262'144U) << "rounded up to a power of two";
  EXPECT_EQ(bytes_with("ring_bytes=131072\n", 65'536), 65'536U) << "the app's own wish counts more";
  EXPECT_EQ(bytes_with("ring_bytes=1\n", 0), 65'536U) << "never below the least";
  EXPECT_EQ(bytes_with("ring_bytes=many\nring_bytes\nring_bytes=-1\n", 0), 4U << 20U);
  EXPECT_EQ(bytes_with("", 0), 4U << 20U);
}

TEST(RunDir, TheRingSaysWhoItIs) {
  const TempDir dir;
  const ClientPtr client = open_client(dir.path(), [](auto& options) {
    options.runtime = "c++";
    options.env = "te\"st";
  });
  ASSERT_EQ(record(client), XASE_OK);
  const std::string path = ring_paths(dir.path()).at(0);
  const FakeRing ring(path);
  EXPECT_EQ(ring.identity().pid, static_cast<std::uint32_t>(getpid()));
  EXPECT_EQ(fs::path(path).filename(), proto::ring_file_name(ring.identity().ring_id));
  EXPECT_TRUE(ring.context().starts_with("{\"runtime\":\"c++\",\"platform\":\"linux\""));
  EXPECT_TRUE(ring.context().ends_with("\"env\":\"te\\\"st\"}"));
  struct stat status {};
  ASSERT_EQ(stat(path.c_str(), &status), 0);
  EXPECT_GE(static_cast<std::uint64_t>(status.st_blocks) * 512, ring.identity().file_bytes)
      << "a sparse ring would be SIGBUS on a full file system";
}

TEST(RunDir, ABrokenDoorbellIsDoneWithout) {
  const TempDir dir;
  std::ofstream(dir.path() + "/doorbell") << "short";
  EXPECT_EQ(record(open_client(dir.path())), XASE_OK);
  fs::remove(dir.path() + "/doorbell");
  ASSERT_EQ(mkfifo((dir.path() + "/doorbell").c_str(), 0600), 0);
  const ClientPtr client = open_client(dir.path());
  EXPECT_EQ(record(client), XASE_OK);
  EXPECT_EQ(xase_flush(client.get(), XASE_DURABLE, 1), XASE_FLUSH_TIMEOUT);
}

TEST(RunDir, TheDoorbellWakesWhoeverWaitsOnIt) {
  const TempDir dir;
  const ClientPtr client = open_client(dir.path());
  ASSERT_EQ(record(client), XASE_OK);
  const int fd = open((dir.path() + "/doorbell").c_str(), O_RDWR | O_CLOEXEC);
  proto::Mapping page;
  ASSERT_EQ(page.map(fd, proto::kDoorbellBytes), 0);
  close(fd);
  auto& bell = reinterpret_cast<proto::Doorbell*>(page.data())->bell;
  std::atomic<bool> woken{false};
  std::thread sleeper([&] {
    // Forever: it is the ring that ends it.
    while (syscall(SYS_futex, &bell, FUTEX_WAIT, bell.load(), nullptr, nullptr, 0) != 0) {
    }
    woken = true;
  });
  while (!woken) (void)xase_flush(client.get(), XASE_DURABLE, 1);
  sleeper.join();
  EXPECT_GT(bell.load(), 0U);
}

TEST(RunDir, ADoorbellThatAnotherAppCutsOffCostsNothingButTheBell) {
  const TempDir dir;
  const ClientPtr client = open_client(dir.path());
  EXPECT_EQ(record(client), XASE_OK);
  ASSERT_EQ(truncate((dir.path() + "/doorbell").c_str(), 0), 0);
  EXPECT_EQ(record(client), XASE_OK);
  EXPECT_EQ(xase_flush(client.get(), XASE_DURABLE, 1), XASE_FLUSH_TIMEOUT) << "it rang";
}

TEST(RunDir, ComesFromTheOptionElseTheEnvironment) {
  const TempDir option;
  const TempDir environment;
  ASSERT_EQ(setenv("XASE_RUN_DIR", environment.path().c_str(), 1), 0);
  EXPECT_EQ(record(open_client(option.path())), XASE_OK);
  EXPECT_EQ(ring_paths(option.path()).size(), 1U);
  const ClientPtr client = open_client("", [](auto& options) { options.run_dir = nullptr; });
  EXPECT_EQ(record(client), XASE_OK);
  EXPECT_EQ(ring_paths(environment.path()).size(), 1U);
  unsetenv("XASE_RUN_DIR");
}

TEST(RunDir, WithoutAnySystemDirectoryTheUsersOwnIsTaken) {
  const TempDir dir;
  ASSERT_EQ(setenv("XDG_RUNTIME_DIR", dir.path().c_str(), 1), 0);
  unsetenv("XASE_RUN_DIR");
  if (fs::exists("/run/xased")) FAIL() << "this test needs a host where /run/xased is missing";
  EXPECT_EQ(as_nobody([&] {
              const ClientPtr client =
                  open_client("", [](auto& options) { options.run_dir = nullptr; });
              // The directory is the user's; here it is root's, so naming it is all that works.
              static_cast<void>(record(client));
              return mentions(message(), dir.path() + "/xased") ? 0 : 1;
            }),
            0);
  unsetenv("XDG_RUNTIME_DIR");
  EXPECT_EQ(as_nobody([&] {
              xase_client* client = nullptr;
              if (xase_client_open(nullptr, &client) != XASE_RUN_DIR_UNAVAILABLE) return 1;
              return mentions(message(), "XDG_RUNTIME_DIR") ? 0 : 2;
            }),
            0);
}

}  // namespace
}  // namespace xase::test
