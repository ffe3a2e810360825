#include "daemon/evidence/proof.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "proto/base64.hpp"
#include "proto/utf8.hpp"

namespace xased {

using Json = nlohmann::ordered_json;
using xase::proto::Bytes;
using xase::proto::kParts;

namespace {

constexpr std::array<std::string_view, kParts> kPartNames{"input", "output", "context", "rest"};

// What people can read as it is, and JSON holds without becoming many times as long.
bool is_plain_text(std::string_view text) {
  while (!text.empty()) {
    const auto character = xase::proto::take_utf8(text);
    if (!character) return false;
    const bool is_space = *character == '\n' || *character == '\t' || *character == '\r';
    if (xase::proto::is_control(*character) && !is_space) return false;
  }
  return true;
}

Json part_json(const DisclosedPart& part) {
  Json json{{"part", part_name(part.part)}};
  if (part.random) json["random"] = xase::proto::encode_base64(*part.random);
  const std::string_view text = xase::proto::as_text(part.bytes);
  if (is_plain_text(text)) {
    json["text"] = text;
  } else {
    json["base64"] = xase::proto::encode_base64(part.bytes);
  }
  return json;
}

void put_entry(const ProvenEntry& entry, Json& json) {
  json["sequence"] = entry.sequence;
  json["leaf"] = xase::proto::encode_base64(entry.leaf);
  json["inclusion"] = xase::proto::format_tlog_proof(entry.inclusion);
  Json& disclosed = json["disclosed"] = Json::array();
  for (const DisclosedPart& part : entry.disclosed) disclosed.push_back(part_json(part));
}

// Why a text is no proof. Leaves this file as a Status.
struct Malformed {
  std::string why;
};

// Bounds what a hostile text can make the parser build, and sees what a tree of values no longer
// shows: a name that is there twice.
class Watch {
 public:
  bool operator()(int depth, Json::parse_event_t event, Json& value) {
    constexpr int kDepthMax = 8;
    constexpr int kEventsMax = 1000;
    if (depth > kDepthMax || ++events_ > kEventsMax) throw Malformed{"it holds too many values"};
    switch (event) {
      case Json::parse_event_t::object_start:
        names_.emplace_back();
        break;
      case Json::parse_event_t::object_end:
        names_.pop_back();
        break;
      case Json::parse_event_t::key:
        if (!names_.back().insert(value.get<std::string>()).second) {
          throw Malformed{"a member is there twice"};
        }
        break;
      default:
        break;
    }
    return true;
  }

 private:
  std::vector<std::set<std::string>> names_;
  int events_ = 0;
};

// The members of one object, each of which must be asked for.
class Members {
 public:
  Members(const Json& json, std::string where) : json_(json), where_(std::move(where)) {
    if (!json.is_object()) throw Malformed{where_ + " is not an object"};
  }
  const Json* find(const char* name) {
    const auto found = json_.find(name);
    if (found == json_.end()) return nullptr;
    ++asked_;
    return &*found;
  }
  const Json& get(const char* name) {
    const Json* found = find(name);
    if (found == nullptr) throw Malformed{where_ + " has no " + name};
    return *found;
  }
  const std::string& text(const char* name) {
    const Json& value = get(name);
    if (!value.is_string())
      throw Malformed{"the " + std::string(name) + " of " + where_ + " is no text"};
    return value.get_ref<const std::string&>();
  }
  std::vector<std::byte> bytes(const char* name, std::size_t bytes_max) {
    const std::string& encoded = text(name);
    std::optional<std::vector<std::byte>> decoded;
    if (encoded.size() <= (bytes_max + 2) / 3 * 4) decoded = xase::proto::decode_base64(encoded);
    if (!decoded || decoded->size() > bytes_max) {
      throw Malformed{"the " + std::string(name) + " of " + where_ +
                      " is not canonical base64, or too long"};
    }
    return std::move(*decoded);
  }
  template <class T>
  T fixed(const char* name) {
    const std::vector<std::byte> decoded = bytes(name, sizeof(T));
    if (decoded.size() != sizeof(T)) {
      throw Malformed{"the " + std::string(name) + " of " + where_ + " does not have " +
                      std::to_string(sizeof(T)) + " bytes"};
    }
    return xase::proto::load<T>(decoded.data());
  }
  // What no reader looks at could say anything.
  void expect_no_more() const {
    if (json_.size() != asked_) throw Malformed{where_ + " has a member that is not known"};
  }

 private:
  const Json& json_;
  const std::string where_;
  std::size_t asked_ = 0;
};

DisclosedPart read_part(const Json& json, const std::string& where) {
  Members members(json, where);
  DisclosedPart part;
  const auto which = parse_part_name(members.text("part"));
  if (!which) throw Malformed{where + " is of a part that is not known"};
  part.part = *which;
  if (json.contains("random")) part.random = members.fixed<xase::proto::Id>("random");
  if (json.contains("text")) {
    const Bytes bytes = xase::proto::as_bytes(members.text("text"));
    if (bytes.size() > xase::proto::kErasableBytesMax) throw Malformed{where + " is too long"};
    part.bytes.assign(bytes.begin(), bytes.end());
  } else {
    part.bytes = members.bytes("base64", xase::proto::kErasableBytesMax);
  }
  members.expect_no_more();
  return part;
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
    DisclosedPart part = read_part(one, "a disclosed part of " + where);
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
  // The parser takes them for the end of the text.
  if (text.find('\0') != std::string_view::npos) return refuse("it holds NUL bytes");
  if (!looks_like_a_proof(text)) return refuse("it is no JSON object");
  try {
    Watch watch;
    const Json json = Json::parse(text.begin(), text.end(), std::ref(watch));
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
  } catch (const Json::exception&) {
    // Its message would repeat the text.
    return refuse("it is not well-formed JSON");
  }
}

}  // namespace xased
