// HTTP/1.1 to an API on loopback, in the fewest calls: what delivery is measured against.
#pragma once

#include <string>
#include <string_view>

namespace xase::bench {

inline constexpr const char* kApiKey = "xase_pk_0123456789abcdef0123456789abcdef0123456789abcdef";
inline constexpr const char* kRecordsRoot = "/api/xase/v1";

// A TCP port of loopback that nobody listens on just now.
int free_port();
bool listens(int port);

// A connection that is kept. One thread. Everything throws std::runtime_error where it fails.
class HttpConnection {
 public:
  explicit HttpConnection(int port);
  ~HttpConnection();
  HttpConnection(const HttpConnection&) = delete;
  HttpConnection& operator=(const HttpConnection&) = delete;

  // The answer's status. `headers`: whole lines, each with its CRLF.
  int request(std::string_view method, std::string_view path, std::string_view headers,
              std::string_view body);

 private:
  int fd_ = -1;
  std::string buffer_;
};

}  // namespace xase::bench
