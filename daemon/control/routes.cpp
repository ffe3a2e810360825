#include "daemon/control/routes.hpp"

#include <algorithm>
#include <charconv>
#include <optional>
#include <string_view>

#include "daemon/control/render.hpp"

namespace xased {
namespace {

using std::chrono::milliseconds;

constexpr std::size_t kLinesDefault = 100;
constexpr std::size_t kLinesMax = 1000;
constexpr std::size_t kPageBytesMax = std::size_t{4} << 20;
constexpr milliseconds kWaitMax{10'000};
constexpr milliseconds kLookInterval{25};
constexpr milliseconds kScanTimeout{5000};

ControlAnswer error(int status, std::string_view code, std::string_view message) {
  return {status, "application/json", error_json(code, message)};
}

ControlAnswer not_served() { return error(501, "NOT_SERVED", "this daemon does not serve that"); }

ControlAnswer failure(const Status& status) {
  switch (status.code()) {
    case Code::kOk:
      break;
    case Code::kInvalid:
      return error(400, "INVALID", status.message());
    case Code::kDenied:
      return error(403, "DENIED", status.message());
    case Code::kNotFound:
      return error(404, "NOT_FOUND", status.message());
    case Code::kExists:
      return error(409, "EXISTS", status.message());
    case Code::kUnsupported:
      return error(501, "UNSUPPORTED", status.message());
    case Code::kTimeout:
      return error(504, "TIMEOUT", status.message());
    case Code::kNoSpace:
      return error(507, "NO_SPACE", status.message());
    case Code::kIo:
    case Code::kCorrupt:
      return error(500, "INTERNAL", status.message());
  }
  return {200, "application/json", "{\"ok\":true}\n"};
}

std::optional<std::uint64_t> to_number(std::string_view text) {
  std::uint64_t value = 0;
  const auto result = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || result.ec != std::errc{} || result.ptr != text.data() + text.size()) {
    return std::nullopt;
  }
  return value;
}

// The numbers of a query; a name that was not asked for, or a value that is no number, is an error.
class Numbers {
 public:
  Numbers(const ControlRequest& request, std::map<std::string, std::uint64_t> defaults)
      : values_(std::move(defaults)) {
    for (const auto& [name, text] : request.query) {
      const auto place = values_.find(name);
      const std::optional<std::uint64_t> value = to_number(text);
      if (place == values_.end()) {
        problem_ = "there is no parameter of the name \"" + name + "\"";
      } else if (!value) {
        problem_ = "\"" + name + "\" must be a whole number";
      } else {
        place->second = *value;
      }
    }
  }
  const std::string& problem() const { return problem_; }
  std::uint64_t operator[](const std::string& name) const { return values_.at(name); }
  std::size_t limit() const {
    return static_cast<std::size_t>(std::clamp<std::uint64_t>(values_.at("limit"), 1, kLinesMax));
  }

