// Checks a bundle with nothing but itself and keys from elsewhere.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "daemon/evidence/bundle.hpp"
#include "daemon/evidence/policy.hpp"
#include "daemon/evidence/signed_head.hpp"

namespace xased {

struct BundleReport {
  // leaves, inclusion, ledger, signer, witnesses (where they are asked for), disclosed, answers: in
  // that order; then what else the policy asks for.
  std::vector<EvidenceProperty> properties;
  std::string origin;                  // of the signed head
  std::uint64_t size = 0;              // entries that it covers
  std::string root;                    // hex
  std::vector<std::string> signed_by;  // verifier keys, of the pinned ones
  std::uint64_t first = 0;
  std::uint64_t last = 0;
  std::uint64_t records = 0;
  std::uint64_t parts = 0;         // that are disclosed
  std::int64_t first_wall_ns = 0;  // wall clocks that the first and the last entry give
  std::int64_t last_wall_ns = 0;

  const EvidenceProperty& property(std::string_view name) const {
    return property_of(properties, name);
  }
  int exit_code() const { return exit_code_of(properties); }
};

// `policy` is from outside, and trusted. No key in the bundle counts, and without one of a log in
// the policy no bundle passes. kInvalid where a leaf or the head is malformed.
Result<BundleReport> verify_bundle(const Bundle& bundle, const Policy& policy);

}  // namespace xased
