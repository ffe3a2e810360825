// The keys of a hardware module, as the ledger sees them.
#pragma once

#include <memory>

#include "daemon/ledger/tree/signer.hpp"

namespace xased {

// Any thread; nothing here waits for the module.
class ModuleKeys {
 public:
  virtual ~ModuleKeys() = default;

  // The key that the configuration names. kTimeout: the module has not answered yet.
  virtual Result<std::shared_ptr<Signer>> wanted() const = 0;
  // One that the module holds, whatever it is called there; null: it shows none of them yet.
  virtual std::shared_ptr<Signer> find(const xase::proto::VerifierKey& key) const = 0;
  // Why it does not sign at the moment; ok: it does.
  virtual Status trouble() const = 0;
};

}  // namespace xased
