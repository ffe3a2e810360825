// What a stage's thread says of itself to the system.
#pragma once

#include <pthread.h>
#include <sys/resource.h>

namespace xased {

// As `top -H`, debuggers and profilers show it; at most 15 characters.
inline void name_this_thread(const char* name) {
  (void)::pthread_setname_np(::pthread_self(), name);
}

// Where processors are scarce, the process's other threads come first: this one gets a fifth of
// what one of them does. In Linux that is of the thread alone.
inline void let_other_threads_go_first() {
  constexpr int kNice = 7;
  (void)::setpriority(PRIO_PROCESS, 0, kNice);
}

}  // namespace xased
