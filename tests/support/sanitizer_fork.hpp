// fork() beside other threads under the address sanitizer.
#pragma once

#include <pthread.h>

#include "tests/support/sanitized.hpp"

#if defined(__clang__)
#if __has_feature(address_sanitizer)
#define XASE_TEST_LOCKS_SANITIZER 1
// Of the run time that is linked in. Newer ones hold these locks over fork() themselves.
namespace __lsan {
void LockThreadRegistry();
void UnlockThreadRegistry();
void LockAllocator();
void UnlockAllocator();
}  // namespace __lsan
namespace __sanitizer {
void StackDepotLockAll();
void StackDepotUnlockAll();
}  // namespace __sanitizer
#endif
#endif

namespace xase::test {

// The C library's malloc() works in a child of fork(), whatever other threads were at. The
// sanitizer's waits there for ever for a lock that one of them held, which says nothing of the code
// that it checks. From now on no other thread of this process holds one while it forks.
inline void let_sanitizer_fork() {
#ifdef XASE_TEST_LOCKS_SANITIZER
  static const int made = pthread_atfork(
      [] {
        __lsan::LockThreadRegistry();
        __lsan::LockAllocator();
        __sanitizer::StackDepotLockAll();
      },
      [] {
        __sanitizer::StackDepotUnlockAll();
        __lsan::UnlockAllocator();
        __lsan::UnlockThreadRegistry();
      },
      [] {
        __sanitizer::StackDepotUnlockAll();
        __lsan::UnlockAllocator();
        __lsan::UnlockThreadRegistry();
      });
  static_cast<void>(made);
#endif
}

}  // namespace xase::test
