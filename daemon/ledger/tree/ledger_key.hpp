// The key that signs a ledger's checkpoints, and the name that it signs under.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "daemon/ledger/tree/signing_key.hpp"
#include "daemon/platform/file_system.hpp"
#include "proto/bytes.hpp"

namespace xased {

// "host/name/uuid", the uuid made of the log id (RFC 9562, version 8): of no other ledger, and the
// same for this one for ever.
std::string checkpoint_origin(std::string_view configured_origin, const xase::proto::Hash& log_id);

// In `directory`, STATE_DIR/keys: the private half in `log.key`, the public one in `log.vkey`, as
// people pin it. Both are made, durably, where they are not there. What `log.vkey` names stays the
// name of this ledger, also where the configuration changes. kDenied where the key file is open to
// others, kInvalid where a file holds something else: the message says what to do.
Result<std::unique_ptr<Ed25519Key>> open_ledger_key(FileSystem& fs, const std::string& directory,
                                                    std::string_view configured_origin,
                                                    const xase::proto::Hash& log_id);

}  // namespace xased
