// What the daemon and its tools are told to do: every key, where its value came from, and loading.
//
// Precedence, highest first: command line, XASED_SECTION_KEY (and below it XASE_BASE_URL,
// XASE_RUN_DIR, XASE_API_KEY), file, default. The table behind it is daemon/config/keys.hpp; the
// document for people is deploy/xased.example.toml.
//
// Plain data; a loaded Config is not changed any more and may be read from any thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "daemon/config/api_key.hpp"
#include "daemon/config/log.hpp"
#include "daemon/platform/status.hpp"

namespace xased {

inline constexpr std::uint64_t kKiB = 1024;
inline constexpr std::uint64_t kMiB = 1024 * kKiB;
inline constexpr std::uint64_t kGiB = 1024 * kMiB;

// Where a value came from.
enum class ConfigOrigin { kDefault, kFile, kEnvironment, kFlag };

struct ConfigProvenance {
  ConfigOrigin origin = ConfigOrigin::kDefault;
  // kFile: "<file>:<line>"; kEnvironment: the variable; else empty.
  std::string where;
};

// Whose keys sign the ledger.
enum class LedgerSigners { kFile, kPkcs11, kBoth };
std::string_view to_string(LedgerSigners signers);

struct Config {
  // Rings, doorbell and sockets. Absolute. Default: see default_run_dir().
  std::string run_dir;
  // Journal, keys, checkpoints, cursors. Absolute. Default: see default_state_dir().
  std::string state_dir;

  struct Api {
    // http or https, without credentials, query, or a slash at the end.
    std::string base_url = "http://localhost:3000/api/xase/v1";
    // File that holds the API key. Unset: `key_source` says what is used instead.
    std::optional<std::string> key_file;
    // One whole attempt, from connecting to the last byte of the answer.
    std::chrono::milliseconds timeout{std::chrono::seconds(30)};
    std::chrono::milliseconds connect_timeout{std::chrono::seconds(5)};
    // Requests at once, at most; 1..256. Delivery grows and shrinks below it.
    std::uint32_t max_in_flight = 32;
    // One record at a time, in ledger order, whatever max_in_flight says.
    bool ordered = false;
    // No one else posts with this tenant's keys.
    bool only_writer = false;
    // PEM bundle that TLS is verified with, in place of the system's.
    std::optional<std::string> ca_file;
    // Anyone on the way can then read the key and forge receipts.
    bool tls_insecure_skip_verify = false;
    // Where the key comes from, by the precedence above; the key itself is never held here.
    ApiKeySource key_source;
  } api;

  struct Ring {
    // What clients are asked to use for a new ring; a power of two, 64 KiB..1 GiB.
    std::uint64_t bytes = 4 * kMiB;
    // Rings served at once; further ones wait until an owner is gone.
    std::uint32_t rings_max = 16384;
  } ring;

  struct Journal {
    // At most this long from journaled to durable, when nobody waits; 0 syncs every batch.
    std::chrono::milliseconds sync_interval{5};
    // 1 MiB..4 GiB.
    std::uint64_t segment_bytes = 64 * kMiB;
    // All segments together; at least three, and the reserve's.
    std::uint64_t max_bytes = 16 * kGiB;
    // How long payloads of delivered records stay readable on this host, at least.
    std::chrono::milliseconds keep_payloads{std::chrono::hours(24 * 30)};
    // For receipts alone, when the disk is full: as many segments as hold it, made ahead.
    std::uint64_t reserve_bytes = 8 * kMiB;
  } journal;

  struct Delivery {
    // Off: records stay in the ledger as undelivered, for as long as there is room.
    bool enabled = true;
    // How long SIGTERM waits for undelivered records.
    std::chrono::milliseconds drain_timeout{std::chrono::seconds(10)};
    // First and largest delay between attempts, before jitter.
    std::chrono::milliseconds backoff_min{200};
    std::chrono::milliseconds backoff_max{std::chrono::seconds(60)};
    // Between probes while paused.
    std::chrono::milliseconds probe_interval{std::chrono::seconds(30)};
    // This many refused records with no success between pause the delivery.
    std::uint32_t refusals_pause_after = 64;
    // How long the service remembers an Idempotency-Key.
    std::chrono::milliseconds key_memory{std::chrono::hours(24)};
  } delivery;

