// Encoded records for tests.
#pragma once

#include <string>
#include <vector>

#include "proto/record.hpp"

namespace xased::test {

// A sound record; `of()` encodes it.
struct RecordMaker {
  std::string input = R"({"amount":100})";
  std::string output = R"({"decision":"approve"})";
  std::string policy = "credit-v1";
  xase::proto::RecordFields more{};  // spans other than these three, numbers and flags

  RecordMaker& with(xase::proto::Span span, std::string_view text) {
    more.span(span) = text;
    return *this;
  }

  std::vector<std::byte> encode() const {
    xase::proto::RecordFields fields = more;
    fields.span(xase::proto::Span::kInput) = input;
    fields.span(xase::proto::Span::kOutput) = output;
    fields.span(xase::proto::Span::kPolicy) = policy;
    std::vector<std::byte> bytes(xase::proto::encoded_bytes(fields));
    xase::proto::encode_record(fields, bytes.data());
    return bytes;
  }
};

// A record that can be told from others by `number`, with an input of about `input_bytes`.
inline std::vector<std::byte> numbered_record(std::uint64_t number, std::size_t input_bytes = 0) {
  RecordMaker maker;
  maker.input = "{\"n\":" + std::to_string(number) + ",\"fill\":\"" +
                std::string(input_bytes, static_cast<char>('a' + number % 26)) + "\"}";
  return maker.encode();
}

}  // namespace xased::test
