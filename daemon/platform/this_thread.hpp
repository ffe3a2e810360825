// What a stage's thread says of itself to the system.
#pragma once

#include <pthread.h>
#include <signal.h>
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

// While it lives, threads that are started take no signals sent to the process: those are the main
// thread's. A thread's own faults stay its own: the kernel kills a process that blocks one, and
// some are handled, see BusGuard.
class WithoutSignals {
 public:
  WithoutSignals() {
    sigset_t blocked;
    ::sigfillset(&blocked);
    for (const int fault : {SIGBUS, SIGSEGV, SIGFPE, SIGILL}) ::sigdelset(&blocked, fault);
    ::pthread_sigmask(SIG_SETMASK, &blocked, &before_);
  }
  ~WithoutSignals() { ::pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
  WithoutSignals(const WithoutSignals&) = delete;
  WithoutSignals& operator=(const WithoutSignals&) = delete;

 private:
  sigset_t before_{};
};

}  // namespace xased
