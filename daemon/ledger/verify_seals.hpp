// The epochs of a ledger in a verification: that they follow one another, each opened under the
// ledger's key and closed once by its own, and that every seal counts what was counted here.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/ledger/verify.hpp"
#include "daemon/ledger/verify_findings.hpp"
#include "daemon/ledger/verify_heads.hpp"
#include "daemon/ledger/verify_keys.hpp"
#include "daemon/ledger/verify_producers.hpp"
#include "daemon/platform/sha256.hpp"
#include "proto/leaf.hpp"
#include "proto/seal.hpp"

namespace xased {

// One thread; fed with every entry, in order.
class VerifySeals {
 public:
  VerifySeals(VerifyFindings& findings, const VerifyProducers& producers, VerifyKeys& keys)
      : findings_(findings), producers_(producers), keys_(keys) {}

  // The ledger that there is starts at `first`.
  void begin_at(std::uint64_t first) { is_known_ = first == 1; }
  // Entries cannot be read: what they did to epochs is not known.
  void lose() { is_known_ = false; }

  // The next entry, before it is counted; `totals` of all before it, where they are known.
  void apply(const xase::proto::Leaf& leaf, xase::proto::Bytes body, bool erased,
             const xase::proto::LedgerTotals* totals);

  bool has_any() const { return seals_ != 0; }
  // Verdict and sentence where nothing refutes it. After heads.settle().
  void judge(VerifyPropertyReport& report, const VerifyHeads& heads) const;

 private:
  using VerifierKey = xase::proto::VerifierKey;

  void apply_seal(const xase::proto::Leaf& leaf, const xase::proto::SealBody& seal);
  void open(const xase::proto::Leaf& leaf, const xase::proto::SealBody& seal);
  void close(const xase::proto::Leaf& leaf, const xase::proto::SealBody& seal);
  // Gives the key of the epoch, where its certificate is sound.
  std::optional<VerifierKey> certified_key(const xase::proto::Leaf& leaf,
                                           const xase::proto::SealBody& seal);
  bool is_certified(const xase::proto::Leaf& leaf, const xase::proto::SealBody& seal,
                    const NoteSigners& signers);
  std::uint64_t unpinned() const;
  void compare_counts(const xase::proto::Leaf& leaf, const xase::proto::SealBody& seal,
                      const xase::proto::LedgerTotals* totals);
  bool is_head_without_epoch(const VerifyHeads& heads) const;
  void refute(const xase::proto::Leaf& leaf, std::string text) {
    findings_.refute(VerifyProperty::kSeals, leaf.sequence, std::move(text));
  }

  VerifyFindings& findings_;
  const VerifyProducers& producers_;
  VerifyKeys& keys_;
  Sha256 sha_;

  bool is_known_ = true;  // whether it is known which epoch there is
  bool is_open_ = false;
  std::uint64_t epoch_ = 0;         // the last that was opened
  std::uint64_t seen_open_ = 0;     // the entry that shows that it is
  std::optional<VerifierKey> key_;  // of the open epoch, as far as its certificate holds

  std::uint64_t seals_ = 0;
  std::uint64_t opened_ = 0;
  std::uint64_t erased_ = 0;
  std::uint64_t counts_compared_ = 0;
  std::uint64_t first_unclosed_ = 0;  // an epoch; 0: none
  std::uint64_t unclosed_ = 0;
  std::uint64_t first_uncertified_ = 0;
  std::uint64_t uncertified_ = 0;  // epochs whose certificate's key is not known here
  // By keys that are not among those that are pinned: how many epochs, by the line of the keys.
  std::map<std::uint64_t, std::uint64_t> unpinned_;
  std::uint64_t first_outside_ = 0;
  std::uint64_t outside_ = 0;  // entries about records that lie in no epoch
};

}  // namespace xased
