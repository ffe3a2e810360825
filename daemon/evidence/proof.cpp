#include "daemon/evidence/proof.hpp"

#include <algorithm>

#include "daemon/evidence/part_json.hpp"
#include "proto/base64.hpp"

namespace xased {

using xase::proto::Bytes;
using xase::proto::kParts;

namespace {

using strict::Malformed;
using strict::Members;

constexpr std::array<std::string_view, kParts> kPartNames{"input", "output", "context", "rest"};

void put_entry(const ProvenEntry& entry, Json& json) {
  json["sequence"] = entry.sequence;
  json["leaf"] = xase::proto::encode_base64(entry.leaf);
  json["inclusion"] = xase::proto::format_tlog_proof(entry.inclusion);
  Json& disclosed = json["disclosed"] = Json::array();
  for (const DisclosedPart& part : entry.disclosed) disclosed.push_back(part_json(part));
}

ProvenEntry read_entry(Members& members, const std::string& where) {
  ProvenEntry entry;
  const Json& sequence = members.get("sequence");
  if (!sequence.is_number_unsigned()) throw Malformed{"the sequence of " + where + " is no number"};
  entry.sequence = sequence.get<std::uint64_t>();
  entry.leaf = members.fixed<decltype(entry.leaf)>("leaf");
  auto inclusion = xase::proto::parse_tlog_proof(members.text("inclusion"));
  if (!inclusion) throw Malformed{"the inclusion of " + where + " is no tlog-proof"};
  entry.inclusion = std::move(*inclusion);
  const Json& disclosed = members.get("disclosed");
  if (!disclosed.is_array()) throw Malformed{"the disclosed parts of " + where + " are no array"};
  std::array<bool, kParts> seen{};
  for (const Json& one : disclosed) {
    const std::string which = "a disclosed part of " + where;
    Members inner(one, which);
    DisclosedPart part = read_part(inner, which);
    inner.expect_no_more();
    if (std::exchange(seen[part.part], true)) {
      throw Malformed{where + " discloses its " + std::string(part_name(part.part)) + " twice"};
    }
    entry.disclosed.push_back(std::move(part));
  }
  return entry;
}

Proof read_proof(const Json& json) {
  Members members(json, "the proof");
  (void)members.get("format");
  Proof proof;
  proof.entry = read_entry(members, "the proof");
  if (const Json* receipt = members.find("receipt")) {
    Members inner(*receipt, "the receipt");
    proof.receipt = read_entry(inner, "the receipt");
    inner.expect_no_more();
  }
  members.expect_no_more();
  return proof;
}

}  // namespace

std::string_view part_name(std::size_t part) { return kPartNames.at(part); }

std::optional<std::size_t> parse_part_name(std::string_view name) {
  const auto found = std::find(kPartNames.begin(), kPartNames.end(), name);
  if (found == kPartNames.end()) return std::nullopt;
  return static_cast<std::size_t>(found - kPartNames.begin());
}

std::string encode_proof(const Proof& proof) {
  Json json{{"format", kProofFormat}};
  put_entry(proof.entry, json);
  if (proof.receipt) put_entry(*proof.receipt, json["receipt"] = Json::object());
  constexpr int kIndent = 2;
  return json.dump(kIndent) + "\n";
}

bool looks_like_a_proof(std::string_view text) {
  const std::size_t first = text.find_first_not_of(" \t\r\n");
  return first != std::string_view::npos && text[first] == '{';
}

Result<Proof> decode_proof(std::string_view text) {
  const auto refuse = [](const std::string& why) {
    return Status(Code::kInvalid, "this is no proof: " + why);
  };
  if (text.size() > kProofBytesMax) return refuse("it is longer than 64 MiB");
  if (!looks_like_a_proof(text)) return refuse("it is no JSON object");
  try {
    const Json json = strict::parse(text);
    const auto format = json.find("format");
    if (format == json.end() || !format->is_string()) return refuse("it has no format");
    if (*format != kProofFormat) {
      if (format->get_ref<const std::string&>().starts_with("xase-proof/")) {
        return Status(
            Code::kUnsupported,
            "this proof is of a version that this program does not know; use a newer one");
      }
      return refuse("its format is not " + std::string(kProofFormat));
    }
    return read_proof(json);
  } catch (const Malformed& malformed) {
    return refuse(malformed.why);
  }
}

}  // namespace xased
