// The API's answer as the client library reads it: of what is JSON, the strings that another reader
// finds.
#include "client/src/answer.hpp"
#include "tests/fuzz/fuzz.hpp"
#include "tests/fuzz/json_model.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using xase::fuzz::require;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const xase::client::Answer answer = xase::client::parse_answer(text);
  const std::pair<const char*, const std::string*> fields[] = {
      {"transaction_id", &answer.transaction_id},
      {"receipt_url", &answer.receipt_url},
      {"timestamp", &answer.timestamp},
      {"record_hash", &answer.record_hash},
      {"chain_position", &answer.chain_position},
      {"error", &answer.error},
      {"code", &answer.code}};
  std::size_t total = 0;
  for (const auto& [name, value] : fields) total += value->size();
  // An escape is never shorter than what it stands for.
  require(total <= size, "strings are no longer than the text");

  const auto json = xase::fuzz::read_json(text);
  if (!json || !json->is_object() || text.starts_with("\xef\xbb\xbf")) return 0;
  // Of a repeated name the first that has text counts here and the last there: with one of each,
  // both agree.
  xase::fuzz::Json once = xase::fuzz::Json::object();
  std::size_t members = 0;
  const auto count = [&members](int depth, xase::fuzz::Json::parse_event_t event,
                                const xase::fuzz::Json&) {
    if (depth == 1 && event == xase::fuzz::Json::parse_event_t::key) ++members;
    return true;
  };
  once = xase::fuzz::Json::parse(text.begin(), text.end(), count, false);
  if (members != json->size()) return 0;
  for (const auto& [name, value] : fields) {
    const auto found = json->find(name);
    const bool is_text = found != json->end() && found->is_string();
    require(*value == (is_text ? found->get<std::string>() : std::string()),
            "a string is what another reader finds");
  }
  return 0;
}
