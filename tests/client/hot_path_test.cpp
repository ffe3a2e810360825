#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include <cstdlib>
#include <new>

#include "tests/client/fake_daemon.hpp"

namespace {

std::atomic<std::size_t> allocations{0};

}  // namespace

// Not inlined: GCC would take the pair for a mismatch.
[[gnu::noinline]] void* operator new(std::size_t size) {
  ++allocations;
  void* memory = std::malloc(size);
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}
[[gnu::noinline]] void operator delete(void* memory) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }

namespace xase::test {
namespace {

// From here on every system call but write and exit_group kills the process.
bool forbid_system_calls() {
  sock_filter filter[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_exit_group, 1, 0),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  const sock_fprog program{sizeof filter / sizeof filter[0], filter};
  return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
         prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

// Ends at once: _exit() does more under the address sanitizer.
void leave(int code) { syscall(SYS_exit_group, code); }

// Records `count` times in a child that may make no system call, and allocates nothing.
int status_of_silent_child(const std::string& run_dir, int count, bool make_a_call) {
  const pid_t child = fork();
  if (child == 0) {
    const ClientPtr client = open_client(run_dir, [](auto& options) {
      options.ring_bytes = 64U << 20U;  // not a quarter full by then: the bell may be a call
    });
    const std::string id = "loan-0001";
    const xase_record_fields fields = some_record(id);
    if (xase_record(client.get(), &fields) != XASE_OK) _exit(2);
    if (!forbid_system_calls()) _exit(3);
    const std::size_t before = allocations;
    for (int i = 0; i < count; ++i) {
      if (xase_record(client.get(), &fields) != XASE_OK) leave(4);
    }
    if (allocations != before) leave(5);
    if (make_a_call) static_cast<void>(syscall(SYS_getppid));
    leave(0);
  }
  int status = -1;
  waitpid(child, &status, 0);
  return status;
}

TEST(HotPath, MakesNoSystemCallAndAllocatesNothing) {
  const TempDir dir;
  const int status = status_of_silent_child(dir.path(), 50'000, false);
  ASSERT_TRUE(WIFEXITED(status)) << "a system call was made";
  EXPECT_EQ(WEXITSTATUS(status), 0);
  FakeRing ring(ring_paths(dir.path()).at(0));
  EXPECT_EQ(ring.read().size(), 50'001U);
}

TEST(HotPath, TheCheckItselfSeesASystemCall) {
  const TempDir dir;
  EXPECT_TRUE(WIFSIGNALED(status_of_silent_child(dir.path(), 1, true)));
}

TEST(HotPath, ARefusalAllocatesNothingEither) {
  const TempDir dir;
  const ClientPtr client = open_client(dir.path());
  xase_record_fields fields = some_record();
  while (xase_record(client.get(), &fields) == XASE_OK) {
  }
  const std::size_t before = allocations;
  for (int i = 0; i < 1000; ++i) {
    EXPECT_EQ(xase_record(client.get(), &fields), XASE_QUEUE_FULL);
  }
  fields.policy = xase_str("");
  EXPECT_EQ(xase_record(client.get(), &fields), XASE_MISSING_POLICY);
  EXPECT_EQ(allocations, before);
}

}  // namespace
}  // namespace xase::test
