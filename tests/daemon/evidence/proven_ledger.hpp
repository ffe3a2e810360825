// A ledger whose entries are proven, and found by their transaction ids.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "daemon/evidence/index_keeper.hpp"
#include "daemon/evidence/make_proof.hpp"
#include "daemon/evidence/verify_proof.hpp"
#include "tests/daemon/ledger/signed_ledger.hpp"

namespace xased::test {

// Asks for the signature of this key alone.
inline Policy policy_of(const Signer& signer) {
  Policy policy;
  policy.logs.push_back(signer.verifier_key());
  return policy;
}

inline constexpr const char* kInput = R"({"income":52000,"name":"Zoë"})";
inline constexpr const char* kOutput = R"({"decision":"approve"})";
inline constexpr const char* kContext = R"({"channel":"web"})";

inline ByteBuffer record_with(const std::string& transaction_id, const char* context = kContext) {
  xase::proto::RecordFields fields;
  fields.span(xase::proto::Span::kInput) = kInput;
  fields.span(xase::proto::Span::kOutput) = kOutput;
  if (context != nullptr) fields.span(xase::proto::Span::kContext) = context;
  fields.span(xase::proto::Span::kPolicy) = "credit";
  fields.span(xase::proto::Span::kTransactionId) = transaction_id;
  ByteBuffer bytes(xase::proto::encoded_bytes(fields));
  xase::proto::encode_record(fields, bytes.data());
  return bytes;
}

// Records loan-1 to loan-N of one producer, then their answers: a receipt each, but loan-2 is set
// aside and loan-3 has no answer. All of them under a signed head; loan-late and the receipt of
// loan-4 are not.
class ProvenLedger {
 public:
  explicit ProvenLedger(std::uint64_t count = 12, std::uint64_t segment_bytes = 64U << 10)
      : writer_(std::make_unique<LedgerWriter>(dir.path(), segment_bytes)) {
    key = new_key(checkpoint_origin("host.test/ledger", writer_->ledger().state().log_id));
    for (std::uint64_t n = 1; n <= count; ++n) {
      records.push_back(writer_->record(ring(), record_with("loan-" + std::to_string(n))));
    }
    for (std::uint64_t n = 1; n <= count; ++n) {
      if (n == 2) writer_->dead_letter(record(n));
      if (n > 4 || n == 1) writer_->receipt(record(n));
    }
    writer_->sync();
    size = writer_->ledger().state().last_sequence;
    sign_anew(dir.path(), *key, size);
    late = writer_->record(ring(), record_with("loan-late"));
    late_receipt = writer_->receipt(record(4));
    writer_->sync();
    last = writer_->ledger().state().last_sequence;
  }

  static Id ring() { return LedgerWriter::ring(1); }
  const Written& record(std::uint64_t n) const { return records.at(n - 1); }
  const std::string& state() const { return dir.path(); }
  LedgerWriter& writer() { return *writer_; }
  Policy pinned() const { return policy_of(*key); }

  Result<MadeProof> make(std::uint64_t sequence, const Disclosure& disclose = {}) const {
    return make_proof(system_file_system(), state(), sequence, disclose);
  }
  // The proof of loan-`n`, which must be there.
  Proof proof(std::uint64_t n, const Disclosure& disclose = {}) const {
    auto made = make(record(n).sequence, disclose);
    if (!made.ok() || !made->proof) {
      ADD_FAILURE() << (made.ok() ? "not under a head" : made.status().message());
      std::abort();
    }
    return std::move(*made->proof);
  }
  ProofReport verified(const Proof& proof) const {
    auto report = verify_proof(proof, pinned());
    if (!report.ok()) {
      ADD_FAILURE() << report.status().message();
      std::abort();
    }
    return std::move(*report);
  }

  // Runs an index keeper until all that is durable is in the index that can be.
  std::uint64_t index(std::uint64_t run_entries) const {
    const SteppingClock clock;
    Positions positions;
    positions.durable.store(last);
    IndexKeeper keeper(system_file_system(), clock, positions, state(), run_entries);
    for (int i = 0; i < 10'000; ++i) {
      if (keeper.step() != std::chrono::nanoseconds(0)) return keeper.indexed().load();
    }
    ADD_FAILURE() << "the index does not come to rest";
    return 0;
  }

  const TempDir dir;
  std::unique_ptr<Ed25519Key> key;
  std::vector<Written> records;
  Written late;
  std::uint64_t late_receipt = 0;
  std::uint64_t size = 0;  // under the head
  std::uint64_t last = 0;  // of the journal

 private:
  std::unique_ptr<LedgerWriter> writer_;
};

inline constexpr Disclosure kAll{true, true, true, true};

}  // namespace xased::test
