// A stats socket with made-up answers behind it, and plain ways to talk to one.
#pragma once

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "daemon/control/control_server.hpp"

namespace xased {

// A directory that goes away with it.
class TemporaryDirectory {
 public:
  TemporaryDirectory() {
    std::string pattern = std::filesystem::temp_directory_path() / "xased-test-XXXXXX";
    if (mkdtemp(pattern.data()) == nullptr) std::abort();
    path_ = pattern;
  }
  ~TemporaryDirectory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

// What the hooks answer, and what they were asked. Any thread.
class FakeDaemon {
 public:
  FakeDaemon() {
    snapshot_.version = "9.8.7";
    snapshot_.pid = 4711;
    snapshot_.live = true;
    snapshot_.ready = true;
    snapshot_.committed = 1284;
    snapshot_.journaled = 1283;
    snapshot_.durable = 1282;
    snapshot_.delivered = 1200;
    snapshot_.undelivered = 81;
    snapshot_.dead_letter = 2;
    snapshot_.dead_letter_total = 5;
    snapshot_.refused_total = 7;
    snapshot_.last_sequence = 2500;
    snapshot_.durable_sequence = 2499;
    snapshot_.checkpoint_size = 2400;
    snapshot_.head = std::string(64, 'a');
    snapshot_.base_url = "https://api.example/v1";
    snapshot_.segments = 3;
    snapshot_.syncs = 10;
    snapshot_.sync_seconds = 0.5;
  }

  Snapshot snapshot() const {
    const std::scoped_lock lock(mutex_);
    return snapshot_;
  }
  template <class Change>
  void change(Change change) {
    const std::scoped_lock lock(mutex_);
    change(snapshot_);
  }

  ControlHooks hooks() {
    ControlHooks hooks;
    hooks.snapshot = [this] { return snapshot(); };
    hooks.last_sequence = [this] { return snapshot().last_sequence; };
    hooks.scan_rings = [this](std::chrono::milliseconds) {
      ++scans;
      return Status();
    };
    hooks.config_json = [] {
      return std::string(R"({"config":[{"key":"run_dir","value":"/run/x","origin":"default"}]})");
    };
    hooks.reload = [this] {
      ++reloads;
      return reload_fails ? Status(Code::kInvalid, "xased.toml:3: no such key") : Status();
    };
    hooks.dead_letters = [](std::uint64_t after, std::size_t limit) {
      std::vector<DeadLetterLine> lines;
      for (std::uint64_t sequence : {17U, 23U}) {
        if (sequence <= after || lines.size() == limit) continue;
        lines.push_back({sequence, 1'700'000'000'000'000'000, 400, 1, "credit_policy_v4",
                         "loan-" + std::to_string(sequence), "VALIDATION_ERROR", "no good"});
      }
      return Result<std::vector<DeadLetterLine>>(std::move(lines));
    };
    hooks.dead_letter = [](std::uint64_t sequence) -> Result<std::string> {
      if (sequence != 17) return Status(Code::kNotFound, "record 99 is not set aside");
      return std::string(R"({"sequence":17,"answer":{"code":"VALIDATION_ERROR"}})");
    };
    hooks.retry = [this](std::uint64_t sequence) {
      if (sequence != 17) return Status(Code::kNotFound, "record 99 is not set aside");
      ++retries;
      return Status();
    };
    hooks.retry_all = [this] {
      ++retries;
      return Result<std::uint64_t>(std::uint64_t{2});
    };
    hooks.entries = [this](const EntryQuery& query) { return Result<EntryPage>(page(query)); };
    return hooks;
  }

  std::atomic<int> scans{0};
  std::atomic<int> reloads{0};
  std::atomic<int> retries{0};
  std::atomic<bool> reload_fails{false};

 private:
  EntryPage page(const EntryQuery& query) const {
    EntryPage page;
    page.next_after = query.after;
    const std::uint64_t last = snapshot().last_sequence;
    while (page.entries.size() < query.limit && page.next_after < last) {
      EntryLine& line = page.entries.emplace_back();
      line.sequence = ++page.next_after;
      line.type = "RECORD";
      line.policy = "credit_policy_v4";
      line.payload_bytes = 11;
      if (query.payload) line.payload = {{"input", R"({"a": 1e2})"}};
    }
    return page;
  }

  mutable std::mutex mutex_;
  Snapshot snapshot_;
};

// A connected stream to `run_dir`/stats.sock, or -1.
inline int connect_to(const std::string& run_dir) {
  const int directory = open(run_dir.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC);
  const std::string path = "/proc/self/fd/" + std::to_string(directory) + "/stats.sock";
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof(address.sun_path) - 1);
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) {
    close(fd);
    fd = -1;
  }
  close(directory);
  return fd;
}

inline void send_text(int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t sent = send(fd, text.data(), text.size(), MSG_NOSIGNAL);
    if (sent <= 0) return;
    text.remove_prefix(static_cast<std::size_t>(sent));
  }
}

// Everything until the server ends the connection.
inline std::string read_all(int fd) {
  std::string text;
  char buffer[4096];
  for (ssize_t got = 0; (got = read(fd, buffer, sizeof buffer)) > 0;) {
    text.append(buffer, static_cast<std::size_t>(got));
  }
  return text;
}

struct Reply {
  int status = 0;  // 0: none
  std::string head;
  std::string body;
};

// One request on a connection of its own.
inline Reply ask(const std::string& run_dir, const std::string& method, const std::string& target,
                 const std::string& more_head = {}, const std::string& body = {}) {
  Reply reply;
  const int fd = connect_to(run_dir);
  if (fd < 0) return reply;
  send_text(fd, method + " " + target + " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n" +
                    more_head + "\r\n" + body);
  const std::string text = read_all(fd);
  close(fd);
  const std::size_t split = text.find("\r\n\r\n");
  if (split == std::string::npos || !text.starts_with("HTTP/1.1 ")) return reply;
  reply.status = std::atoi(text.c_str() + 9);
  reply.head = text.substr(0, split + 2);
  reply.body = text.substr(split + 4);
  return reply;
}

}  // namespace xased
