// A request of the stats socket's, once cpp-httplib has taken it apart: who may not is told nothing
// that the privileged alone may see, and every answer is what its type says.
#include <string>

#include "daemon/control/routes.hpp"
#include "tests/fuzz/fuzz.hpp"
#include "tests/fuzz/json_model.hpp"

namespace {

using xase::fuzz::require;
using xased::Code;
using xased::Result;
using xased::Status;

// Hooks that say when they do what takes a privilege, and fail in the way that `mood` says.
struct Daemon {
  std::uint8_t mood = 0;
  bool changed_something = false;
  bool showed_secrets = false;

  Status status() {
    constexpr Code kCodes[] = {Code::kOk,      Code::kInvalid,    Code::kNotFound, Code::kExists,
                               Code::kNoSpace, Code::kDenied,     Code::kIo,       Code::kCorrupt,
                               Code::kTimeout, Code::kUnsupported};
    const Code code = kCodes[mood % std::size(kCodes)];
    return code == Code::kOk ? Status() : Status(code, "a \"reason\"\n");
  }

  xased::ControlHooks hooks() {
    xased::ControlHooks hooks;
    hooks.snapshot = [this] {
      xased::Snapshot snapshot;
      snapshot.live = (mood & 1U) == 0;
      snapshot.ready = (mood & 2U) == 0;
      snapshot.paused = "unauthorized";
      snapshot.rings.emplace_back();
      return snapshot;
    };
    if (mood == 255) return hooks;  // a daemon that serves nothing else
    hooks.last_sequence = [] { return std::uint64_t{10}; };
    hooks.scan_rings = [this](std::chrono::milliseconds) { return status(); };
    hooks.config_json = [] { return std::string("{}"); };
    hooks.reload = [this] {
      changed_something = true;
      return status();
    };
    hooks.dead_letters = [this](std::uint64_t,
                                std::size_t limit) -> Result<std::vector<xased::DeadLetterLine>> {
      require(limit >= 1 && limit <= 1000, "a page is bounded");
      if (!status().ok()) return status();
      xased::DeadLetterLine line;
      line.transaction_id = "secret-id";
      line.message = "\xff no UTF-8";
      return std::vector{line};
    };
    hooks.dead_letter = [this](std::uint64_t) -> Result<std::string> {
      showed_secrets = true;
      if (!status().ok()) return status();
      return std::string("{}");
    };
    hooks.retry = [this](std::uint64_t) {
      changed_something = true;
      return status();
    };
    hooks.retry_all = [this]() -> Result<std::uint64_t> {
      changed_something = true;
      if (!status().ok()) return status();
      return std::uint64_t{3};
    };
    hooks.entries = [this](const xased::EntryQuery& query) -> Result<xased::EntryPage> {
      require(query.limit >= 1 && query.limit <= 1000 && query.bytes_max != 0, "a page is bounded");
      showed_secrets = showed_secrets || query.payload;
      if (!status().ok()) return status();
      xased::EntryPage page;
      page.entries.emplace_back().policy = "\xed\xa0\x80 no UTF-8";
      if (query.payload) page.entries.back().payload.emplace_back("input", "{\"a\":\"\xff\"}");
      return page;
    };
    return hooks;
  }
};

// "METHOD PATH?NAME=VALUE&NAME=VALUE"
xased::ControlRequest to_request(std::string_view text) {
  xased::ControlRequest request;
  const auto cut = [](std::string_view& from, char at) {
    const std::size_t end = std::min(from.find(at), from.size());
    const std::string_view head = from.substr(0, end);
    from.remove_prefix(std::min(end + 1, from.size()));
    return std::string(head);
  };
  request.method = cut(text, ' ');
  request.path = cut(text, '?');
  while (!text.empty()) {
    const std::string pair = cut(text, '&');
    std::string_view value = pair;
    const std::string name = cut(value, '=');
    request.query.emplace(name, value);
  }
  return request;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  xase::fuzz::Input input(data, size);
  Daemon daemon;
  daemon.mood = input.take<std::uint8_t>();
  const bool privileged = (input.take<std::uint8_t>() & 1U) != 0;
  xased::ControlRequest request = to_request(xase::proto::as_text(input.rest()));
  request.privileged = privileged;
  int waits = 0;
  request.wait = [&waits](std::chrono::milliseconds time) {
    require(time.count() > 0 && ++waits <= 10'000, "a wait ends");
    return true;
  };
  const xased::ControlAnswer answer = answer_control(daemon.hooks(), request);
  require(answer.status >= 200 && answer.status < 600, "an answer has a status");
  require(answer.body.ends_with('\n') || answer.body == "{}", "an answer ends its line");
  if (answer.content_type == "application/json") {
    const auto json = xase::fuzz::read_json(answer.body);
    require(json && json->is_object(), "JSON is JSON");
    require(answer.status == 200 || (json->contains("error") && json->contains("code")),
            "an error says what and why");
  } else {
    require(answer.content_type.starts_with("text/plain"), "a content type is one of two");
  }
  require(!daemon.changed_something || (privileged && request.method == "POST"),
          "only the privileged change anything, and only by POST");
  require(!daemon.showed_secrets || privileged, "only the privileged see payloads");
  // An error may repeat the request.
  require(privileged || answer.status != 200 || answer.body.find("secret-id") == std::string::npos,
          "only the privileged see transaction ids");
  return 0;
}
