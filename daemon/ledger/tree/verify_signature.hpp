// Checks of note signatures, by OpenSSL.
#pragma once

#include "daemon/platform/status.hpp"
#include "proto/bytes.hpp"
#include "proto/verifier_key.hpp"

namespace xased {

// Whether `signature` is one of `key` over `message`: Ed25519 (RFC 8032), or ECDSA over the SHA-256
// (FIPS 186-4) in DER. kCorrupt where it is not, kInvalid where the key itself is none, as when its
// point is not on the curve. Any thread.
Status verify_signature(const xase::proto::VerifierKey& key, xase::proto::Bytes message,
                        xase::proto::Bytes signature);

}  // namespace xased
