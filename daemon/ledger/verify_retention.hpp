// What the ledger tells of entries that it no longer has at its beginning.
#pragma once

#include <cstdint>
#include <optional>

#include "proto/erase_body.hpp"
#include "proto/leaf.hpp"

namespace xased {

class VerifyFindings;
struct VerifyPropertyReport;

// The daemon tells what it removes in an ERASE entry before it does. One thread; one verification:
// begin_at(), take() as the walk comes by, then settle(), then judge().
class VerifyRetention {
 public:
  explicit VerifyRetention(VerifyFindings& findings) : findings_(findings) {}

  // The journal's first sequence, and the leaf hash of the entry before it as its header says.
  void begin_at(std::uint64_t first, const std::optional<xase::proto::Hash>& previous) {
    first_ = first;
    previous_ = previous;
  }
  // An ERASE entry; false where its body is malformed.
  bool take(const xase::proto::Leaf& leaf, xase::proto::Bytes body);
  // `has_all`: every entry from the first on was read.
  void settle(bool has_all);
  void judge(VerifyPropertyReport& report) const;

 private:
  struct Told {
    std::uint64_t sequence = 0;  // of the ERASE entry
    xase::proto::EraseBody body;
  };

  VerifyFindings& findings_;
  std::uint64_t first_ = 0;  // 0: there is no entry
  std::optional<xase::proto::Hash> previous_;
  // The first one that tells of all that is not here.
  std::optional<Told> told_;
};

}  // namespace xased
