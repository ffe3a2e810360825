// Makes the proof of an entry out of a state directory.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "daemon/evidence/proof.hpp"
#include "daemon/platform/file_system.hpp"

namespace xased {

using Disclosure = std::array<bool, xase::proto::kParts>;

struct MadeProof {
  // Nothing: the entry is there, and no signed head covers it yet.
  std::optional<Proof> proof;
  std::uint64_t covered = 0;         // entries that the head covers
  std::vector<std::string> remarks;  // for people: what is not in it, and why
};

// Of entry `sequence`, with the parts that `disclose` names and that the entry has, and with the
// API's answer where the head covers that. Reads files alone, also while a daemon writes them, and
// proves what it reads: kCorrupt where journal, tree and head do not agree. kNotFound where there
// is no such entry, kInvalid where the head is malformed.
Result<MadeProof> make_proof(FileSystem& fs, const std::string& state_dir, std::uint64_t sequence,
                             const Disclosure& disclose);

}  // namespace xased
