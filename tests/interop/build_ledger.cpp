// Builds a ledger on the real disk as the daemon would, for others' programs to check what is
// proven of it:
//
//   interop-build-ledger STATE_DIR RECORDS
//
// Records loan-1, loan-2, … of one producer, each with its receipt 100 records later; the last 100
// have none. Tree, signed head and index are there. Prints the verifier key.
#include <gtest/gtest.h>

#include <cstdio>
#include <exception>
#include <string>

#include "daemon/evidence/index_keeper.hpp"
#include "daemon/ledger/tree/ledger_key.hpp"
#include "daemon/ledger/tree/tree_keeper.hpp"
#include "tests/support/journal_builder.hpp"
#include "tests/support/manual_clock.hpp"

namespace xased {
namespace {

constexpr std::uint64_t kWindow = 100;
constexpr std::uint64_t kEntriesPerSegment = 100'000;

class Builder {
 public:
  Builder(std::string state_dir, std::uint64_t records)
      : state_dir_(std::move(state_dir)),
        records_(records),
        journal_(system_file_system(), state_dir_, clock_) {}

  Status build() {
    journal_.producer(1, R"({"runtime":"cpp"})");
    std::vector<std::pair<std::uint64_t, xase::proto::Hash>> waiting;
    for (std::uint64_t n = 1; n <= records_; ++n) {
      clock_.advance(std::chrono::milliseconds(1));
      rotate_where_due();
      waiting.emplace_back(add_record(n), xase::proto::Hash{});
      waiting.back().second = journal_.state().head;
      if (n <= kWindow) continue;
      rotate_where_due();
      add_receipt(n - kWindow, waiting[n - 1 - kWindow]);
    }
    return finish();
  }

 private:
  void rotate_where_due() {
    if (journal_.last_sequence() % kEntriesPerSegment != 0) return;
    journal_.rotate();
    journal_.producer(1, R"({"runtime":"cpp"})");
  }

  std::uint64_t add_record(std::uint64_t n) {
    const std::string id = "loan-" + std::to_string(n);
    const std::string input = R"({"income":)" + std::to_string(20'000 + n % 90'000) + "}";
    xase::proto::RecordFields fields = test::plain_record(input);
    fields.span(xase::proto::Span::kTransactionId) = id;
    return journal_.record(1, n, fields);
  }

  void add_receipt(std::uint64_t n, const std::pair<std::uint64_t, xase::proto::Hash>& record) {
    xase::proto::ReceiptBody body;
    body.record_sequence = record.first;
    body.record_leaf_hash = record.second;
    body.http_status = 201;
    body.attempts = 1;
    body.answer = R"({"success":true,"transaction_id":"txn_0123456789abcdef0123456789abcdef"})";
    journal_.append(xase::proto::EntryType::kReceipt, journal_.subject(1, n),
                    xase::proto::encode(body));
  }

  // Tree, head and index, as the sync stage makes them.
  Status finish() {
    FileSystem& fs = system_file_system();
    auto made = Ed25519Key::generate(checkpoint_origin("host-1/loans", journal_.state().log_id));
    if (!made.ok()) return made.status();
    const std::shared_ptr<Ed25519Key> key = std::move(*made);
    LedgerKeys keys(key->verifier_key().name);
    keys.add(key);
    Positions positions;
    positions.durable.store(journal_.last_sequence());
    TreeOptions options;
    options.state_dir = state_dir_;
    options.signing = {key->verifier_key()};
    auto tree = TreeKeeper::open(fs, clock_, positions, keys, options);
    if (!tree.ok()) return tree.status();
    if (Status status = tree->keeper->finish(); !status.ok()) return status;
    IndexKeeper index(fs, clock_, positions, state_dir_);
    while (index.step() == std::chrono::nanoseconds(0)) {
    }
    Sha256 sha;
    std::printf("%s\n", format_verifier_key(sha, key->verifier_key()).c_str());
    return {};
  }

  const std::string state_dir_;
  const std::uint64_t records_;
  test::ManualClock clock_;
  test::JournalBuilder journal_;
};

}  // namespace
}  // namespace xased

int main(int argc, char** argv) {
  try {
    if (argc != 3) {
      std::fputs("usage: interop-build-ledger STATE_DIR RECORDS\n", stderr);
      return 2;
    }
    const xased::Status status = xased::Builder(argv[1], std::stoull(argv[2])).build();
    if (status.ok()) return 0;
    std::fprintf(stderr, "interop-build-ledger: %s\n", status.message().c_str());
  } catch (const std::exception& error) {
    std::fprintf(stderr, "interop-build-ledger: %s\n", error.what());
  }
  return 1;
}
