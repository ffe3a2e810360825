// Names in the runtime directory, and the page through which producers wake the daemon.
//
//   RUN_DIR/rings/<32 hex>.ring        a ring, named by its id
//   RUN_DIR/rings/.<32 hex>.tmp        a ring that is being made
//   RUN_DIR/doorbell                   Doorbell
//   RUN_DIR/settings                   text, `name=value` lines: what the daemon asks of clients
//   RUN_DIR/stats.sock                 HTTP
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "proto/bytes.hpp"
#include "proto/hex.hpp"

namespace xase::proto {

inline constexpr std::string_view kRingsFolder = "rings";
inline constexpr std::string_view kRingSuffix = ".ring";
inline constexpr std::string_view kRingTemporarySuffix = ".tmp";
inline constexpr std::string_view kDoorbellFile = "doorbell";
inline constexpr std::string_view kSettingsFile = "settings";
inline constexpr std::string_view kStatsSocket = "stats.sock";
// No file of settings is longer; what lies beyond is not read.
inline constexpr std::size_t kSettingsBytesMax = 4096;
inline constexpr std::string_view kSettingRingBytes = "ring_bytes";
inline constexpr std::string_view kSettingBaseUrl = "base_url";
inline constexpr std::string_view kSettingApiKeyCheck = "api_key_check";
// <salt, 32 hex>:<16 hex>, the second being the first 8 bytes of PBKDF2-HMAC-SHA256 (RFC 8018) of
// the API key over the salt's 16 bytes.
inline constexpr unsigned kApiKeyCheckIterations = 2000;
inline constexpr std::size_t kApiKeyCheckBytes = 8;

// One page in RUN_DIR/doorbell, made by whoever comes first. Whatever is written here can at worst
// make the daemon look at its rings early or by its timer. Every app may also cut the page off: so
// producers never touch it themselves.
struct Doorbell {
  // Futex: a producer has the kernel add one and wake (FUTEX_WAKE_OP).
  alignas(128) std::atomic<std::uint32_t> bell;
  // Not zero while the daemon sleeps: for its own threads, which make no system call without a
  // sleeper.
  alignas(128) std::atomic<std::uint32_t> sleeping;
};
inline constexpr std::uint64_t kDoorbellBytes = 4096;
static_assert(sizeof(Doorbell) <= kDoorbellBytes);
static_assert(offsetof(Doorbell, sleeping) == 0x080);

// The value of `name` in the text of the settings; empty where it is not there.
inline std::string_view setting(std::string_view text, std::string_view name) {
  while (!text.empty()) {
    const std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(line.size() + (line.size() < text.size() ? 1 : 0));
    const std::size_t equals = line.find('=');
    if (equals != line.npos && line.substr(0, equals) == name) return line.substr(equals + 1);
  }
  return {};
}

inline std::string ring_file_name(const Id& ring_id) { return to_hex(ring_id).append(kRingSuffix); }

// The id in a name that ring_file_name() gave.
inline Id ring_id_of(std::string_view file_name) {
  Id id{};
  for (std::size_t i = 0; i < 2 * id.size() && i < file_name.size(); ++i) {
    const char c = file_name[i];
    const int digit = c >= 'a' ? c - 'a' + 10 : c - '0';
    id[i / 2] = static_cast<Id::value_type>((static_cast<int>(id[i / 2]) << 4) | (digit & 15));
  }
  return id;
}

}  // namespace xase::proto
