#include "daemon/evidence/unverified_head.hpp"

#include "daemon/ledger/tree/checkpoint.hpp"

namespace xased {

Result<UnverifiedHead> read_unverified_head(FileSystem& fs, const std::string& tree) {
  const std::string path = tree + "/" + std::string(kCheckpointName);
  const auto bytes = read_file(fs, path, xase::proto::kNoteBytesMax);
  if (!bytes.ok() && bytes.status().code() == Code::kNotFound) return UnverifiedHead{};
  if (!bytes.ok()) return bytes.status();
  UnverifiedHead head;
  head.note = xase::proto::as_text(*bytes);
  const auto note = xase::proto::parse_note(head.note);
  auto checkpoint = note.ok() ? xase::proto::parse_checkpoint(note->text)
                              : xase::proto::Parsed<xase::proto::Checkpoint>(note.fault);
  if (!checkpoint.ok()) {
    return Status(Code::kInvalid,
                  path + " is malformed: " + std::string(note_fault_text(checkpoint.fault)));
  }
  head.checkpoint = std::move(checkpoint.value);
  return head;
}

}  // namespace xased
