#include "daemon/delivery/anchor.hpp"

#include "daemon/delivery/canonical_json.hpp"
#include "daemon/delivery/request_body.hpp"
#include "daemon/delivery/service_hash.hpp"
#include "daemon/ledger/tree/checkpoint.hpp"
#include "daemon/ledger/tree/tile_reader.hpp"
#include "daemon/platform/sha256.hpp"
#include "proto/base64.hpp"
#include "proto/leaf.hpp"
#include "proto/note.hpp"

namespace xased {

using xase::proto::Bytes;
using xase::proto::Hash;

namespace {

constexpr std::size_t kKeyBytes = 16;

std::string body_of(const std::string& note, const xase::proto::Checkpoint& head,
                    const Hash& log_id, const Hash& leaf_hash) {
  std::string body = R"({"context":{")" + std::string(kLedgerMember) + R"(":{"leaf_hash":")" +
                     hex(leaf_hash) + R"(","log_id":")" + hex(log_id) + R"(","sequence":)";
  append_canonical_number(static_cast<double>(head.size), body);
  body += R"(}},"input":{"checkpoint":)";
  append_canonical_string(note, body);
  body += R"(},"output":{"root":)";
  append_canonical_string(xase::proto::encode_base64(head.root), body);
  body += R"(,"size":)";
  append_canonical_number(static_cast<double>(head.size), body);
  body += R"(},"policyId":")" + std::string(kAnchorPolicy) + "\"}";
  return body;
}

}  // namespace

Result<Anchor> make_anchor(FileSystem& fs, const std::string& state_dir) {
  const std::string tree = state_dir + "/tree";
  const auto bytes =
      read_file(fs, tree + "/" + std::string(kCheckpointName), xase::proto::kNoteBytesMax);
  if (!bytes.ok()) return bytes.status();
  const std::string note(xase::proto::as_text(*bytes));
  const auto parsed = xase::proto::parse_note(note);
  if (!parsed.ok()) return Status(Code::kCorrupt, "the checkpoint is no signed note");
  const auto head = xase::proto::parse_checkpoint(parsed->text);
  if (!head.ok()) return Status(Code::kCorrupt, "the checkpoint's note is none of a head");
  if (head->size == 0) return Status(Code::kNotFound, "the head covers no entry yet");
  TileReader tiles(fs, tree, head->size, head->root);
  const auto last = tiles.leaf(head->size);
  if (!last.ok()) return last.status();
  const auto leaf = xase::proto::decode_leaf(last->leaf);
  if (!leaf) return Status(Code::kCorrupt, "the head's last entry is no leaf");
  Sha256 sha;
  Anchor anchor;
  anchor.size = head->size;
  anchor.root = head->root;
  anchor.note = note;
  auto request = std::make_shared<Request>();
  request->body = body_of(note, *head, leaf->log_id, last->leaf_hash);
  const Hash note_hash = sha.of(xase::proto::as_bytes(note));
  request->idempotency_key = hex(Bytes(note_hash).first(kKeyBytes));
  anchor.request = std::move(request);
  return anchor;
}

std::optional<Hash> anchor_record_hash(const std::string& note, const Hash& log_id,
                                       const Hash& leaf_hash, const std::optional<Hash>& previous) {
  const auto parsed = xase::proto::parse_note(note);
  if (!parsed.ok()) return std::nullopt;
  const auto head = xase::proto::parse_checkpoint(parsed->text);
  if (!head.ok()) return std::nullopt;
  ServiceHasher hasher;
  const auto hashes = hasher.of_body(body_of(note, *head, log_id, leaf_hash));
  return hashes ? std::optional(hasher.record_hash(previous, *hashes)) : std::nullopt;
}

}  // namespace xased
