#include "client/src/runtime_context.hpp"

#include <sys/utsname.h>
#include <unistd.h>

#include <cstdlib>

#include "client/src/version.hpp"
#include "proto/ring_layout.hpp"

namespace xase::client {
namespace {

constexpr std::size_t kFieldBytesMax = 128;
// Every byte of a field may take six when escaped; the names and numbers take the rest.
static_assert(5 * kFieldBytesMax * 6 + 120 <= proto::kRingContextBytesMax);

// Bytes of the UTF-8 character at the start of `text`; 0 where it is not one.
std::size_t utf8_length(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned first = byte(0);
  std::size_t length = 0;
  if (first < 0x80) return 1;
  if (first >= 0xc2 && first <= 0xdf) length = 2;
  if (first >= 0xe0 && first <= 0xef) length = 3;
  if (first >= 0xf0 && first <= 0xf4) length = 4;
  if (length == 0 || text.size() < length) return 0;
  for (std::size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xc0U) != 0x80U) return 0;
  }
  const unsigned second = byte(1);
  if ((first == 0xe0 && second < 0xa0) || (first == 0xed && second > 0x9f) ||
      (first == 0xf0 && second < 0x90) || (first == 0xf4 && second > 0x8f)) {
    return 0;
  }
  return length;
}

void append_field(std::string& json, std::string_view name, std::string_view value) {
  json.append(json.empty() ? "{\"" : ",\"").append(name).append("\":");
  append_json_string(json, value.substr(0, kFieldBytesMax));
}

std::string_view environment(std::string_view given) {
  if (!given.empty()) return given;
  for (const char* name : {"ENV", "PYTHON_ENV"}) {
    const char* value = std::getenv(name);
    if (value != nullptr && *value != '\0') return value;
  }
  return "development";
}

}  // namespace

void append_json_string(std::string& json, std::string_view text) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  json += '"';
  while (!text.empty()) {
    const std::size_t length = utf8_length(text);
    const auto byte = static_cast<unsigned char>(text.front());
    if (length == 0) {
      json += '?';
    } else if (byte == '"' || byte == '\\') {
      json.append({'\\', text.front()});
    } else if (byte < 0x20) {
      json.append("\\u00").append({kDigits[byte >> 4U], kDigits[byte & 15U]});
    } else {
      json.append(text.substr(0, length));
    }
    text.remove_prefix(length == 0 ? 1 : length);
  }
  json += '"';
}

std::string runtime_context(std::string_view runtime, std::string_view env) {
  utsname machine{};
  uname(&machine);
  std::string json;
  append_field(json, "runtime", runtime);
  append_field(json, "platform", "linux");
  append_field(json, "arch", machine.machine);
  append_field(json, "hostname", machine.nodename);
  json.append(",\"pid\":").append(std::to_string(getpid()));
  append_field(json, "lib_version", kVersion);
  append_field(json, "env", environment(env));
  return json += '}';
}

}  // namespace xase::client
