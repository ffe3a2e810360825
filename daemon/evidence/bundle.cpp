#include "daemon/evidence/bundle.hpp"

#include <algorithm>

#include "daemon/evidence/part_json.hpp"
#include "daemon/evidence/tar.hpp"
#include "proto/base64.hpp"
#include "proto/note.hpp"

namespace xased {

using strict::Malformed;
using strict::Members;
using xase::proto::Hash;
using xase::proto::kLeafBytes;

namespace {

constexpr std::string_view kAbout = "bundle.json";
constexpr std::string_view kCheckpoint = "checkpoint";
constexpr std::string_view kLeaves = "leaves";
constexpr std::string_view kDisclosed = "disclosed.jsonl";
constexpr std::size_t kMembers = 4;

Json hashes_json(const std::vector<Hash>& hashes) {
  Json json = Json::array();
  for (const Hash& hash : hashes) json.push_back(xase::proto::encode_base64(hash));
  return json;
}

std::vector<Hash> read_hashes(Members& members, const char* name) {
  const Json& json = members.get(name);
  // As many as bits in a size to the left of it, twice that to the right.
  constexpr std::size_t kHashesMax = std::size_t{2} * xase::proto::kTreeLevels;
  if (!json.is_array() || json.size() > kHashesMax) {
    throw Malformed{std::string(name) + " is no array of hashes"};
  }
  std::vector<Hash> hashes;
  for (const Json& one : json) {
    const auto bytes = one.is_string()
                           ? xase::proto::decode_base64(one.get_ref<const std::string&>())
                           : std::nullopt;
    if (!bytes || bytes->size() != sizeof(Hash)) {
      throw Malformed{std::string(name) + " holds what is no hash"};
    }
    hashes.push_back(xase::proto::load<Hash>(bytes->data()));
  }
  return hashes;
}

std::uint64_t read_number(Members& members, const char* name) {
  const Json& json = members.get(name);
  if (!json.is_number_unsigned()) throw Malformed{std::string(name) + " is no number"};
  return json.get<std::uint64_t>();
}

void read_about(std::string_view text, Bundle& bundle) {
  const Json json = strict::parse(text);
  Members members(json, std::string(kAbout));
  (void)members.get("format");
  bundle.first = read_number(members, "first");
  const std::uint64_t last = read_number(members, "last");
  bundle.proof.left = read_hashes(members, "left");
  bundle.proof.right = read_hashes(members, "right");
  members.expect_no_more();
  const bool is_range = bundle.first != 0 && bundle.first <= xase::proto::kTreeSizeMax &&
                        last >= bundle.first && last - bundle.first < kBundleEntriesMax;
  if (!is_range || bundle.leaves.size() != (last - bundle.first + 1) * kLeafBytes) {
    throw Malformed{"first, last and the size of leaves do not agree"};
  }
}

void read_disclosed(std::string_view text, Bundle& bundle) {
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    if (end == std::string_view::npos) throw Malformed{"its last line is cut"};
    const Json json = strict::parse(text.substr(0, end));
    const std::string where = "a line of disclosed.jsonl";
    Members members(json, where);
    BundlePart part;
    part.sequence = read_number(members, "sequence");
    part.part = read_part(members, where);
    members.expect_no_more();
    if (part.sequence < bundle.first || part.sequence > bundle.last()) {
      throw Malformed{where + " is of an entry that is not in the bundle"};
    }
    if (!bundle.disclosed.empty()) {
      const BundlePart& before = bundle.disclosed.back();
      if (std::pair(before.sequence, before.part.part) >=
          std::pair(part.sequence, part.part.part)) {
        throw Malformed{where + " is out of order, or there twice"};
      }
    }
    bundle.disclosed.push_back(std::move(part));
    text.remove_prefix(end + 1);
  }
}

}  // namespace

std::string encode_bundle(const Bundle& bundle) {
  Json about{{"format", kBundleFormat},
             {"first", bundle.first},
             {"last", bundle.last()},
             {"left", hashes_json(bundle.proof.left)},
             {"right", hashes_json(bundle.proof.right)}};
  constexpr int kIndent = 2;
  std::string disclosed;
  for (const BundlePart& part : bundle.disclosed) {
    Json json{{"sequence", part.sequence}};
    put_part(part.part, json);
    disclosed += json.dump() + "\n";
  }
  return write_tar({{std::string(kAbout), about.dump(kIndent) + "\n"},
                    {std::string(kCheckpoint), bundle.checkpoint},
                    {std::string(kLeaves), std::string(xase::proto::as_text(bundle.leaves))},
                    {std::string(kDisclosed), std::move(disclosed)}});
}

bool looks_like_a_bundle(std::string_view bytes) { return bytes.starts_with(kAbout); }

Result<Bundle> decode_bundle(std::string_view bytes) {
  const auto refuse = [](const std::string& why) {
    return Status(Code::kInvalid, "this is no bundle: " + why);
  };
  if (bytes.size() > kBundleBytesMax) return refuse("it is longer than 1 GiB");
  const auto members = read_tar(bytes, kMembers);
  if (!members.ok()) return refuse(members.status().message());
  constexpr std::array<std::string_view, kMembers> kNames{kAbout, kCheckpoint, kLeaves, kDisclosed};
  if (!std::equal(
          members->begin(), members->end(), kNames.begin(), kNames.end(),
          [](const TarView& member, std::string_view name) { return member.name == name; })) {
    return refuse("its members are not those of one");
  }
  try {
    const Json about = strict::parse((*members)[0].bytes);
    const auto format = about.is_object() ? about.find("format") : about.end();
    if (format == about.end() || !format->is_string()) return refuse("it has no format");
    if (*format != kBundleFormat) {
      if (format->get_ref<const std::string&>().starts_with("xase-bundle/")) {
        return Status(Code::kUnsupported,
                      "this bundle is of a version that this program does not know; use a newer "
                      "one");
      }
      return refuse("its format is not " + std::string(kBundleFormat));
    }
    Bundle bundle;
    if ((*members)[1].bytes.size() > xase::proto::kNoteBytesMax) {
      return refuse("its checkpoint is too long");
    }
    bundle.checkpoint = (*members)[1].bytes;
    const auto leaves = xase::proto::as_bytes((*members)[2].bytes);
    bundle.leaves.assign(leaves.begin(), leaves.end());
    read_about((*members)[0].bytes, bundle);
    read_disclosed((*members)[3].bytes, bundle);
    return bundle;
  } catch (const Malformed& malformed) {
    return refuse(malformed.why);
  }
}

}  // namespace xased
