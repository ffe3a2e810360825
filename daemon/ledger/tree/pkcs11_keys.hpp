// A hardware module's keys, reached by a thread of their own: whatever the module does, nobody else
// waits for it.
#pragma once

#include <memory>
#include <string>

#include "daemon/ledger/tree/module_keys.hpp"
#include "daemon/ledger/tree/pkcs11_module.hpp"

namespace xased {

// The thread loads the module, logs in, and signs what is asked for. Where that fails it begins
// anew, with pauses that double up to ten seconds, for as long as it takes; but a PIN that the
// token refused is not tried again until its file holds another one.
class Pkcs11Keys final : public ModuleKeys {
 public:
  // `name`: of the signature lines.
  Pkcs11Keys(Pkcs11Options options, std::string name);
  // Ends the thread, or leaves it behind where the module holds it up.
  ~Pkcs11Keys() override;
  Pkcs11Keys(const Pkcs11Keys&) = delete;
  Pkcs11Keys& operator=(const Pkcs11Keys&) = delete;

  Result<std::shared_ptr<Signer>> wanted() const override;
  std::shared_ptr<Signer> find(const xase::proto::VerifierKey& key) const override;
  // kTimeout: it has not answered yet.
  Status trouble() const override;

 private:
  class Worker;
  const std::shared_ptr<Worker> worker_;
};

}  // namespace xased
