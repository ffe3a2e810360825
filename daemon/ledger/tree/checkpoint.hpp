// The signed head of the ledger: the file `checkpoint` beside `tile/`, a C2SP signed note whose
// text is a C2SP tlog-checkpoint.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/ledger/tree/signer.hpp"
#include "daemon/platform/file_system.hpp"
#include "proto/checkpoint.hpp"

namespace xased {

inline constexpr std::string_view kCheckpointName = "checkpoint";

// The note, with one line of each signer, in their order; there must be 1 to 16. All of them sign
// or there is no note.
Result<std::string> sign_checkpoint(const xase::proto::Checkpoint& checkpoint,
                                    std::span<Signer* const> signers);

// Puts the note into `directory`; after success it survives power loss, and before that the one
// that was there does. Only for a tree whose TileWriter::publish() succeeded.
Status write_checkpoint(FileSystem& fs, const std::string& directory, std::string_view note);

struct OpenedCheckpoint {
  xase::proto::Checkpoint checkpoint;
  std::string note;                                 // as it was read
  std::vector<xase::proto::VerifierKey> signed_by;  // of the keys that were asked for, at least one
  std::size_t unknown_signatures = 0;               // of keys that were not
};

// What `note` says, once one of `keys` has signed it. kInvalid where it is malformed, kCorrupt
// where a signature of one of `keys` does not verify (even if another one does), kDenied where none
// of them has signed.
Result<OpenedCheckpoint> open_checkpoint(std::string_view note,
                                         std::span<const xase::proto::VerifierKey> keys);

// The same for the file in `directory`; kNotFound where there is none.
Result<OpenedCheckpoint> read_checkpoint(FileSystem& fs, const std::string& directory,
                                         std::span<const xase::proto::VerifierKey> keys);

}  // namespace xased
