// A ledger whose KEY entries and heads a test writes as it likes.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "daemon/ledger/tree/key_entry.hpp"
#include "daemon/ledger/tree/sign_note.hpp"
#include "tests/daemon/ledger/signed_ledger.hpp"
#include "tests/support/p256_key.hpp"

namespace xased::test {

using Signers = std::vector<Signer*>;

inline KeySet keys_of(const Signers& signers) {
  KeySet keys;
  for (Signer* signer : signers) keys.push_back(signer->verifier_key());
  return keys;
}

class KeyedLedger {
 public:
  explicit KeyedLedger(std::uint64_t segment_bytes = 64U << 10)
      : writer(dir.path(), segment_bytes) {
    name = checkpoint_origin("host.test/ledger", writer.ledger().state().log_id);
    file = new_key(name);
    other = new_key(name);
    module = std::make_unique<P256Key>(name);
  }

  std::uint64_t key(KeyEvent event, const Signers& signers) {
    return append({event, keys_of(signers), {}});
  }
  // `by` signs, all of the old and the new ones where the change is an honest one.
  std::uint64_t change(const Signers& old_signers, const Signers& new_signers, const Signers& by) {
    return append(
        {KeyEvent::kChanged, keys_of(new_signers), *sign_note(text(old_signers, new_signers), by)});
  }
  std::string text(const Signers& old_signers, const Signers& new_signers) {
    xase::proto::KeyChange change;
    change.origin = name;
    change.log_id = writer.ledger().state().log_id;
    change.before_sequence = last_key;
    change.before_previous = last_previous;
    change.old_keys = key_texts(keys_of(old_signers));
    change.new_keys = key_texts(keys_of(new_signers));
    return key_change_text(change);
  }
  std::uint64_t append(const KeyEntry& entry) {
    const Hash previous = writer.ledger().state().head;
    const std::string body = format_key_entry(entry);
    last_key = writer.body(EntryType::kKey, Subject{}, xase::proto::as_bytes(body));
    last_previous = previous;
    return last_key;
  }
  std::uint64_t records(int count) {
    for (int i = 0; i < count; ++i) (void)writer.record(LedgerWriter::ring(1));
    return writer.ledger().state().last_sequence;
  }
  // A head over everything there is.
  std::string sign(const Signers& signers) {
    writer.sync();
    std::filesystem::remove_all(dir.path() + "/tree");
    TreeOf tree(dir.path());
    tree.take(writer.ledger().state().last_sequence);
    return tree.sign(*signers.front(), signers.size() > 1 ? signers[1] : nullptr);
  }
  VerifyReport verify(const Signers& pinned, const std::string& earlier = {}) {
    writer.sync();
    VerifyOptions options;
    options.keys = keys_of(pinned);
    if (!earlier.empty()) options.earlier.push_back({"earlier", earlier});
    auto report = verify_ledger(system_file_system(), dir.path(), options);
    EXPECT_TRUE(report.ok()) << report.status().message();
    return report.ok() ? std::move(*report) : VerifyReport{};
  }

  const TempDir dir;
  LedgerWriter writer;
  std::string name;
  std::unique_ptr<Ed25519Key> file;
  std::unique_ptr<Ed25519Key> other;
  std::unique_ptr<P256Key> module;
  std::uint64_t last_key = 0;
  Hash last_previous{};
};

}  // namespace xased::test
