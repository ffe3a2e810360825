#include "daemon/delivery/service_hash.hpp"

#include <simdjson.h>

#include <algorithm>
#include <utility>

#include "daemon/delivery/canonical_json.hpp"
#include "daemon/delivery/request_body.hpp"

namespace xased {

using xase::proto::Hash;

namespace {

constexpr std::string_view kPoison = "\"__proto__\"";
// Objects that nest and name array indices are moved once a level: more than this is somebody's
// attempt to keep delivery busy.
constexpr std::size_t kMovedBytesMax = std::size_t{64} << 20;

// `quoted`, with its quotes, as a property's array index.
std::optional<std::uint32_t> array_index(std::string_view quoted) {
  constexpr std::uint64_t kIndexMax = 0xFFFF'FFFEU;
  constexpr std::size_t kDigitsMax = 10;
  const std::string_view key = quoted.substr(1, quoted.size() - 2);
  if (key.empty() || key.size() > kDigitsMax || (key.size() > 1 && key[0] == '0')) {
    return std::nullopt;
  }
  std::uint64_t index = 0;
  for (const char c : key) {
    if (c < '0' || c > '9') return std::nullopt;
    index = index * 10 + static_cast<std::uint64_t>(c - '0');
  }
  if (index > kIndexMax) return std::nullopt;
  return static_cast<std::uint32_t>(index);
}

// Copies a value, and puts each object's members into JavaScript's order on the way back up.
class Copier {
 public:
  Copier(std::string_view from, std::string& out) : from_(from), out_(out) {}

  // Recursion is bounded by CanonicalJson::kDepthMax.
  bool value(std::size_t depth) {
    if (depth > CanonicalJson::kDepthMax || at_ == from_.size()) return false;
    switch (from_[at_]) {
      case '{':
        return object(depth);
      case '[':
        return array(depth);
      case '"':
        return text();
      default:
        return word();
    }
  }

  bool is_at_end() const { return at_ == from_.size(); }

 private:
  struct Member {
    std::size_t begin = 0;  // in out_
    std::size_t end = 0;
    std::optional<std::uint32_t> index;
  };

  bool take(char c) {
    if (at_ == from_.size() || from_[at_] != c) return false;
    out_ += from_[at_++];
    return true;
  }

  bool text() {
    const std::size_t begin = at_++;
    while (at_ < from_.size() && from_[at_] != '"') at_ += from_[at_] == '\\' ? 2 : 1;
    if (at_ >= from_.size()) return false;
    ++at_;
    out_.append(from_, begin, at_ - begin);
    return true;
  }

  // A number or a literal. RFC 8785 writes numbers as JavaScript does, and never minus zero.
  bool word() {
    constexpr std::string_view kOf = "+-.0123456789Eaeflnrstu";
    const std::size_t end = std::min(from_.find_first_not_of(kOf, at_), from_.size());
    const std::string_view word = from_.substr(at_, end - at_);
    if (word.empty() || word == "-0") return false;
    out_ += word;
    at_ = end;
    return true;
  }

  bool array(std::size_t depth) {
    if (!take('[')) return false;
    if (take(']')) return true;
    do {
      if (!value(depth + 1)) return false;
    } while (take(','));
    return take(']');
  }

  bool member() {
    Member member;
    member.begin = out_.size();
    if (at_ == from_.size() || from_[at_] != '"' || !text()) return false;
    const std::string_view key = std::string_view(out_).substr(member.begin);
    if (key == kPoison) return false;
    member.index = array_index(key);
    members_.push_back(member);
    return take(':');
  }

  bool object(std::size_t depth) {
    if (!take('{')) return false;
    if (take('}')) return true;
    const std::size_t first = members_.size();
    do {
      const std::size_t here = members_.size();
      if (!member() || !value(depth + 1)) return false;
      members_[here].end = out_.size();
    } while (take(','));
    if (!take('}')) return false;
    order(first);
    members_.resize(first);
    return moved_bytes_ <= kMovedBytesMax;
  }

