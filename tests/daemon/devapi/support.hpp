// A directory that goes with its test, and a client that sees the bytes of an answer.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include "daemon/devapi/js_value.hpp"

namespace xased::devapi::testing {

class TempDir {
 public:
  TempDir() {
    std::string name = std::filesystem::temp_directory_path() / "xase-devapi-XXXXXX";
    path_ = ::mkdtemp(name.data());
  }
  ~TempDir() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;
  const std::string& path() const { return path_; }
  std::string log() const { return path_ + "/records.jsonl"; }

 private:
  std::string path_;
};

inline std::string read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

inline void write_file(const std::string& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary | std::ios::trunc) << bytes;
}

struct Answer {
  int status = 0;                              // 0: no status line came
  std::map<std::string, std::string> headers;  // lowercase names
  std::string body;                            // what came of it
  bool is_whole = false;                       // as many bytes as Content-Length promised
  int error = 0;                               // errno of the connection, 0 for an orderly end

  std::string header(const std::string& name) const {
    const auto place = headers.find(name);
    return place == headers.end() ? "" : place->second;
  }
  JsValue json() const {
    Result<JsValue> value = parse_json(body);
    return value.ok() ? std::move(*value) : JsValue();
  }
  // The text of a member, "" if it is none.
  std::string text(const char* name) const {
    const JsValue value = json();
    const JsValue* member = value.find(name);
    return member == nullptr || member->string() == nullptr ? "" : *member->string();
  }
};

// One connection to 127.0.0.1, kept open between requests.
class Connection {
 public:
  explicit Connection(int port) : socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    const timeval limit{.tv_sec = 60, .tv_usec = 0};  // only so that a broken test ends
    ::setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<std::uint16_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (::connect(socket_, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
      error_ = errno;
    }
  }
  ~Connection() { close(); }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  void close() {
    if (socket_ >= 0) ::close(socket_);
    socket_ = -1;
  }
  int connect_error() const { return error_; }

  void send(const std::string& bytes) {
    std::size_t done = 0;
    while (done < bytes.size()) {
      const ssize_t count = ::send(socket_, bytes.data() + done, bytes.size() - done, MSG_NOSIGNAL);
      if (count <= 0) return;
      done += static_cast<std::size_t>(count);
    }
  }

  Answer receive() {
    Answer answer;
    std::size_t head_end = std::string::npos;
    while ((head_end = pending_.find("\r\n\r\n")) == std::string::npos) {
      if (!fill(answer)) {
        answer.body = std::move(pending_);
        pending_.clear();
        return answer;
      }
    }
    parse_head(pending_.substr(0, head_end), answer);
    pending_.erase(0, head_end + 4);
    const std::size_t size = std::strtoull(answer.header("content-length").c_str(), nullptr, 10);
    while (pending_.size() < size && fill(answer)) {
    }
    answer.is_whole = pending_.size() >= size;
    answer.body = pending_.substr(0, size);
    pending_.erase(0, std::min(size, pending_.size()));
    return answer;
  }

  Answer request(const std::string& method, const std::string& path,
                 const std::vector<std::string>& headers = {}, const std::string& body = "") {
    std::string text = method + " " + path + " HTTP/1.1\r\nHost: localhost\r\n";
    for (const std::string& header : headers) text += header + "\r\n";
    if (!body.empty()) text += "Content-Length: " + std::to_string(body.size()) + "\r\n";
    send(text + "\r\n" + body);
    return receive();
  }

 private:
  bool fill(Answer& answer) {
    char buffer[65536];
    const ssize_t count = ::recv(socket_, buffer, sizeof buffer, 0);
    if (count < 0) answer.error = errno;
    if (count <= 0) return false;
    pending_.append(buffer, static_cast<std::size_t>(count));
    return true;
  }

  static void parse_head(const std::string& head, Answer& answer) {
    std::istringstream lines(head);
    std::string line;
    std::getline(lines, line);
    if (line.size() > 12)
      answer.status = static_cast<int>(std::strtol(line.c_str() + 9, nullptr, 10));
    while (std::getline(lines, line)) {
      if (!line.empty() && line.back() == '\r') line.pop_back();
      const std::size_t colon = line.find(": ");
      if (colon == std::string::npos) continue;
      std::string name = line.substr(0, colon);
      std::transform(name.begin(), name.end(), name.begin(),
                     [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
      answer.headers.emplace(name, line.substr(colon + 2));
    }
  }

  int socket_;
  int error_ = 0;
  std::string pending_;
};

}  // namespace xased::devapi::testing
