// A daemon of the benchmark's own: everything on but the delivery, in a folder that goes with it.
#pragma once

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace xase::bench {

class OwnDaemon {
 public:
  // `folder` is on the disk that is to be measured. Throws where the daemon does not get ready.
  explicit OwnDaemon(const std::string& folder) : run_dir_(folder + "/run") {
    const std::string self = std::filesystem::read_symlink("/proc/self/exe").parent_path();
    std::vector<std::string> words{self + "/xased", "--run-dir", run_dir_, "--state-dir",
                                   folder + "/state"};
    for (const char* setting : {"delivery.enabled=false", "ledger.origin=bench/xased",
                                "api.base_url=http://127.0.0.1:9/", "log.level=error"}) {
      words.emplace_back("--set");
      words.emplace_back(setting);
    }
    std::vector<char*> argv;
    for (std::string& word : words) argv.push_back(word.data());
    argv.push_back(nullptr);
    pid_ = ::fork();
    if (pid_ < 0) throw std::runtime_error("cannot fork");
    if (pid_ == 0) {
      (void)::prctl(PR_SET_PDEATHSIG, SIGKILL);
      // Nothing is sent; without a key it would complain.
      const std::string no_key = "xase_pk_" + std::string(48, '0');
      (void)::setenv("XASE_API_KEY", no_key.c_str(), 1);
      ::execv(argv[0], argv.data());
      ::_exit(127);
    }
    constexpr int kLooks = 500;
    for (int i = 0; i < kLooks; ++i) {
      if (std::filesystem::exists(run_dir_ + "/stats.sock")) return;
      if (::waitpid(pid_, nullptr, WNOHANG) == pid_) break;
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    stop();
    throw std::runtime_error(words[0] + " does not start");
  }
  ~OwnDaemon() { stop(); }
  OwnDaemon(const OwnDaemon&) = delete;
  OwnDaemon& operator=(const OwnDaemon&) = delete;

  const std::string& run_dir() const { return run_dir_; }
  pid_t pid() const { return pid_; }

 private:
  void stop() {
    if (pid_ <= 0) return;
    (void)::kill(pid_, SIGTERM);
    (void)::waitpid(pid_, nullptr, 0);
    pid_ = -1;
  }

  const std::string run_dir_;
  pid_t pid_ = -1;
};

}  // namespace xase::bench
