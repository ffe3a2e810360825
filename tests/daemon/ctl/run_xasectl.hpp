// xasectl as a process.
#pragma once

#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <future>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "tests/daemon/control/fake_daemon.hpp"

namespace xased {

struct Ended {
  int code = -1;
  std::string out;
  std::string err;
};

// Runs xasectl with an environment of its own, `input` on its stdin.
inline Ended run(std::vector<std::string> arguments, const std::string& input = {},
                 std::vector<std::string> environment = {}) {
  std::array<std::array<int, 2>, 3> pipes{};
  for (auto& ends : pipes) {
    if (pipe(ends.data()) != 0) std::abort();
  }
  environment.emplace_back("PATH=/usr/bin:/bin");
  environment.emplace_back("LANG=C.UTF-8");
  const pid_t child = fork();
  if (child == 0) {
    dup2(pipes[0][0], 0);
    dup2(pipes[1][1], 1);
    dup2(pipes[2][1], 2);
    for (const auto& ends : pipes) {
      close(ends[0]);
      close(ends[1]);
    }
    std::vector<char*> argv{const_cast<char*>("xasectl")};
    for (std::string& argument : arguments) argv.push_back(argument.data());
    argv.push_back(nullptr);
    std::vector<char*> envp;
    for (std::string& variable : environment) envp.push_back(variable.data());
    envp.push_back(nullptr);
    execve(XASECTL, argv.data(), envp.data());
    _exit(127);
  }
  close(pipes[0][0]);
  close(pipes[1][1]);
  close(pipes[2][1]);
  std::thread writer([&] {
    std::string_view left = input;
    while (!left.empty()) {
      const ssize_t wrote = write(pipes[0][1], left.data(), left.size());
      if (wrote <= 0) break;
      left.remove_prefix(static_cast<std::size_t>(wrote));
    }
    close(pipes[0][1]);
  });
  Ended ended;
  auto errors = std::async(std::launch::async, [&] { return read_all(pipes[2][0]); });
  ended.out = read_all(pipes[1][0]);
  ended.err = errors.get();
  writer.join();
  int status = 0;
  waitpid(child, &status, 0);
  ended.code = WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
  close(pipes[1][0]);
  close(pipes[2][0]);
  return ended;
}

}  // namespace xased