  struct Anchor {
    // Also where deliveries keep up; else only where the service's limit keeps a record waiting.
    bool always = false;
    // At most one signed head in it; 0: never.
    std::chrono::milliseconds interval{std::chrono::seconds(60)};
    // How long a record waits for the limit until heads go first.
    std::chrono::milliseconds after{std::chrono::minutes(10)};
  } anchor;

  struct Audit {
    // Of the records that were delivered, the service is asked about one in so many; 0: off.
    std::uint32_t one_in = 100;
    // At most so many questions; 0: off.
    std::uint32_t max_per_minute = 6;
  } audit;

  struct Ledger {
    // The name in log_id and on checkpoints. Default: "<hostname>/xased".
    std::string origin;
    // How long an epoch lasts, and its key lives.
    std::chrono::milliseconds epoch{std::chrono::hours(24)};
    std::chrono::milliseconds seal_interval{std::chrono::hours(1)};
    LedgerSigners signers = LedgerSigners::kFile;
    // A P-256 key in a hardware module: its library, the labels of token and key, and the file that
    // holds the PIN. All are there where `signers` asks for them.
    std::optional<std::string> pkcs11_module;
    std::optional<std::string> pkcs11_token;
    std::optional<std::string> pkcs11_key;
    std::optional<std::string> pkcs11_pin_file;
  } ledger;

  struct Log {
    LogLevel level = LogLevel::kInfo;
    LogFormat format = LogFormat::kAuto;
  } log;

  struct Control {
    // Group of the stats socket. Unset: the daemon's.
    std::optional<std::string> socket_group;
    // Permission bits of the stats socket.
    std::uint32_t socket_mode = 0660;
  } control;

  // The file that was read, if any.
  std::optional<std::string> file;
  // By key, for every key.
  std::map<std::string, ConfigProvenance, std::less<>> provenance;
  // Allowed, but the operator should hear of it: log each once, at warn.
  std::vector<std::string> warnings;
};

// What the defaults depend on.
struct HostFacts {
  bool root = false;              // the effective user is root
  bool run_dir_exists = false;    // /run/xased is a directory
  bool state_dir_exists = false;  // /var/lib/xased is a directory
  std::string hostname;
};
HostFacts host_facts();

inline constexpr char kDefaultConfigFile[] = "/etc/xased/xased.toml";

struct ConfigSource {
  // From --config: must exist. Unset: `default_file`, when that exists.
  std::optional<std::string> file;
  // From flags, as {key, text}: {"journal.sync_interval", "1ms"}. The last of a key counts.
  std::vector<std::pair<std::string, std::string>> overrides;
  Getenv getenv;
  // Names of all environment variables, to find misspelt XASED_ ones.
  std::vector<std::string> environment;
  // Unset: asked from the system.
  std::optional<HostFacts> host;
  std::string default_file = kDefaultConfigFile;
};

// A source with this process's environment, and neither file nor flags.
ConfigSource process_config_source();

// $XASE_RUN_DIR; else /run/xased when it exists or we are root; else $XDG_RUNTIME_DIR/xased; else
// /run/xased. The client library follows the same rule.
std::string default_run_dir(const Getenv& getenv, const HostFacts& host);
// /var/lib/xased when it exists or we are root; else $XDG_STATE_HOME/xased; else
// ~/.local/state/xased; else /var/lib/xased.
std::string default_state_dir(const Getenv& getenv, const HostFacts& host);

// Reads, checks and merges everything. On failure the status is kInvalid (kNotFound or kDenied for
// a file that cannot be read) and its message holds every problem found, one a line, those of the
// file as "<file>:<line>:<column>: ...". No value of a secret is in it.
Result<Config> load_config(const ConfigSource& source);

struct ConfigLine {
  std::string key;
  std::string value;   // as one would write it in the file; "" is unset
  std::string origin;  // "default", "<file>:<line>", "environment XASED_RUN_DIR", "command line"
};

// Every key, in the order of the table, and `api.key` at the place of the key: as `masked_key` (of
// ApiKey::masked) when given, else only whether there is one.
std::vector<ConfigLine> describe_config(const Config& config,
                                        const std::optional<std::string>& masked_key = {});

struct ConfigChange {
  std::string key;
  std::string before;
  std::string after;
};

// The keys whose values differ: what a reload changed.
std::vector<ConfigChange> diff_config(const Config& before, const Config& after);

}  // namespace xased
