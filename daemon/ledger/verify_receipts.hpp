// Verifies that each answer of the API belongs to an earlier record, and that no record has two
// receipts.
#pragma once

#include <bitset>
#include <cstdint>
#include <memory>
#include <unordered_map>
#include <vector>

#include "daemon/ledger/verify_findings.hpp"
#include "proto/entry_body.hpp"
#include "proto/leaf.hpp"

namespace xased {

// One thread. Memory: 3 bits an entry, and of each record that is not yet delivered its hash and
// its place in its ring (80 bytes). That two receipts name one record is told from the bits alone.
class VerifyReceipts {
 public:
  explicit VerifyReceipts(VerifyFindings& findings);
  VerifyReceipts(const VerifyReceipts&) = delete;
  VerifyReceipts& operator=(const VerifyReceipts&) = delete;
  ~VerifyReceipts();

  // The next entry, whose leaf hash is `hash`; `body` is empty where it was erased.
  void apply(const xase::proto::Leaf& leaf, const xase::proto::Hash& hash, xase::proto::Bytes body,
             bool erased);
  // Entries up to `through` cannot be read.
  void lose(std::uint64_t through) { lost_through_ = through; }

  // Records that are set aside now, and those that are neither that nor delivered.
  std::uint64_t set_aside() const { return set_aside_; }
  std::uint64_t undelivered() const { return undelivered_; }
  // Answers to records that are not there to be compared: removed, erased or unreadable.
  std::uint64_t unmatched() const { return unmatched_; }
  std::uint64_t matched() const { return matched_; }

 private:
  static constexpr std::uint64_t kChunkEntries = 4096;

  struct Open {
    xase::proto::Hash hash;
    xase::proto::Id ring_id;
    std::uint64_t ring_sequence = 0;
    std::uint64_t sequence = 0;
    std::uint64_t changed = 0;  // by which entry it got into its state
    bool is_set_aside = false;
  };
  // kChunkEntries sequences.
  struct Chunk {
    std::bitset<kChunkEntries> read;
    std::bitset<kChunkEntries> is_record;
    std::bitset<kChunkEntries> is_delivered;
    std::vector<Open> open;   // by sequence; those delivered go when they are most of it
    std::size_t waiting = 0;  // of them, not delivered
  };
  Chunk& chunk_of(std::uint64_t sequence);
  void add_record(Chunk& chunk, const xase::proto::Leaf& leaf, const xase::proto::Hash& hash);
  void apply_answer(const xase::proto::Leaf& leaf, const xase::proto::ReceiptBody& body);
  void settle(Chunk& chunk, Open& record, const xase::proto::Leaf& leaf,
              const xase::proto::ReceiptBody& body);
  void check_answer_text(const xase::proto::Leaf& leaf, const xase::proto::ReceiptBody& body);
  void refute(const xase::proto::Leaf& leaf, std::string text) {
    findings_.refute(VerifyProperty::kReceipts, leaf.sequence, std::move(text));
  }

  struct Json;
  VerifyFindings& findings_;
  std::unique_ptr<Json> json_;
  std::unordered_map<std::uint64_t, Chunk> chunks_;
  // The chunk of the last entry, and that of the last record that an answer named.
  std::uint64_t cached_number_ = 0;
  Chunk* cached_ = nullptr;
  std::uint64_t lost_through_ = 0;
  std::uint64_t set_aside_ = 0;
  std::uint64_t undelivered_ = 0;
  std::uint64_t unmatched_ = 0;
  std::uint64_t matched_ = 0;
};

}  // namespace xased
