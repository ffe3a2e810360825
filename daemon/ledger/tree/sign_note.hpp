// Signed notes (C2SP signed-note).
#pragma once

#include <span>
#include <string>

#include "daemon/ledger/tree/signer.hpp"
#include "proto/note.hpp"

namespace xased {

// `text`: whole lines. One signature of each signer, in their order; all of them sign or there is
// no note. The signers' thread.
Result<std::string> sign_note(std::string text, std::span<Signer* const> signers);
Result<std::string> sign_note(std::string text, Signer& signer);

}  // namespace xased
