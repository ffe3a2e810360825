// A record whose payload and random bytes are gone: the ledger verifies without them, and what the
// record said cannot be guessed, though there are few things that it can have been.
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "tests/daemon/ledger/signed_ledger.hpp"

namespace xased {
namespace {

using namespace test;  // NOLINT(google-build-using-namespace)

constexpr std::uint64_t kAnswer = 52'417;
using Salt = std::array<std::byte, 16>;

std::string input_of(std::uint64_t income) {
  return R"({"income":)" + std::to_string(income) + "}";
}

ByteBuffer record_of(std::uint64_t income) {
  const std::string input = input_of(income);
  xase::proto::RecordFields fields;
  fields.span(xase::proto::Span::kInput) = input;
  fields.span(xase::proto::Span::kOutput) = R"({"decision":"decline"})";
  fields.span(xase::proto::Span::kPolicy) = "credit";
  ByteBuffer bytes(xase::proto::encoded_bytes(fields));
  xase::proto::encode_record(fields, bytes.data());
  return bytes;
}

// Tries all incomes of five digits.
std::optional<std::uint64_t> guess(const Hash& commitment, const Salt& salt) {
  Sha256 sha;
  for (std::uint64_t income = 10'000; income < 100'000; ++income) {
    const std::string input = input_of(income);
    if (xase::proto::commitment(sha, 0, salt, xase::proto::as_bytes(input)) == commitment) {
      return income;
    }
  }
  return std::nullopt;
}

bool any_file_holds(const std::string& directory, Bytes wanted) {
  for (const auto& file : std::filesystem::recursive_directory_iterator(directory)) {
    if (!file.is_regular_file()) continue;
    const ByteBuffer bytes = read_bytes(file.path().string());
    if (std::search(bytes.begin(), bytes.end(), wanted.begin(), wanted.end()) != bytes.end()) {
      return true;
    }
  }
  return false;
}

class ErasedRecord : public testing::Test {
 protected:
  ErasedRecord() {
    LedgerWriter writer(dir_.path());
    key_ = new_key(checkpoint_origin("host.test/ledger", writer.ledger().state().log_id));
    writer.body(EntryType::kKey, Subject{}, xase::proto::as_bytes(key_entry(*key_)));
    for (const std::uint64_t income : {11'111ULL, 22'222ULL, 33'333ULL}) {
      writer.receipt(writer.record(LedgerWriter::ring(1), record_of(income)));
    }
    erased_ = writer.record(LedgerWriter::ring(1), record_of(kAnswer)).sequence;
    writer.record(LedgerWriter::ring(1), record_of(44'444));
    writer.stop();
    sign_anew(dir_.path(), *key_, writer.ledger().state().last_sequence);
  }
  VerifyReport verify() const {
    VerifyOptions options;
    options.keys = {key_->verifier_key()};
    auto report = verify_ledger(system_file_system(), dir_.path(), options);
    EXPECT_TRUE(report.ok());
    return report.ok() ? std::move(*report) : VerifyReport{};
  }

  const TempDir dir_;
  std::unique_ptr<Ed25519Key> key_;
  std::uint64_t erased_ = 0;
};

TEST_F(ErasedRecord, LeavesTheLedgerVerifyingAndCannotBeGuessed) {
  ASSERT_EQ(verify().exit_code(), 0);
  TakenApart segment(dir_.path(), 1);
  auto& piece = segment.entry(erased_);
  const Hash commitment = xase::proto::decode_leaf(piece.leaf_bytes())->commitments[0];
  const auto erasable = *xase::proto::decode_erasable({piece.erasable(), piece.erasable_bytes()});
  const auto salts = erasable.salts;
  ASSERT_EQ(guess(commitment, salts[0]), kAnswer) << "with the random bytes it is found at once";
  ASSERT_TRUE(any_file_holds(dir_.path(), xase::proto::as_bytes(input_of(kAnswer))));
  ASSERT_TRUE(any_file_holds(dir_.path(), salts[0]));

  piece.erase();
  segment.put_together();

  const VerifyReport report = verify();
  EXPECT_EQ(report.exit_code(), 0);
  EXPECT_EQ(report.counts.erased, 1U);
  EXPECT_EQ(report.property(VerifyProperty::kChain).verdict, VerifyVerdict::kProven);
  EXPECT_EQ(report.property(VerifyProperty::kSigner).verdict, VerifyVerdict::kProven);
  // Nothing of it is in any file: payload, random bytes.
  EXPECT_FALSE(any_file_holds(dir_.path(), xase::proto::as_bytes(input_of(kAnswer))));
  for (const Salt& salt : salts) {
    // Of the context, which is absent, they are zeros.
    EXPECT_EQ(any_file_holds(dir_.path(), salt), salt == Salt{});
  }
  // What is left does not help: no random bytes, or those of other entries.
  std::set<Salt> left{Salt{}};
  for (auto& other : segment.pieces) {
    if (other.is_mark || other.erasable_bytes() == 0) continue;
    const auto parts = xase::proto::decode_erasable({other.erasable(), other.erasable_bytes()});
    left.insert(parts->salts.begin(), parts->salts.end());
  }
  EXPECT_GT(left.size(), 12U);
  for (const Salt& salt : left) EXPECT_EQ(guess(commitment, salt), std::nullopt);
}

}  // namespace
}  // namespace xased