  // Members from members_[first] on are those of one object, which ends out_.
  void order(std::size_t first) {
    const auto begin = members_.begin() + static_cast<std::ptrdiff_t>(first);
    const auto rest = std::stable_partition(
        begin, members_.end(), [](const Member& member) { return member.index.has_value(); });
    if (rest == begin) return;
    std::sort(begin, rest, [](const Member& a, const Member& b) { return *a.index < *b.index; });
    std::string ordered = "{";
    std::size_t start = out_.size();
    for (auto member = begin; member != members_.end(); ++member) {
      start = std::min(start, member->begin);
      if (ordered.size() > 1) ordered += ',';
      ordered.append(out_, member->begin, member->end - member->begin);
    }
    ordered += '}';
    moved_bytes_ += ordered.size();
    out_.replace(start - 1, std::string::npos, ordered);
  }

  const std::string_view from_;
  std::string& out_;
  std::size_t at_ = 0;
  std::size_t moved_bytes_ = 0;
  std::vector<Member> members_;  // of the objects that are open, the innermost last
};

// The members of a canonical object's first level: each name, quoted, with its value's text.
class TopLevel {
 public:
  explicit TopLevel(std::string_view object) : object_(object) {}

  // The next member; nothing at the end and where the text makes no sense.
  std::optional<std::pair<std::string_view, std::string_view>> next() {
    if (at_ >= object_.size() || (object_[at_] != '{' && object_[at_] != ',')) return std::nullopt;
    const std::size_t key = at_ + 1;
    if (key >= object_.size() || object_[key] != '"') return std::nullopt;
    const std::size_t colon = skip_text(key);
    if (colon >= object_.size() || object_[colon] != ':') return std::nullopt;
    at_ = skip_value(colon + 1);
    if (at_ >= object_.size()) return std::nullopt;
    return std::pair(object_.substr(key, colon - key), object_.substr(colon + 1, at_ - colon - 1));
  }

  bool is_at_end() const { return at_ + 1 == object_.size() && object_[at_] == '}'; }

 private:
  std::size_t skip_text(std::size_t at) const {
    ++at;
    while (at < object_.size() && object_[at] != '"') at += object_[at] == '\\' ? 2 : 1;
    return at + 1;
  }

  // To the comma or brace behind it; beyond the end where there is none.
  std::size_t skip_value(std::size_t at) const {
    std::size_t depth = 0;
    while (at < object_.size()) {
      const char c = object_[at];
      if (c == '"') {
        at = skip_text(at);
        continue;
      }
      if (depth == 0 && (c == ',' || c == '}' || c == ']')) return at;
      if (c == '{' || c == '[') ++depth;
      if (c == '}' || c == ']') --depth;
      ++at;
    }
    return object_.size();
  }

  const std::string_view object_;
  std::size_t at_ = 0;
};

}  // namespace

bool append_as_javascript(std::string_view value, std::string& out) {
  // Also of no lone surrogate, which would be three bytes that UTF-8 has not.
  if (!simdjson::validate_utf8(value.data(), value.size())) return false;
  Copier copier(value, out);
  return copier.value(0) && copier.is_at_end();
}

std::string service_hash_text(const Hash& hash) { return "sha256:" + hex(hash); }

std::optional<ServiceHashes> ServiceHasher::of_body(std::string_view body) {
  std::optional<Hash> input;
  std::optional<Hash> output;
  std::optional<Hash> context;
  TopLevel members(body);
  while (const auto member = members.next()) {
    const auto& [name, value] = *member;
    std::optional<Hash>* hash = name == "\"input\""     ? &input
                                : name == "\"output\""  ? &output
                                : name == "\"context\"" ? &context
                                                        : nullptr;
    if (hash == nullptr) continue;
    text_.clear();
    if (*hash || !value.starts_with('{') || !append_as_javascript(value, text_)) {
      return std::nullopt;
    }
    *hash = sha256_.of(xase::proto::as_bytes(text_));
  }
  if (!members.is_at_end() || !input || !output) return std::nullopt;
  return ServiceHashes{*input, *output, context};
}

Hash ServiceHasher::record_hash(const std::optional<Hash>& previous, const ServiceHashes& hashes) {
  text_.clear();
  if (previous) text_ += hex(*previous);
  text_ += service_hash_text(hashes.input);
  text_ += service_hash_text(hashes.output);
  if (hashes.context) text_ += service_hash_text(*hashes.context);
  return sha256_.of(xase::proto::as_bytes(text_));
}

}  // namespace xased
