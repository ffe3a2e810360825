#include "daemon/evidence/part_json.hpp"

#include "proto/utf8.hpp"

namespace xased {

using strict::Malformed;
using strict::Members;
using xase::proto::Bytes;

namespace {

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

}  // namespace

Json part_json(const DisclosedPart& part) {
  Json json = Json::object();
  put_part(part, json);
  return json;
}

void put_part(const DisclosedPart& part, Json& json) {
  json["part"] = part_name(part.part);
  if (part.random) json["random"] = xase::proto::encode_base64(*part.random);
  const std::string_view text = xase::proto::as_text(part.bytes);
  if (is_plain_text(text)) {
    json["text"] = text;
  } else {
    json["base64"] = xase::proto::encode_base64(part.bytes);
  }
}

DisclosedPart read_part(Members& members, const std::string& where) {
  DisclosedPart part;
  const auto which = parse_part_name(members.text("part"));
  if (!which) throw Malformed{where + " is of a part that is not known"};
  part.part = *which;
  if (members.contains("random")) part.random = members.fixed<xase::proto::Id>("random");
  if (members.contains("text")) {
    const Bytes bytes = xase::proto::as_bytes(members.text("text"));
    if (bytes.size() > xase::proto::kErasableBytesMax) throw Malformed{where + " is too long"};
    part.bytes.assign(bytes.begin(), bytes.end());
  } else {
    part.bytes = members.bytes("base64", xase::proto::kErasableBytesMax);
  }
  return part;
}

}  // namespace xased
