// KEY entries that retention removed from the journal, and that are kept beside the tree.
#include "daemon/ledger/tree/kept_keys.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "tests/daemon/ledger/keyed_ledger.hpp"

namespace xased {
namespace {

using test::KeyedLedger;
using test::Signers;
using Verdict = VerifyVerdict;
using xase::proto::EntryType;

class KeptKeys : public testing::Test {
 protected:
  Signer* file() { return ledger_.file.get(); }
  Signer* other() { return ledger_.other.get(); }
  std::string tree() const { return ledger_.dir.path() + "/tree"; }

  // The file's key, and then the other one's, with a start behind.
  void change() {
    ledger_.key(KeyEvent::kInUse, {file()});
    ledger_.records(40);
    ledger_.change({file()}, {other()}, {file(), other()});
    ledger_.records(40);
    ledger_.key(KeyEvent::kInUse, {other()});
    ledger_.records(60);
  }
  // Under a head of the other one's, with the journal gone up to behind the last KEY entry there is
  // by now, and with what is behind it then.
  void remove(bool has_key_behind = false) {
    remove({other()}, [&] {
      if (has_key_behind) ledger_.key(KeyEvent::kInUse, {other()});
    });
  }
  void remove(const Signers& by, const std::function<void()>& append_behind) {
    const std::uint64_t last_key = ledger_.last_key;
    ledger_.writer.sync();
    std::uint64_t first = 0;
    for (const std::uint64_t each : test::segments_of(ledger_.dir.path())) {
      if (first == 0 && each > last_key) first = each;
    }
    ASSERT_NE(first, 0U);
    const test::ByteBuffer next = test::read_bytes(test::segment_path(ledger_.dir.path(), first));
    xase::proto::EraseBody body;
    body.first_sequence = 1;
    body.last_sequence = first - 1;
    body.last_leaf_hash = xase::proto::decode_segment_header(next).header.previous;
    ledger_.writer.body(EntryType::kErase, Subject{}, xase::proto::encode(body));
    append_behind();
    ledger_.sign(by);
    keep();
    for (const std::uint64_t each : test::segments_of(ledger_.dir.path())) {
      if (each < first) std::filesystem::remove(test::segment_path(ledger_.dir.path(), each));
    }
  }
  void keep() {
    JournalReader reader(system_file_system(), ledger_.dir.path() + "/journal");
    ASSERT_TRUE(reader.seek(1).ok());
    const std::uint64_t last = ledger_.writer.ledger().state().last_sequence;
    for (auto step = reader.next(last); *step == JournalReader::Step::kEntry;
         step = reader.next(last)) {
      const Entry& entry = reader.entry();
      if (entry.leaf.type != EntryType::kKey) continue;
      ASSERT_TRUE(keep_key(system_file_system(), tree(), entry.leaf.sequence, entry.leaf_bytes,
                           entry.erasable_bytes)
                      .ok());
    }
  }
  // The head that there is, by another.
  void resign(Signer& signer) {
    const auto note =
        xase::proto::parse_note(test::read_text(test::checkpoint_path(ledger_.dir.path())));
    ASSERT_TRUE(note.ok());
    const auto head = xase::proto::parse_checkpoint(note->text);
    ASSERT_TRUE(head.ok());
    const auto made = sign_checkpoint(*head, std::vector<Signer*>{&signer});
    ASSERT_TRUE(made.ok());
    ASSERT_TRUE(write_checkpoint(system_file_system(), tree(), *made).ok());
  }
  std::vector<std::string> files() const {
    std::vector<std::string> paths;
    for (const auto& file : std::filesystem::directory_iterator(tree() + "/keys")) {
      paths.push_back(file.path());
    }
    std::sort(paths.begin(), paths.end());
    return paths;
  }
  Verdict signer(const Signers& pinned) {
    const VerifyReport report = ledger_.verify(pinned);
    EXPECT_FALSE(report.exit_code() == 1) << report.property(VerifyProperty::kSigner).text;
    return report.property(VerifyProperty::kSigner).verdict;
  }

