// Canonical JSON: made canonical again it stays as it is, and it says what the text said.
#include "daemon/delivery/canonical_json.hpp"
#include "tests/fuzz/fuzz.hpp"
#include "tests/fuzz/json_model.hpp"

namespace {

using xase::fuzz::read_json;
using xase::fuzz::require;

// Names in the order of RFC 8785, and nothing but what it allows between the values.
void require_canonical(std::string_view text) {
  bool in_string = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    require(static_cast<unsigned char>(text[i]) >= 0x20, "no control character stands for itself");
    if (!in_string) require(text[i] != ' ', "no space between values");
    if (in_string && text[i] == '\\') {
      ++i;
    } else if (text[i] == '"') {
      in_string = !in_string;
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  static xased::CanonicalJson canonical;
  std::string once;
  const bool taken = canonical.append_object(text, once).ok();
  const auto value = read_json(text);
  if (!taken) {
    const bool should = value && value->is_object() && !text.starts_with("\xef\xbb\xbf") &&
                        xase::fuzz::depth_of(*value) < xased::CanonicalJson::kDepthMax;
    require(!should, "an object is taken");
    return 0;
  }
  require_canonical(once);
  std::string twice;
  require(canonical.append_object(once, twice).ok(), "canonical JSON is JSON");
  require(once == twice, "canonical JSON stays as it is");
  const auto again = read_json(once);
  require(value.has_value() && again.has_value(), "another reader takes it too");
  require(xase::fuzz::same_value(*value, *again), "canonical JSON says what the text said");

  std::string merged;
  const xased::CanonicalJson::Layer layers[] = {{text, {}}, {once, {}}};
  require(canonical.append_merged(layers, merged).ok() && merged == once,
          "an object over itself is that object");
  return 0;
}
