// The signers of a ledger that are at hand, by their public halves.
#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "daemon/ledger/tree/key_entry.hpp"
#include "daemon/ledger/tree/signer.hpp"

namespace xased {

// Any thread. Which of them sign is not said here: that is in the ledger's KEY entries.
class LedgerKeys {
 public:
  // `name`: of their signature lines, the origin of the ledger's checkpoints.
  explicit LedgerKeys(std::string name) : name_(std::move(name)) {}

  const std::string& name() const { return name_; }
  void add(std::shared_ptr<Signer> signer);
  void remove(const xase::proto::VerifierKey& key);
  // Null: not at hand.
  std::shared_ptr<Signer> find(const xase::proto::VerifierKey& key) const;
  // In the order of `keys`; kNotFound where one is not at hand, or where there are none.
  Result<SignerList> find_all(const KeySet& keys) const;

 private:
  const std::string name_;
  mutable std::mutex mutex_;  // held for a copy
  SignerList signers_;
};

}  // namespace xased
