// Canonical JSON: RFC 8785 (JCS). What the service hashes can be computed from it.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "daemon/platform/status.hpp"

namespace xased {

// Appends `value`, which is finite, as ECMAScript's Number::toString writes it (ECMA-262, section
// 6.1.6.1.20).
void append_canonical_number(double value, std::string& out);
// Appends `text`, which is UTF-8, as a JSON string with RFC 8785's escapes, quotes included.
void append_canonical_string(std::string_view text, std::string& out);
// Whether `a` sorts before `b` by their UTF-16 code units. Both are UTF-8.
bool utf16_less(std::string_view a, std::string_view b);

// Parses and writes. One thread; keeps its buffers between calls.
//
// Numbers are read as IEEE 754 doubles, whatever their length; one that is beyond these is refused.
// Of members with one name the last counts, as for ECMAScript's JSON.parse. Nesting is limited to
// kDepthMax. Malformed text is kInvalid; the message repeats none of it, and `out` then holds an
// unspecified addition.
class CanonicalJson {
 public:
  static constexpr std::size_t kDepthMax = 1024;

  CanonicalJson();
  CanonicalJson(const CanonicalJson&) = delete;
  CanonicalJson& operator=(const CanonicalJson&) = delete;
  ~CanonicalJson();

  // Appends the object that `text` is.
  Status append_object(std::string_view text, std::string& out);

  struct Member {
    std::string_view name;
    std::string_view canonical_value;
  };
  // One layer of a merged object: the members of an object's text (empty: none), and members that
  // win over those.
  struct Layer {
    std::string_view object;
    std::span<const Member> members;
  };
  static constexpr std::size_t kLayersMax = 2;
  // Appends one object with the members of all layers; of one name, the later layer's counts.
  Status append_merged(std::span<const Layer> layers, std::string& out);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace xased
