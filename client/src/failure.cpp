#include "client/src/failure.hpp"

#include <algorithm>
#include <cstdlib>
#include <cstring>

#include "client/src/thread_cache.hpp"

namespace xase::client {
namespace {

constexpr std::size_t kTextBytes = 1024;

}  // namespace

ErrorCode fail(ErrorCode code, const char* text) noexcept {
  thread_cache.error_text = text;
  return code;
}

ErrorCode fail_copy(ErrorCode code, std::string_view text) noexcept {
  ThreadCache& cache = thread_cache;
  if (cache.error_buffer == nullptr) {
    cache.error_buffer = static_cast<char*>(std::malloc(kTextBytes));
    if (cache.error_buffer != nullptr) clean_up_at_thread_end();
  }
  if (cache.error_buffer == nullptr) return fail(code, "out of memory");
  const std::size_t bytes = std::min(text.size(), kTextBytes - 1);
  std::memcpy(cache.error_buffer, text.data(), bytes);
  cache.error_buffer[bytes] = '\0';
  return fail(code, cache.error_buffer);
}

std::string system_text(std::string_view what, int error) {
  char buffer[128] = "";
  return std::string(what).append(": ").append(strerror_r(error, buffer, sizeof buffer));
}

}  // namespace xase::client
