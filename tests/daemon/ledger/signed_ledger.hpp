// A ledger with its tree and a signed head, as a daemon leaves it; and what attackers can do.
#pragma once

#include <algorithm>
#include <array>
#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "daemon/ledger/journal_reader.hpp"
#include "daemon/ledger/tree/checkpoint.hpp"
#include "daemon/ledger/tree/ledger_key.hpp"
#include "daemon/ledger/tree/signing_key.hpp"
#include "daemon/ledger/tree/tile_writer.hpp"
#include "daemon/ledger/verify.hpp"
#include "tests/daemon/ledger/written_ledger.hpp"

namespace xased::test {

inline std::unique_ptr<Ed25519Key> new_key(const std::string& name) {
  auto key = Ed25519Key::generate(name);
  if (!key.ok()) std::abort();
  return std::move(*key);
}

inline std::string verifier_key_text(Signer& signer) {
  Sha256 sha;
  return xase::proto::format_verifier_key(sha, signer.verifier_key());
}

inline std::string read_text(const std::string& path) {
  const ByteBuffer bytes = read_bytes(path);
  return std::string(xase::proto::as_text(bytes));
}

inline std::string checkpoint_path(const std::string& state_dir) {
  return state_dir + "/tree/checkpoint";
}

// Grows STATE_DIR/tree behind the journal, and signs.
class TreeOf {
 public:
  explicit TreeOf(std::string state_dir)
      : directory_(state_dir + "/tree"), reader_(system_file_system(), state_dir + "/journal") {
    auto opened = TileWriter::open(system_file_system(), directory_, 0, Hash{});
    EXPECT_TRUE(opened.ok());
    writer_ = std::move(opened->writer);
    const Status status = reader_.seek(1);
    EXPECT_TRUE(status.ok()) << status.message();
  }

  void take(std::uint64_t through) {
    while (writer_->size() < through) {
      const auto step = reader_.next(through);
      if (!step.ok() || *step != JournalReader::Step::kEntry) {
        ADD_FAILURE() << "entry " << writer_->size() + 1 << " cannot be read";
        return;
      }
      Sha256 sha;
      const Entry& entry = reader_.entry();
      const Status status = writer_->append(entry.leaf.sequence, entry.leaf_bytes,
                                            xase::proto::leaf_hash(sha, entry.leaf_bytes));
      ASSERT_TRUE(status.ok()) << status.message();
    }
  }

  // The new head.
  std::string sign(Signer& signer, Signer* also = nullptr) {
    Status status = writer_->publish();
    EXPECT_TRUE(status.ok()) << status.message();
    std::vector<Signer*> signers{&signer};
    if (also != nullptr) signers.push_back(also);
    auto note =
        sign_checkpoint({signer.verifier_key().name, writer_->size(), writer_->root()}, signers);
    EXPECT_TRUE(note.ok());
    status = write_checkpoint(system_file_system(), directory_, *note);
    EXPECT_TRUE(status.ok()) << status.message();
    (void)writer_->remove_superseded();
    return *note;
  }

 private:
  std::string directory_;
  JournalReader reader_;
  std::unique_ptr<TileWriter> writer_;
};

// The whole tree anew over the first `size` entries; gives the head.
inline std::string sign_anew(const std::string& state_dir, Signer& signer, std::uint64_t size,
                             Signer* also = nullptr) {
  std::filesystem::remove_all(state_dir + "/tree");
  TreeOf tree(state_dir);
  tree.take(size);
  return tree.sign(signer, also);
}

// The signer outlives what is given.
inline std::shared_ptr<Signer> shared(Signer& signer) {
  return std::shared_ptr<Signer>(std::shared_ptr<void>(), &signer);
}
inline SignersNow signs_alone(Signer& signer) {
  return [&signer]() -> Result<SignerList> { return SignerList{shared(signer)}; };
}

inline std::string key_entry(Signer& signer) {
  return R"({"event":"in_use","verifier_key":")" + verifier_key_text(signer) + "\"}";
}

inline void write_text(const std::string& path, const std::string& text) {
  write_bytes(path, xase::proto::as_bytes(text));
}

// Sixteen records of one producer, each but the last four with an answer, all covered by a head
// that `key` signed. Entry 2 is KEY.
struct SignedLedger {
  explicit SignedLedger(std::uint64_t seed = 1, std::uint64_t segment_bytes = 64U << 10) {
    LedgerWriter writer(dir.path(), segment_bytes, system_file_system(), seed);
    key = new_key(checkpoint_origin("host.test/ledger", writer.ledger().state().log_id));
    std::filesystem::create_directories(dir.path() + "/keys");
    write_text(dir.path() + "/keys/log.vkey", verifier_key_text(*key) + "\n");
    writer.body(EntryType::kKey, Subject{}, xase::proto::as_bytes(key_entry(*key)));
    for (int i = 0; i < 16; ++i) records.push_back(writer.record(LedgerWriter::ring(1)));
    for (std::size_t i = 0; i < 12; ++i) writer.receipt(records[i]);
    writer.stop();
    size = writer.ledger().state().last_sequence;
    head = sign_anew(dir.path(), *key, size);
  }

  // More entries, as after a restart; not yet signed. Gives the last sequence. Another seed makes
  // others of them.
  static std::uint64_t grow(const std::string& state_dir, int records_more,
                            std::uint64_t seed = 1) {
    LedgerWriter writer(state_dir, 64U << 10, system_file_system(), seed);
    for (int i = 0; i < records_more; ++i) (void)writer.record(LedgerWriter::ring(1));
    writer.stop();
    return writer.ledger().state().last_sequence;
  }

  // Changes what `victim` decided, and chains everything anew from there to the end: what someone
  // can do who has all files and no key.
  static void forge(const std::string& state_dir, std::uint64_t victim) {
    TakenApart segment(state_dir, 1);
    auto& piece = segment.entry(victim);
    constexpr std::string_view kValue = "approve";
    const auto at =
        std::search(piece.bytes.begin(), piece.bytes.end(), kValue.begin(), kValue.end(),
                    [](std::byte b, char c) { return std::to_integer<char>(b) == c; });
    ASSERT_NE(at, piece.bytes.end());
    *at = std::byte{'A'};
    segment.chain_anew(victim);
    segment.put_together();
  }
  // A record without an answer: no receipt contradicts what is made of it.
  std::uint64_t victim() const { return records[13].sequence; }

  const TempDir dir;
  std::unique_ptr<Ed25519Key> key;
  std::vector<Written> records;
  std::uint64_t size = 0;
  std::string head;
};

}  // namespace xased::test
