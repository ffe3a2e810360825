// Reads JSON that someone hands us, so that it can be read in one way only.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "proto/base64.hpp"
#include "proto/bytes.hpp"

namespace xased {

using Json = nlohmann::ordered_json;

// Throws Malformed alone; who calls turns that into a Status.
namespace strict {

// Why a text is not what it should be.
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
  bool contains(const char* name) const { return json_.contains(name); }
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

// The value that `text` is.
inline Json parse(std::string_view text) {
  // The parser takes it for the end of the text.
  if (text.find('\0') != std::string_view::npos) throw Malformed{"it holds NUL bytes"};
  Watch watch;
  try {
    return Json::parse(text.begin(), text.end(), std::ref(watch));
  } catch (const Json::exception&) {
    // Its message would repeat the text.
    throw Malformed{"it is not well-formed JSON"};
  }
}

}  // namespace strict
}  // namespace xased
