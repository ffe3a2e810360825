// Who must have seen a ledger, and how much of it they did: cosignatures on its signed heads, held
// against a quorum.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "proto/note.hpp"
#include "proto/verifier_key.hpp"

namespace xased {

struct Witness {
  std::string name;  // in the policy; its key has another
  xase::proto::VerifierKey key;
};

// `threshold` of the members must hold; members are names of witnesses and of earlier groups.
struct WitnessGroup {
  std::string name;
  std::size_t threshold = 0;
  std::vector<std::string> members;
};

// Names are of one witness or group, a group's members are there, and come before it.
struct WitnessPolicy {
  std::vector<Witness> witnesses;
  std::vector<WitnessGroup> groups;
  std::string quorum;  // the name of what must hold; empty: no witness is asked for

  bool asks() const { return !quorum.empty(); }
};

// What witnesses saw. A witness cosigns a head only where it goes on from the last that it
// cosigned, so that who saw a ledger of some size saw all that is in a smaller one. One thread.
class WitnessSightings {
 public:
  // `policy` outlives this.
  explicit WitnessSightings(const WitnessPolicy& policy)
      : policy_(policy), seen_(policy.witnesses.size()) {}

  // A head over `size` entries of which the caller knows that it is the ledger's. Lines that do not
  // verify count for nothing: anyone can write one.
  void take(const xase::proto::Note& head, std::uint64_t size);
  // Entries that the quorum saw; 0 where it saw none, or where none is asked for.
  std::uint64_t quorum_size() const;
  // A sentence for people about a ledger with `entries` entries.
  std::string text(std::uint64_t entries) const;

 private:
  struct Sighting {
    std::uint64_t size = 0;
    std::uint64_t unix_seconds = 0;  // 0: its kind of signature tells no time
    bool has_false_line = false;
  };
  std::string who(bool saw) const;

  const WitnessPolicy& policy_;
  std::vector<Sighting> seen_;  // as policy_.witnesses
};

}  // namespace xased
