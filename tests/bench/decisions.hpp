// The real decisions of tests/data, ready for record().
#pragma once

#include <deque>
#include <fstream>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "daemon/ctl/record_line.hpp"
#include "proto/record.hpp"
#include "xase/xase.hpp"

namespace xase::bench {

class Decisions {
 public:
  // One JSON object a line. Throws std::runtime_error where a line is none.
  explicit Decisions(const std::string& path) {
    std::ifstream in(path);
    for (std::string line; std::getline(in, line);) take(path, std::move(line));
    if (all_.empty()) throw std::runtime_error("no records in " + path);
  }

  std::size_t size() const { return all_.size(); }
  // By number, again and again from the first.
  const Record& operator[](std::size_t i) const { return all_[i % all_.size()]; }
  // What that record views, one part behind the other.
  std::string_view text(std::size_t i) const { return texts_[i % texts_.size()]; }
  // As it lies in a ring.
  const std::string& encoded(std::size_t i) const { return encoded_[i % encoded_.size()]; }
  double mean_bytes() const {
    double sum = 0;
    for (const std::string& one : encoded_) sum += static_cast<double>(one.size());
    return sum / static_cast<double>(encoded_.size());
  }

 private:
  void take(const std::string& path, std::string text) {
    const std::size_t size = text.size();
    text.resize(size + xased::ctl::RecordLineParser::kPaddingBytes);
    xased::ctl::RecordLine parts;
    const auto problem = parser_.parse(std::string_view(text).substr(0, size), parts);
    if (!problem.ok()) throw std::runtime_error(path + ": " + problem.message);
    Record record;
    proto::RecordFields fields;
    std::string& kept = texts_.emplace_back();
    kept.reserve(size);  // it never moves: the parts are parts of the line
    const auto keep = [&](std::string_view part, std::string_view& to, proto::Span span) {
      if (part.empty()) return;
      to = std::string_view(kept.data() + kept.size(), part.size());
      kept.append(part);
      fields.span(span) = to;
    };
    using proto::Span;
    keep(parts.policy, record.policy, Span::kPolicy);
    keep(parts.input, record.input, Span::kInput);
    keep(parts.output, record.output, Span::kOutput);
    keep(parts.context, record.context, Span::kContext);
    keep(parts.explanation, record.explanation, Span::kExplanation);
    keep(parts.policy_version, record.policy_version, Span::kPolicyVersion);
    keep(parts.decision_type, record.decision_type, Span::kDecisionType);
    keep(parts.model_id, record.model_id, Span::kModelId);
    keep(parts.model_version, record.model_version, Span::kModelVersion);
    if (parts.confidence) {
      record.confidence = fields.confidence = *parts.confidence;
      fields.flags |= proto::kRecordHasConfidence;
    }
    // No transaction id: each is recorded many times.
    all_.push_back(record);
    std::string& bytes = encoded_.emplace_back(proto::encoded_bytes(fields), '\0');
    proto::encode_record(fields, reinterpret_cast<std::byte*>(bytes.data()));
  }

  xased::ctl::RecordLineParser parser_;
  std::deque<std::string> texts_;  // what the records view: none moves
  std::vector<Record> all_;
  std::vector<std::string> encoded_;
};

}  // namespace xase::bench
