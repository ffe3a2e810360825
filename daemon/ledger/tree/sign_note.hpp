// Signed notes (C2SP signed-note) with one signature.
#pragma once

#include <string>

#include "daemon/ledger/tree/signer.hpp"
#include "proto/note.hpp"

namespace xased {

// `text`: whole lines. The signer's thread.
Result<std::string> sign_note(std::string text, Signer& signer);

}  // namespace xased
