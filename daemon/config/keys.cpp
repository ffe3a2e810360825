#include "daemon/config/keys.hpp"

#include <algorithm>
#include <array>

#include "daemon/config/values.hpp"

namespace xased {
namespace {

constexpr std::uint64_t kSecond = 1000;  // durations are in milliseconds
constexpr std::uint64_t kMinute = 60 * kSecond;
constexpr std::uint64_t kHour = 60 * kMinute;
constexpr std::uint64_t kDay = 24 * kHour;

using Type = ConfigType;

// name, type, default, min, max, power of two, environment alias, doc, field.
constexpr std::array kKeys{
    ConfigKey{"run_dir", Type::kPath, "", 0, 0, false, "XASE_RUN_DIR",
              "rings, doorbell and sockets; lost at reboot",
              +[](Config& c) -> std::string& { return c.run_dir; }},
    ConfigKey{"state_dir", Type::kPath, "", 0, 0, false, "",
              "journal, keys, checkpoints and cursors; what must be kept",
              +[](Config& c) -> std::string& { return c.state_dir; }},

    ConfigKey{"api.base_url", Type::kUrl, "http://localhost:3000/api/xase/v1", 0, 0, false,
              "XASE_BASE_URL", "where records are delivered",
              +[](Config& c) -> std::string& { return c.api.base_url; }},
    ConfigKey{"api.key_file", Type::kPath, "", 0, 0, false, "", "file that holds the API key",
              +[](Config& c) -> std::optional<std::string>& { return c.api.key_file; }},
    ConfigKey{"api.timeout", Type::kDuration, "30s", 1, kHour, false, "",
              "longest time for one whole attempt",
              +[](Config& c) -> std::chrono::milliseconds& { return c.api.timeout; }},
    ConfigKey{"api.connect_timeout", Type::kDuration, "5s", 1, 10 * kMinute, false, "",
              "longest time to get a connection",
              +[](Config& c) -> std::chrono::milliseconds& { return c.api.connect_timeout; }},
    ConfigKey{"api.max_in_flight", Type::kCount, "32", 1, 256, false, "", "most requests at once",
              +[](Config& c) -> std::uint32_t& { return c.api.max_in_flight; }},
    ConfigKey{"api.ordered", Type::kBool, "false", 0, 0, false, "",
              "deliver one record at a time, in ledger order",
              +[](Config& c) -> bool& { return c.api.ordered; }},
    ConfigKey{"api.only_writer", Type::kBool, "false", 0, 0, false, "",
              "no one else posts with this tenant's keys: a receipt that says otherwise is alarmed",
              +[](Config& c) -> bool& { return c.api.only_writer; }},
    ConfigKey{"api.ca_file", Type::kPath, "", 0, 0, false, "",
              "PEM bundle that TLS is verified with, in place of the system's",
              +[](Config& c) -> std::optional<std::string>& { return c.api.ca_file; }},
    ConfigKey{"api.tls_insecure_skip_verify", Type::kBool, "false", 0, 0, false, "",
              "do not check whom the key is sent to: for tests alone",
              +[](Config& c) -> bool& { return c.api.tls_insecure_skip_verify; }},

    ConfigKey{"ring.bytes", Type::kBytes, "4MiB", 64 * kKiB, kGiB, true, "",
              "size that clients are asked to use for a new ring",
              +[](Config& c) -> std::uint64_t& { return c.ring.bytes; }},
    ConfigKey{"ring.rings_max", Type::kCount, "16384", 1, 1048576, false, "",
              "most rings served at once",
              +[](Config& c) -> std::uint32_t& { return c.ring.rings_max; }},

    ConfigKey{"journal.sync_interval", Type::kDuration, "5ms", 0, kMinute, false, "",
              "longest time from journaled to durable",
              +[](Config& c) -> std::chrono::milliseconds& { return c.journal.sync_interval; }},
    ConfigKey{"journal.segment_bytes", Type::kBytes, "64MiB", kMiB, 4 * kGiB, false, "",
              "size of one journal file",
              +[](Config& c) -> std::uint64_t& { return c.journal.segment_bytes; }},
    ConfigKey{"journal.max_bytes", Type::kBytes, "16GiB", 4 * kMiB,
              std::uint64_t{1024} * 1024 * kGiB, false, "", "size of all journal files together",
              +[](Config& c) -> std::uint64_t& { return c.journal.max_bytes; }},
    ConfigKey{"journal.keep_payloads", Type::kDuration, "30d", 0, 36500 * kDay, false, "",
              "how long payloads of delivered records are kept",
              +[](Config& c) -> std::chrono::milliseconds& { return c.journal.keep_payloads; }},
    ConfigKey{"journal.reserve_bytes", Type::kBytes, "8MiB", kMiB, kGiB, false, "",
              "preallocated for receipts when the disk is full",
              +[](Config& c) -> std::uint64_t& { return c.journal.reserve_bytes; }},

    ConfigKey{"delivery.enabled", Type::kBool, "true", 0, 0, false, "",
              "deliver records to the API", +[](Config& c) -> bool& { return c.delivery.enabled; }},
    ConfigKey{"delivery.drain_timeout", Type::kDuration, "10s", 0, kDay, false, "",
              "how long SIGTERM waits for undelivered records",
              +[](Config& c) -> std::chrono::milliseconds& { return c.delivery.drain_timeout; }},
    ConfigKey{"delivery.backoff_min", Type::kDuration, "200ms", 1, kHour, false, "",
              "first delay between attempts",
              +[](Config& c) -> std::chrono::milliseconds& { return c.delivery.backoff_min; }},
    ConfigKey{"delivery.backoff_max", Type::kDuration, "60s", 1, kDay, false, "",
              "largest delay between attempts",
              +[](Config& c) -> std::chrono::milliseconds& { return c.delivery.backoff_max; }},
    ConfigKey{"delivery.probe_interval", Type::kDuration, "30s", 1, kDay, false, "",
              "time between probes while delivery is paused",
              +[](Config& c) -> std::chrono::milliseconds& { return c.delivery.probe_interval; }},
    ConfigKey{"delivery.refusals_pause_after", Type::kCount, "64", 1, 1000000, false, "",
              "run of refused records that pauses delivery",
              +[](Config& c) -> std::uint32_t& { return c.delivery.refusals_pause_after; }},
    ConfigKey{"delivery.key_memory", Type::kDuration, "24h", 0, 3650 * kDay, false, "",
              "how long the service remembers an Idempotency-Key",
              +[](Config& c) -> std::chrono::milliseconds& { return c.delivery.key_memory; }},

    ConfigKey{"anchor.always", Type::kBool, "false", 0, 0, false, "",
              "post the signed head once an interval, not only while a limit holds records up",
              +[](Config& c) -> bool& { return c.anchor.always; }},
    ConfigKey{"anchor.interval", Type::kDuration, "60s", 0, kDay, false, "",
              "at most one signed head in it; 0 is never",
              +[](Config& c) -> std::chrono::milliseconds& { return c.anchor.interval; }},
    ConfigKey{"anchor.after", Type::kDuration, "10m", 0, 3650 * kDay, false, "",
              "how long a limit holds a record up until signed heads go first",
              +[](Config& c) -> std::chrono::milliseconds& { return c.anchor.after; }},

    ConfigKey{"audit.one_in", Type::kCount, "100", 0, 1000000000, false, "",
              "ask the API again about one delivered record in so many; 0 is off",
              +[](Config& c) -> std::uint32_t& { return c.audit.one_in; }},
    ConfigKey{"audit.max_per_minute", Type::kCount, "6", 0, 60000, false, "",
              "most such questions a minute; 0 is off",
              +[](Config& c) -> std::uint32_t& { return c.audit.max_per_minute; }},

    ConfigKey{"ledger.origin", Type::kName, "", 0, 0, false, "",
              "name of this ledger, in log_id and on checkpoints",
              +[](Config& c) -> std::string& { return c.ledger.origin; }},
    ConfigKey{"ledger.epoch", Type::kDuration, "24h", 1000, 3650 * kDay, false, "",
              "how long the key of an epoch lives",
              +[](Config& c) -> std::chrono::milliseconds& { return c.ledger.epoch; }},
    ConfigKey{"ledger.seal_interval", Type::kDuration, "1h", 1000, 3650 * kDay, false, "",
              "time between two seals that count what came between",
              +[](Config& c) -> std::chrono::milliseconds& { return c.ledger.seal_interval; }},

    ConfigKey{"ledger.signers", Type::kSigners, "file", 0, 0, false, "",
              "whose keys sign the ledger: a file's, a hardware module's, or both",
              +[](Config& c) -> LedgerSigners& { return c.ledger.signers; }},
    ConfigKey{"ledger.pkcs11_module", Type::kPath, "", 0, 0, false, "",
              "shared library of the hardware module",
              +[](Config& c) -> std::optional<std::string>& { return c.ledger.pkcs11_module; }},
    ConfigKey{"ledger.pkcs11_token", Type::kLabel, "", 0, 0, false, "",
              "label of the token that holds the key",
              +[](Config& c) -> std::optional<std::string>& { return c.ledger.pkcs11_token; }},
    ConfigKey{"ledger.pkcs11_key", Type::kLabel, "", 0, 0, false, "",
              "label of the P-256 key pair on it",
              +[](Config& c) -> std::optional<std::string>& { return c.ledger.pkcs11_key; }},
    ConfigKey{"ledger.pkcs11_pin_file", Type::kPath, "", 0, 0, false, "",
              "file that holds the token's PIN",
              +[](Config& c) -> std::optional<std::string>& { return c.ledger.pkcs11_pin_file; }},

    ConfigKey{"log.level", Type::kLevel, "info", 0, 0, false, "",
              "least severe level that is logged",
              +[](Config& c) -> LogLevel& { return c.log.level; }},
    ConfigKey{"log.format", Type::kFormat, "auto", 0, 0, false, "", "form of a log line",
              +[](Config& c) -> LogFormat& { return c.log.format; }},

    ConfigKey{"control.socket_group", Type::kName, "", 0, 0, false, "",
              "group that may use the stats socket",
              +[](Config& c) -> std::optional<std::string>& { return c.control.socket_group; }},
    ConfigKey{"control.socket_mode", Type::kMode, "0660", 0600, 0777, false, "",
              "permission bits of the stats socket",
              +[](Config& c) -> std::uint32_t& { return c.control.socket_mode; }},
};

struct ToText {
  ConfigType type;
  std::string operator()(const std::string& value) const { return value; }
  std::string operator()(const std::optional<std::string>& value) const {
    return value.value_or("");
  }
  std::string operator()(bool value) const { return value ? "true" : "false"; }
  std::string operator()(std::uint32_t value) const {
    return type == Type::kMode ? format_mode(value) : std::to_string(value);
  }
  std::string operator()(std::uint64_t value) const { return format_bytes(value); }
  std::string operator()(std::chrono::milliseconds value) const { return format_duration(value); }
  std::string operator()(LogLevel value) const { return std::string(to_string(value)); }
  std::string operator()(LogFormat value) const { return std::string(to_string(value)); }
  std::string operator()(LedgerSigners value) const { return std::string(to_string(value)); }
};

}  // namespace

std::string_view to_string(LedgerSigners signers) {
  switch (signers) {
    case LedgerSigners::kFile:
      return "file";
    case LedgerSigners::kPkcs11:
      return "pkcs11";
    case LedgerSigners::kBoth:
      break;
  }
  return "both";
}

std::span<const ConfigKey> config_keys() { return kKeys; }

const ConfigKey* find_config_key(std::string_view name) {
  const auto found = std::find_if(kKeys.begin(), kKeys.end(),
                                  [name](const ConfigKey& key) { return key.name == name; });
  return found == kKeys.end() ? nullptr : &*found;
}

std::string environment_name(std::string_view key) {
  std::string name = "XASED_";
  for (const char c : key) {
    if (c == '.') {
      name += '_';
    } else {
      name += c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
    }
  }
  return name;
}

std::string value_text(const ConfigKey& key, const Config& config) {
  // The accessors give a mutable reference; here it is only read.
  auto& readable = const_cast<Config&>(config);
  return std::visit([&](auto field) { return ToText{key.type}(field(readable)); }, key.field);
}

}  // namespace xased
