#include "client/src/answer.hpp"

#include <cstdint>
#include <optional>

namespace xase::client {
namespace {

class Scanner {
 public:
  explicit Scanner(std::string_view text) : text_(text) {}

  bool take(char wanted) {
    skip_space();
    if (at_ == text_.size() || text_[at_] != wanted) return false;
    ++at_;
    return true;
  }

  bool next_is(char wanted) {
    skip_space();
    return at_ < text_.size() && text_[at_] == wanted;
  }

  // A string with its escapes resolved.
  std::optional<std::string> string() {
    if (!take('"')) return std::nullopt;
    std::string value;
    while (at_ < text_.size()) {
      const char c = text_[at_++];
      if (c == '"') return value;
      if (static_cast<unsigned char>(c) < 0x20) return std::nullopt;
      if (c != '\\') {
        value += c;
      } else if (!escape(value)) {
        return std::nullopt;
      }
    }
    return std::nullopt;
  }

  // Passes over a value of any kind, to the comma or bracket that ends it. Brackets are counted,
  // not matched: it is the daemon's business whether this is JSON.
  bool skip_value() {
    std::size_t depth = 0;
    while (at_ < text_.size()) {
      const char c = text_[at_];
      if (c == '"') {
        if (!skip_string()) return false;
        continue;
      }
      if (depth == 0 && (c == ',' || c == '}' || c == ']')) return true;
      if (c == '{' || c == '[') ++depth;
      if (c == '}' || c == ']') --depth;
      ++at_;
    }
    return false;
  }

 private:
  void skip_space() {
    while (at_ < text_.size() &&
           (text_[at_] == ' ' || text_[at_] == '\t' || text_[at_] == '\n' || text_[at_] == '\r')) {
      ++at_;
    }
  }

  bool skip_string() {
    for (++at_; at_ < text_.size(); ++at_) {
      if (text_[at_] == '\\') {
        ++at_;
      } else if (text_[at_] == '"') {
        ++at_;
        return true;
      }
    }
    return false;
  }

  std::optional<std::uint32_t> hex4() {
    if (text_.size() - at_ < 4) return std::nullopt;
    std::uint32_t value = 0;
    for (int i = 0; i < 4; ++i) {
      const char c = text_[at_++];
      std::uint32_t digit = 16;
      if (c >= '0' && c <= '9') digit = static_cast<std::uint32_t>(c - '0');
      if (c >= 'a' && c <= 'f') digit = static_cast<std::uint32_t>(c - 'a' + 10);
      if (c >= 'A' && c <= 'F') digit = static_cast<std::uint32_t>(c - 'A' + 10);
      if (digit > 15) return std::nullopt;
      value = value * 16 + digit;
    }
    return value;
  }

  bool escape(std::string& value) {
    if (at_ == text_.size()) return false;
    const char c = text_[at_++];
    constexpr std::string_view kNames = "\"\\/bfnrt";
    constexpr std::string_view kMeanings = "\"\\/\b\f\n\r\t";
    const std::size_t index = kNames.find(c);
    if (index != kNames.npos) {
      value += kMeanings[index];
      return true;
    }
    if (c != 'u') return false;
    auto point = hex4();
    if (!point) return false;
    if (*point >= 0xd800 && *point < 0xdc00) {
      if (text_.substr(at_, 2) != "\\u") return false;
      at_ += 2;
      const auto low = hex4();
      if (!low || *low < 0xdc00 || *low > 0xdfff) return false;
      point = 0x10000 + ((*point - 0xd800) << 10U) + (*low - 0xdc00);
    } else if (*point >= 0xdc00 && *point <= 0xdfff) {
      return false;
    }
    append_utf8(value, *point);
    return true;
  }

  static void append_utf8(std::string& value, std::uint32_t point) {
    if (point < 0x80) {
      value += static_cast<char>(point);
      return;
    }
    if (point < 0x800) {
      value += static_cast<char>(0xc0U | (point >> 6U));
    } else if (point < 0x10000) {
      value += static_cast<char>(0xe0U | (point >> 12U));
      value += static_cast<char>(0x80U | ((point >> 6U) & 0x3fU));
    } else {
      value += static_cast<char>(0xf0U | (point >> 18U));
      value += static_cast<char>(0x80U | ((point >> 12U) & 0x3fU));
      value += static_cast<char>(0x80U | ((point >> 6U) & 0x3fU));
    }
    value += static_cast<char>(0x80U | (point & 0x3fU));
  }

  std::string_view text_;
  std::size_t at_ = 0;
};

std::string* field(Answer& answer, std::string_view name) {
  if (name == "transaction_id") return &answer.transaction_id;
  if (name == "receipt_url") return &answer.receipt_url;
  if (name == "timestamp") return &answer.timestamp;
  if (name == "record_hash") return &answer.record_hash;
  if (name == "chain_position") return &answer.chain_position;
  if (name == "error") return &answer.error;
  if (name == "code") return &answer.code;
  return nullptr;
}

}  // namespace

Answer parse_answer(std::string_view json) {
  Answer answer;
  Scanner scanner(json);
  if (!scanner.take('{')) return answer;
  do {
    const auto name = scanner.string();
    if (!name || !scanner.take(':')) break;
    std::string* to = field(answer, *name);
    if (to == nullptr || !to->empty() || !scanner.next_is('"')) {
      if (!scanner.skip_value()) break;
    } else {
      auto value = scanner.string();
      if (!value) break;
      *to = std::move(*value);
    }
  } while (scanner.take(','));
  return answer;
}

}  // namespace xase::client
