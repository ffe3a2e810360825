#include "daemon/app/dev_mode.hpp"

#include <array>
#include <filesystem>

#include "daemon/app/run_dir.hpp"
#include "daemon/platform/file_system.hpp"
#include "daemon/platform/random.hpp"
#include "proto/run_dir.hpp"

namespace xased {
namespace {

// A key like the service's, for this directory alone.
Status ensure_key(const std::string& path) {
  FileSystem& fs = system_file_system();
  if (fs.exists(path)) return {};
  std::array<std::byte, ApiKey::kHexDigits / 2> secret{};
  system_random().fill(secret);
  const std::string text = std::string(ApiKey::kPrefix) + xase::proto::to_hex(secret) + "\n";
  return write_file_atomically(fs, path, xase::proto::as_bytes(text));
}

Result<std::string> key_text(const std::string& path) {
  constexpr std::size_t kKeyBytesMax = 256;
  const auto bytes = read_file(system_file_system(), path, kKeyBytesMax);
  if (!bytes.ok()) return bytes.status();
  const auto key = ApiKey::parse(xase::proto::as_text(*bytes));
  if (!key.ok()) return key.status();
  return key->value();
}

}  // namespace

Result<DevMode> start_dev_mode(const Options& options) {
  std::error_code error;
  const std::string dir = std::filesystem::absolute(options.dev_dir, error).string();
  if (error) return os_status("find " + options.dev_dir, error.value());
  constexpr unsigned kPrivate = 0700;
  if (Status status = make_directories(dir, kPrivate); !status.ok()) return status;
  const std::string key_file = dir + "/api-key";
  if (Status status = ensure_key(key_file); !status.ok()) return status;
  auto key = key_text(key_file);
  if (!key.ok()) return key.status();

  DevApiOptions api_options;
  api_options.dir = dir + "/api";
  api_options.port = options.dev_api_port;
  api_options.api_key = *key;
  api_options.rate_limit_per_hour = 0;
  auto api = DevApi::start(std::move(api_options));
  if (!api.ok()) return api.status();

  DevMode mode;
  mode.api = std::move(*api);
  mode.overrides = {{"run_dir", dir + "/run"},
                    {"state_dir", dir + "/state"},
                    {"api.base_url", mode.api->base_url()},
                    {"api.key_file", key_file},
                    {"journal.segment_bytes", "8MiB"},
                    {"journal.reserve_bytes", "1MiB"},
                    {"delivery.probe_interval", "2s"}};
  return mode;
}

}  // namespace xased