 private:
  std::map<std::string, std::uint64_t> values_;
  std::string problem_;
};

ControlAnswer get_live(const ControlHooks& hooks) {
  if (hooks.snapshot().live) return {200, "text/plain", "ok\n"};
  return {503, "text/plain", "not live: a stage makes no progress\n"};
}

ControlAnswer get_ready(const ControlHooks& hooks) {
  const Snapshot snapshot = hooks.snapshot();
  if (snapshot.ready) return {200, "text/plain", "ok\n"};
  return {503, "text/plain", "not ready: " + snapshot.not_ready_reason + "\n"};
}

ControlAnswer get_stats(const ControlHooks& hooks, const ControlRequest& request) {
  const Numbers query(request, {{"fresh", 0}});
  if (!query.problem().empty()) return error(400, "INVALID", query.problem());
  if (query["fresh"] != 0 && hooks.scan_rings) {
    if (const Status status = hooks.scan_rings(kScanTimeout); !status.ok()) return failure(status);
  }
  return {200, "application/json", stats_json(hooks.snapshot())};
}

ControlAnswer get_entries(const ControlHooks& hooks, const ControlRequest& request) {
  if (!hooks.entries) return not_served();
  const Numbers query(request,
                      {{"after", 0}, {"limit", kLinesDefault}, {"payload", 0}, {"wait_ms", 0}});
  if (!query.problem().empty()) return error(400, "INVALID", query.problem());
  EntryQuery wanted;
  wanted.after = query["after"];
  wanted.limit = query.limit();
  wanted.payload = query["payload"] != 0;
  wanted.bytes_max = kPageBytesMax;
  if (wanted.payload && !request.privileged) {
    return error(403, "DENIED", "payloads are shown to root and to the daemon's user alone");
  }
  const std::uint64_t wait_ms =
      std::min<std::uint64_t>(query["wait_ms"], static_cast<std::uint64_t>(kWaitMax.count()));
  if (hooks.last_sequence) {
    const auto looks = wait_ms / static_cast<std::uint64_t>(kLookInterval.count());
    for (std::uint64_t i = 0; i < looks && hooks.last_sequence() <= wanted.after; ++i) {
      if (!request.wait(kLookInterval)) break;
    }
  }
  const Result<EntryPage> page = hooks.entries(wanted);
  if (!page.ok()) return failure(page.status());
  return {200, "application/json", entries_json(*page)};
}

ControlAnswer list_dead_letters(const ControlHooks& hooks, const ControlRequest& request) {
  if (!hooks.dead_letters) return not_served();
  const Numbers query(request, {{"after", 0}, {"limit", kLinesDefault}});
  if (!query.problem().empty()) return error(400, "INVALID", query.problem());
  const auto lines = hooks.dead_letters(query["after"], query.limit());
  if (!lines.ok()) return failure(lines.status());
  return {200, "application/json", dead_letters_json(*lines, request.privileged)};
}

ControlAnswer show_dead_letter(const ControlHooks& hooks, std::uint64_t sequence) {
  if (!hooks.dead_letter) return not_served();
  Result<std::string> text = hooks.dead_letter(sequence);
  if (!text.ok()) return failure(text.status());
  return {200, "application/json", std::move(*text)};
}

ControlAnswer retry_all(const ControlHooks& hooks) {
  if (!hooks.retry_all) return not_served();
  const Result<std::uint64_t> count = hooks.retry_all();
  if (!count.ok()) return failure(count.status());
  return {200, "application/json", "{\"retried\":" + std::to_string(*count) + "}\n"};
}

ControlAnswer retry_one(const ControlHooks& hooks, std::uint64_t sequence) {
  if (!hooks.retry) return not_served();
  if (const Status status = hooks.retry(sequence); !status.ok()) return failure(status);
  return {200, "application/json", "{\"retried\":1}\n"};
}

ControlAnswer reload(const ControlHooks& hooks) {
  if (!hooks.reload) return not_served();
  return failure(hooks.reload());
}

ControlAnswer rotate_keys(const ControlHooks& hooks) {
  if (!hooks.rotate_keys) return not_served();
  const Result<std::string> keys = hooks.rotate_keys();
  if (!keys.ok()) return failure(keys.status());
  return {200, "application/json", "{\"verifier_keys\":" + *keys + "}\n"};
}

// What a path names: a route, and the sequence in it.
struct Place {
  enum class Kind {
    kNone,
    kLive,
    kReady,
    kStats,
    kMetrics,
    kConfig,
    kEntries,
    kReload,
    kRotateKeys,
    kDeadLetters,
    kDeadLetter,
    kRetry,
    kRetryAll
  };
  Kind kind = Kind::kNone;
  std::uint64_t sequence = 0;
  bool is_post() const {
    return kind == Kind::kReload || kind == Kind::kRotateKeys || kind == Kind::kRetry ||
           kind == Kind::kRetryAll;
  }
  bool is_privileged() const { return is_post() || kind == Kind::kDeadLetter; }
};

Place find_place(std::string_view path) {
  using Kind = Place::Kind;
  static constexpr std::pair<std::string_view, Kind> kFixed[] = {
      {"/livez", Kind::kLive},
      {"/readyz", Kind::kReady},
      {"/stats", Kind::kStats},
      {"/metrics", Kind::kMetrics},
      {"/config", Kind::kConfig},
      {"/entries", Kind::kEntries},
      {"/reload", Kind::kReload},
      {"/keys/rotate", Kind::kRotateKeys},
      {"/deadletters", Kind::kDeadLetters},
      {"/deadletters/retry", Kind::kRetryAll},
  };
  for (const auto& [name, kind] : kFixed) {
    if (path == name) return {kind, 0};
  }
  constexpr std::string_view kFolder = "/deadletters/";
  constexpr std::string_view kRetry = "/retry";
  if (!path.starts_with(kFolder)) return {};
  path.remove_prefix(kFolder.size());
  const bool is_retry = path.ends_with(kRetry);
  if (is_retry) path.remove_suffix(kRetry.size());
  const std::optional<std::uint64_t> sequence = to_number(path);
  if (!sequence) return {};
  return {is_retry ? Kind::kRetry : Kind::kDeadLetter, *sequence};
}

}  // namespace

ControlAnswer answer_control(const ControlHooks& hooks, const ControlRequest& request) {
  using Kind = Place::Kind;
  const Place place = find_place(request.path);
  if (place.kind == Kind::kNone) {
    return error(404, "NOT_FOUND",
                 "there is no such path; see /livez, /readyz, /stats, /metrics, /config, /entries, "
                 "/deadletters, /reload, /keys/rotate");
  }
  if (request.method != (place.is_post() ? "POST" : "GET")) {
    return error(405, "METHOD_NOT_ALLOWED", place.is_post() ? "use POST" : "use GET");
  }
  if (place.is_privileged() && !request.privileged) {
    return error(403, "DENIED", "this is for root and for the daemon's user alone");
  }
  switch (place.kind) {
    case Kind::kNone:
      break;
    case Kind::kLive:
      return get_live(hooks);
    case Kind::kReady:
      return get_ready(hooks);
    case Kind::kStats:
      return get_stats(hooks, request);
    case Kind::kMetrics:
      return {200, "text/plain; version=0.0.4; charset=utf-8", metrics_text(hooks.snapshot())};
    case Kind::kConfig:
      if (!hooks.config_json) break;
      return {200, "application/json", hooks.config_json()};
    case Kind::kEntries:
      return get_entries(hooks, request);
    case Kind::kReload:
      return reload(hooks);
    case Kind::kRotateKeys:
      return rotate_keys(hooks);
    case Kind::kDeadLetters:
      return list_dead_letters(hooks, request);
    case Kind::kDeadLetter:
      return show_dead_letter(hooks, place.sequence);
    case Kind::kRetry:
      return retry_one(hooks, place.sequence);
    case Kind::kRetryAll:
      return retry_all(hooks);
  }
  return not_served();
}

}  // namespace xased
