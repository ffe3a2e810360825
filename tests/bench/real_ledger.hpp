// A ledger of real decisions, each with its answer, as the daemon leaves it: journal, tree, signed
// head.
#pragma once

#include <fstream>
#include <stdexcept>
#include <string>
#include <vector>

#include "daemon/ctl/record_line.hpp"
#include "tests/daemon/ledger/signed_ledger.hpp"

namespace xased::bench {

// The lines of tests/data, encoded as records.
inline std::vector<test::ByteBuffer> real_records(const std::string& path) {
  std::ifstream in(path);
  std::vector<test::ByteBuffer> records;
  ctl::RecordLineParser parser;
  for (std::string line; std::getline(in, line);) {
    const std::size_t size = line.size();
    line.resize(size + ctl::RecordLineParser::kPaddingBytes);
    ctl::RecordLine parts;
    const auto problem = parser.parse(std::string_view(line).substr(0, size), parts);
    if (!problem.ok()) throw std::runtime_error(path + ": " + problem.message);
    using xase::proto::Span;
    xase::proto::RecordFields fields;
    fields.span(Span::kInput) = parts.input;
    fields.span(Span::kOutput) = parts.output;
    fields.span(Span::kContext) = parts.context;
    fields.span(Span::kExplanation) = parts.explanation;
    fields.span(Span::kPolicy) = parts.policy;
    fields.span(Span::kPolicyVersion) = parts.policy_version;
    fields.span(Span::kTransactionId) = parts.transaction_id;
    fields.span(Span::kDecisionType) = parts.decision_type;
    fields.span(Span::kModelId) = parts.model_id;
    fields.span(Span::kModelVersion) = parts.model_version;
    records.emplace_back(xase::proto::encoded_bytes(fields));
    xase::proto::encode_record(fields, records.back().data());
  }
  if (records.empty()) throw std::runtime_error("no records in " + path);
  return records;
}

struct RealLedger {
  // `count` decisions and as many answers, in segments of the daemon's default size.
  RealLedger(const std::string& data, std::uint64_t count) {
    const std::vector<test::ByteBuffer> records = real_records(data);
    test::LedgerWriter writer(dir.path(), 64U << 20);
    key = test::new_key(checkpoint_origin("host.test/ledger", writer.ledger().state().log_id));
    writer.body(xase::proto::EntryType::kKey, Subject{},
                xase::proto::as_bytes(test::key_entry(*key)));
    std::vector<test::Written> unanswered;
    constexpr std::size_t kBatch = 1000;
    for (std::uint64_t i = 0; i < count; ++i) {
      unanswered.push_back(writer.record(test::LedgerWriter::ring(1), records[i % records.size()]));
      if (unanswered.size() < kBatch && i + 1 != count) continue;
      for (const test::Written& record : unanswered) {
        auto body = test::LedgerWriter::answer_to(record);
        body.answer =
            R"({"success":true,"transaction_id":"txn_0123456789abcdef0123456789abcdef",)"
            R"("receipt_url":"https://xase.example/xase/receipt/txn_0123456789abcdef0123456789abcdef",)"
            R"("timestamp":"2026-01-07T12:00:00.000Z","record_hash":)"
            R"("0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",)"
            R"("chain_position":"chained"})";
        writer.receipt(record, body);
      }
      unanswered.clear();
      writer.sync();
    }
    writer.stop();
    test::sign_anew(dir.path(), *key, writer.ledger().state().last_sequence);
  }

  const test::TempDir dir;
  std::unique_ptr<Ed25519Key> key;
};

}  // namespace xased::bench