  KeyedLedger ledger_{16U << 10};
};

TEST_F(KeptKeys, LinkWhatSignsWithAKeyThatWasPinnedBeforeTheChange) {
  change();
  remove();
  ASSERT_EQ(files().size(), 3U);
  for (const Signers& pinned : {Signers{file()}, Signers{other()}, Signers{file(), other()}}) {
    EXPECT_EQ(signer(pinned), Verdict::kProven);
    EXPECT_EQ(ledger_.verify(pinned).exit_code(), 0);
  }
  // Also without a pinned one: that a KEY entry names who signed.
  EXPECT_EQ(ledger_.verify({}).property(VerifyProperty::kCheckpoint).verdict, Verdict::kProven);
  // A later change might have put another one in the place of either.
  std::filesystem::remove_all(tree() + "/keys");
  EXPECT_EQ(signer({file()}), Verdict::kNotEstablished);
  EXPECT_EQ(signer({other()}), Verdict::kNotEstablished);
}

TEST_F(KeptKeys, GoOnInTheJournal) {
  change();
  remove(true);
  EXPECT_EQ(signer({file()}), Verdict::kProven);
  EXPECT_EQ(signer({other()}), Verdict::kProven);
}

TEST_F(KeptKeys, ThatLackRefuteNothing) {
  change();
  remove(true);
  const std::vector<std::string> all = files();
  ASSERT_EQ(all.size(), 4U);
  for (std::size_t lacks = 0; lacks < all.size(); ++lacks) {
    SCOPED_TRACE(lacks);
    std::filesystem::rename(all[lacks], ledger_.dir.path() + "/away");
    const bool is_change = lacks == 1;
    EXPECT_EQ(signer({file()}), is_change ? Verdict::kNotEstablished : Verdict::kProven);
    EXPECT_EQ(signer({other()}), Verdict::kProven);
    std::filesystem::rename(ledger_.dir.path() + "/away", all[lacks]);
  }
}

// Two sign, and the entry that says that one of them changed lacks: neither that the head lacks the
// old one's line, nor an entry of the journal that follows from the new ones, is anybody's doing.
class KeptKeysOfTwo : public KeptKeys, public testing::WithParamInterface<bool> {};

TEST_P(KeptKeysOfTwo, RefuteNothingWhereTheChangeLacks) {
  const bool has_keys_behind = GetParam();
  const Signers before{file(), ledger_.module.get()};
  const Signers after{file(), other()};
  ledger_.key(KeyEvent::kInUse, before);
  ledger_.records(40);
  ledger_.change(before, after, {file(), other(), ledger_.module.get()});
  ledger_.records(60);
  remove(after, [&] {
    if (!has_keys_behind) return;
    ledger_.key(KeyEvent::kAway, {file()});
    ledger_.key(KeyEvent::kInUse, after);
  });
  EXPECT_EQ(signer({file()}), Verdict::kProven);
  std::filesystem::remove(files().at(1));
  EXPECT_EQ(signer({other()}), has_keys_behind ? Verdict::kProven : Verdict::kNotEstablished);
  EXPECT_NE(signer({file()}), Verdict::kRefuted);
}

INSTANTIATE_TEST_SUITE_P(Behind, KeptKeysOfTwo, testing::Bool());

TEST_F(KeptKeys, ThatAreDamagedRefuteNothing) {
  change();
  remove(true);
  for (const std::string& path : files()) {
    const test::ByteBuffer whole = test::read_bytes(path);
    for (std::size_t at = 0; at < whole.size(); at += 5) {
      test::ByteBuffer bytes = whole;
      bytes[at] ^= std::byte{4};
      test::write_bytes(path, bytes);
      const Verdict verdict = signer({file()});
      ASSERT_TRUE(verdict == Verdict::kProven || verdict == Verdict::kNotEstablished);
      ASSERT_EQ(signer({other()}), Verdict::kProven) << at;
    }
    test::write_bytes(path, xase::proto::Bytes(whole).first(whole.size() / 2));
    EXPECT_EQ(signer({other()}), Verdict::kProven);
    test::write_bytes(path, whole);
  }
  EXPECT_EQ(signer({file()}), Verdict::kProven);
}

TEST_F(KeptKeys, OfAnotherLedgerSayNothing) {
  change();
  remove();
  KeyedLedger another;
  another.key(KeyEvent::kInUse, {file()});
  const std::string path = files().at(0);
  const std::uint64_t first = list_kept_keys(system_file_system(), tree())->front();
  another.writer.sync();
  JournalReader reader(system_file_system(), another.dir.path() + "/journal");
  ASSERT_TRUE(reader.seek(another.last_key).ok());
  ASSERT_EQ(*reader.next(another.last_key), JournalReader::Step::kEntry);
  ASSERT_EQ(first, another.last_key) << "in the same place";
  ASSERT_TRUE(keep_key(system_file_system(), tree(), first, reader.entry().leaf_bytes,
                       reader.entry().erasable_bytes)
                  .ok());
  ASSERT_TRUE(read_kept_key(system_file_system(), tree(), first).ok()) << "sound in itself";
  std::filesystem::remove(files().at(1));
  EXPECT_EQ(signer({file()}), Verdict::kNotEstablished);
}

// The old key signs once more, and what is kept of its change is taken away: the tree tells.
TEST_F(KeptKeys, ThatAreTakenAwayLetNoOldKeySign) {
  change();
  remove();
  const std::vector<std::string> all = files();
  std::filesystem::remove(all[2]);
  EXPECT_EQ(signer({other()}), Verdict::kNotEstablished) << "another may have come behind it";
  std::filesystem::remove(all[1]);
  resign(*file());
  EXPECT_EQ(signer({file()}), Verdict::kNotEstablished);
}

// Who has not the pinned key makes all anew: the entries are in the signed tree, and link nothing.
TEST_F(KeptKeys, OfWhoLacksThePinnedKeyLinkNothing) {
  ledger_.key(KeyEvent::kInUse, {file()});
  ledger_.records(40);
  ledger_.change({file()}, {other()}, {other()});
  ledger_.records(40);
  ledger_.key(KeyEvent::kInUse, {other()});
  ledger_.records(60);
  remove(true);
  EXPECT_EQ(signer({file()}), Verdict::kNotEstablished);
  EXPECT_EQ(signer({other()}), Verdict::kProven);
}

}  // namespace
}  // namespace xased
