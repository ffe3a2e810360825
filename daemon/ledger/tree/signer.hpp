// Who signs checkpoints: a key in a file today, one in a hardware module another day.
#pragma once

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
  // The signature over `message`, in the form that verifier_key().algorithm asks for.
  virtual Result<std::vector<std::byte>> sign(xase::proto::Bytes message) = 0;
};

}  // namespace xased
