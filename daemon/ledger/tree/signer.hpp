// Who signs the ledger: keys in files, and keys in a hardware module.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "daemon/platform/status.hpp"
#include "proto/bytes.hpp"
#include "proto/verifier_key.hpp"

namespace xased {

// sign() from several threads at once. The private half never leaves it.
class Signer {
 public:
  virtual ~Signer() = default;

  // The public half, with the name that its signature lines bear.
  virtual const xase::proto::VerifierKey& verifier_key() const = 0;
  // The signature over `message`, in the form that verifier_key().algorithm asks for. Never waits:
  // kTimeout says that it is being made; the same call made again soon gives it.
  virtual Result<std::vector<std::byte>> sign(xase::proto::Bytes message) = 0;
};

using SignerList = std::vector<std::shared_ptr<Signer>>;
// Those that sign now; an error where one of them is not at hand.
using SignersNow = std::function<Result<SignerList>()>;

}  // namespace xased
