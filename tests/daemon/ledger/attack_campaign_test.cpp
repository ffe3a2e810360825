// Every attack of a list, on a ledger of 10,000 entries with epochs, receipts and a gap: what
// verify says of each with the files alone, with the ledger's key pinned, and with a checkpoint
// that was kept elsewhere besides. Prints the table. XASE_CAMPAIGN_ENTRIES sets another size.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "daemon/ledger/tree/sign_note.hpp"
#include "tests/daemon/ledger/sealed_ledger.hpp"
#include "tests/support/sanitized.hpp"

namespace xased {
namespace {

using namespace test;  // NOLINT(google-build-using-namespace)
namespace fs = std::filesystem;

// As verify's exit code has it.
constexpr int kPasses = 0;
constexpr int kRefuted = 1;
constexpr int kNotEstablished = 2;

const char* word_of(int exit_code) {
  switch (exit_code) {
    case kPasses:
      return "passes";
    case kRefuted:
      return "REFUTED";
    case kNotEstablished:
      return "not established";
    default:
      return "malformed";
  }
}

void copy_ledger(const std::string& from, const std::string& to) {
  fs::remove_all(to);
  fs::copy(from, to, fs::copy_options::recursive);
}

std::uint64_t entries_wanted() {
  const char* text = std::getenv("XASE_CAMPAIGN_ENTRIES");
  constexpr std::uint64_t kDefault = xase::test::kSanitized ? 1'000 : 10'000;
  return text == nullptr ? kDefault : std::strtoull(text, nullptr, 10);
}

// All in one, so that an attacker may take it apart, and not much larger than it must be.
std::uint64_t segment_bytes() { return entries_wanted() * 2000; }

// The ledger under attack, made once, and what an attacker may have got hold of.
class Victim {
 public:
  Victim() {
    const std::uint64_t wanted = entries_wanted();
    {
      auto run = ledger.run({}, segment_bytes());
      past_key_ = std::move(*run->keys->load(1));
      fill(*run, wanted / 3);
      run->stop();
    }
    sign_anew(state_dir(), *ledger.key, last_);
    copy_ledger(state_dir(), snapshot());
    snapshot_last = last_;
    {
      auto run = ledger.run({}, segment_bytes());
      fill(*run, wanted);
      run->stop();
    }
    write_text(state_dir() + "/keys/log.vkey", verifier_key_text(*ledger.key) + "\n");
    kept_checkpoint = sign_anew(state_dir(), *ledger.key, last_);
  }

  const std::string& state_dir() const { return ledger.state_dir(); }
  std::string snapshot() const { return other_.path() + "/snapshot"; }
  std::string attacked() const { return other_.path() + "/attacked"; }
  std::uint64_t last() const { return last_; }
  Ed25519Key& past_key() { return *past_key_; }

  SealedLedger ledger;
  std::vector<Written> records;  // of both producers, in turn
  std::vector<std::uint64_t> receipts;
  std::uint64_t gap = 0;
  std::uint64_t snapshot_last = 0;
  std::string kept_checkpoint;  // over the whole, elsewhere

 private:
  void fill(SealedLedger::Run& run, std::uint64_t through) {
    std::array<std::uint64_t, 3> taken{};
    for (const Written& record : records) {
      taken[std::to_integer<std::size_t>(record.ring_id[1])] = record.ring_sequence;
    }
    while (run.last() + 2 < through) {
      for (std::uint8_t ring = 1; ring <= 2; ++ring) {
        records.push_back(run.writer.record(LedgerWriter::ring(ring)));
        taken[ring] = records.back().ring_sequence;
        run.producers = {{LedgerWriter::ring(1), taken[1], gap != 0 ? 3U : 0U},
                         {LedgerWriter::ring(2), taken[2], 0}};
      }
      if (gap == 0 && records.size() > 20) {
        gap = run.writer.refused(LedgerWriter::ring(1), 3);
      }
      // The last records of each run wait for their answers.
      const std::size_t answered = receipts.size();
      if (answered + 20 < records.size()) {
        receipts.push_back(run.writer.receipt(records[answered]));
        receipts.push_back(run.writer.receipt(records[answered + 1]));
      }
    }
    run.writer.sync();
    last_ = run.last() + 2;  // the closing seal, and STOP
  }

  const TempDir other_;
  std::unique_ptr<Ed25519Key> past_key_;
  std::uint64_t last_ = 0;
};

// A copy of the ledger to be changed, in its parts.
class Copy {
 public:
  explicit Copy(Victim& of) : victim(of), state_dir(of.attacked()) {
    copy_ledger(of.state_dir(), state_dir);
    segment.emplace(state_dir, 1);
  }
  std::vector<TakenApart::Piece>& pieces() { return segment->pieces; }
  TakenApart::Piece& entry(std::uint64_t sequence) { return segment->entry(sequence); }
  auto at(std::uint64_t sequence) {
    return pieces().begin() + static_cast<std::ptrdiff_t>(segment->index_of(sequence));
  }
  void put() { segment->put_together(); }
  std::uint64_t size() const {
    return static_cast<std::uint64_t>(
        std::count_if(segment->pieces.begin(), segment->pieces.end(),
                      [](const auto& piece) { return !piece.is_mark; }));
  }
  Victim& victim;
  std::string state_dir;
  std::optional<TakenApart> segment;
};

void edit_decision(TakenApart::Piece& piece) {
  constexpr std::string_view kValue = "approve";
  const auto at = std::search(piece.bytes.begin(), piece.bytes.end(), kValue.begin(), kValue.end(),
                              [](std::byte b, char c) { return std::to_integer<char>(b) == c; });
  ASSERT_NE(at, piece.bytes.end());
  *at = std::byte{'A'};
  piece.reseal();
}

// Another body for an entry that is none of a record.
void set_body(TakenApart::Piece& piece, Bytes body) {
  const auto erasable = *xase::proto::decode_erasable({piece.erasable(), piece.erasable_bytes()});
  ByteBuffer made(xase::proto::kErasableHeaderBytes);
  xase::proto::store(made.data() + 4 * xase::proto::kRestPart,
                     static_cast<std::uint32_t>(body.size()));
  xase::proto::store(made.data() + 16 + 16 * xase::proto::kRestPart,
                     erasable.salts[xase::proto::kRestPart]);
  made.insert(made.end(), body.begin(), body.end());
  ByteBuffer frame(xase::proto::frame_bytes(xase::proto::kLeafBytes, made.size()));
  std::copy_n(piece.bytes.begin(), xase::proto::kFrameHeaderBytes + xase::proto::kLeafBytes,
              frame.begin());
  std::copy(made.begin(), made.end(),
            frame.begin() + xase::proto::kFrameHeaderBytes + xase::proto::kLeafBytes);
  piece.bytes = std::move(frame);
  xase::proto::store(piece.bytes.data() + 12, static_cast<std::uint32_t>(made.size()));
  piece.reseal();
}

ByteBuffer body_of(TakenApart::Piece& piece) {
  const auto erasable = *xase::proto::decode_erasable({piece.erasable(), piece.erasable_bytes()});
  const Bytes body = erasable.parts[xase::proto::kRestPart];
  return {body.begin(), body.end()};
}

// Every KEY entry and every certificate as `signer` would have them, and each epoch a key of the
// attacker's: only who pinned the ledger's key knows better.
void take_over(Copy& copy, Signer& signer) {
  for (TakenApart::Piece& piece : copy.pieces()) {
    if (piece.is_mark) continue;
    const auto leaf = *xase::proto::decode_leaf(piece.leaf_bytes());
    if (leaf.type == EntryType::kKey) {
      set_body(piece, xase::proto::as_bytes(key_entry(signer)));
    } else if (leaf.type == EntryType::kSeal) {
      auto seal = *xase::proto::decode_seal_body(body_of(piece));
      if (seal.event == xase::proto::SealEvent::kOpen) {
        seal.note = *sign_note(xase::proto::epoch_text(signer.verifier_key().name, leaf.log_id,
                                                       seal.epoch, verifier_key_text(signer)),
                               signer);
        set_body(piece, xase::proto::encode(seal));
      }
    }
  }
}

// One pass over all entries as a thorough attacker makes it: numbers and links anew, in every
// answer the hash that its record has now, and the closing seals of `epoch` (0: of all) signed by
// `signer`.
void remake(Copy& copy, std::uint64_t epoch, Signer* signer) {
  std::erase_if(copy.pieces(), [](const auto& piece) { return piece.is_mark; });
  Sha256 sha;
  Hash head{};
  std::uint64_t next = 1;
  std::map<std::uint64_t, std::pair<std::uint64_t, Hash>> moved;
  for (TakenApart::Piece& piece : copy.pieces()) {
    const std::uint64_t was = piece.sequence;
    auto leaf = *xase::proto::decode_leaf(piece.leaf_bytes());
    if (leaf.type == EntryType::kReceipt) {
      ByteBuffer body = body_of(piece);
      auto answer = *xase::proto::decode_receipt_body(body);
      std::tie(answer.record_sequence, answer.record_leaf_hash) = moved[answer.record_sequence];
      set_body(piece, xase::proto::encode(answer));
    } else if (leaf.type == EntryType::kSeal && signer != nullptr) {
      auto seal = *xase::proto::decode_seal_body(body_of(piece));
      if (seal.event == xase::proto::SealEvent::kClose && (epoch == 0 || seal.epoch == epoch)) {
        seal.note = *sign_note(xase::proto::closing_text(signer->verifier_key().name, leaf.log_id,
                                                         seal.epoch, next, head),
                               *signer);
        set_body(piece, xase::proto::encode(seal));
      }
    }
    leaf.sequence = next;
    leaf.previous = head;
    leaf.commitments = xase::proto::commitments(
        sha, *xase::proto::decode_erasable({piece.erasable(), piece.erasable_bytes()}));
    xase::proto::encode_leaf(leaf, piece.leaf());
    xase::proto::store(piece.bytes.data() + 16, next);
    piece.sequence = next++;
    piece.reseal();
    head = xase::proto::leaf_hash(sha, piece.leaf_bytes());
    moved[was] = {piece.sequence, head};
  }
  copy.put();
}

// The same with nothing left that was the ledger's own: KEY entries, certificates, seals, head.
void remake_as_ones_own(Copy& copy, Signer& signer) {
  take_over(copy, signer);
  remake(copy, 0, &signer);
  write_text(copy.state_dir + "/keys/log.vkey", verifier_key_text(signer) + "\n");
  sign_anew(copy.state_dir, signer, copy.size());
}

struct Attack {
  const char* name;
  std::function<void(Copy&)> commit;
  // What verify must say: with the files alone, with the key, and with the kept checkpoint too.
  std::array<int, 3> expected;
};

std::vector<Attack> attacks(Victim& victim) {
  const auto middle = [](Copy& copy) {
    return copy.victim.records[copy.victim.records.size() / 2].sequence;
  };
  const auto thief = [&victim] { return new_key(victim.ledger.key->verifier_key().name); };
  std::vector<Attack> list;
  const auto add = [&](const char* name, std::array<int, 3> expected,
                       std::function<void(Copy&)> commit) {
    list.push_back({name, std::move(commit), expected});
  };
  constexpr std::array<int, 3> kSeen{kRefuted, kRefuted, kRefuted};

  add("edit a payload", kSeen, [=](Copy& copy) {
    edit_decision(copy.entry(middle(copy)));
    copy.put();
  });
  add("edit a leaf", kSeen, [=](Copy& copy) {
    TakenApart::Piece& piece = copy.entry(middle(copy));
    piece.leaf()[144] ^= std::byte{1};
    piece.reseal();
    copy.put();
  });
  add("delete an entry", kSeen, [=](Copy& copy) {
    copy.pieces().erase(copy.at(middle(copy)));
    copy.put();
  });
  add("insert an entry", kSeen, [=](Copy& copy) {
    TakenApart::Piece more = copy.entry(middle(copy));
    more.leaf()[144] ^= std::byte{1};
    more.reseal();
    copy.pieces().insert(copy.at(middle(copy)), more);
    copy.put();
  });
  add("swap two entries", kSeen, [=](Copy& copy) {
    const auto at = copy.at(middle(copy));
    std::iter_swap(at, at + 1);
    copy.put();
  });
  add("duplicate an entry", kSeen, [=](Copy& copy) {
    const TakenApart::Piece more = copy.entry(middle(copy));
    copy.pieces().insert(copy.at(middle(copy)), more);
    copy.put();
  });
  add("truncate the tail", kSeen, [](Copy& copy) {
    copy.pieces().erase(copy.at(copy.victim.last() - 100), copy.pieces().end());
    copy.segment->chain_anew(copy.victim.last());
    copy.put();
  });
  add("truncate the tail, and remove the tree", {kPasses, kNotEstablished, kRefuted},
      [](Copy& copy) {
        copy.pieces().erase(copy.at(copy.victim.last() - 100), copy.pieces().end());
        copy.segment->chain_anew(copy.victim.last());
        copy.put();
        fs::remove_all(copy.state_dir + "/tree");
      });
  add("roll back to a snapshot", {kPasses, kPasses, kRefuted},
      [](Copy& copy) { copy_ledger(copy.victim.snapshot(), copy.state_dir); });
  add("fork after a snapshot, signed with the ledger's key", {kPasses, kPasses, kRefuted},
      [](Copy& copy) {
        copy_ledger(copy.victim.snapshot(), copy.state_dir);
        LedgerWriter writer(copy.state_dir, segment_bytes(), system_file_system(), 77);
        EpochKeys keys(system_file_system(), copy.state_dir + "/keys",
                       copy.victim.ledger.key->verifier_key().name);
        Seals seals(writer.clock(), writer.ledger(), keys,
                    test::signs_alone(*copy.victim.ledger.key), {});
        writer.body(EntryType::kKey, Subject{},
                    xase::proto::as_bytes(key_entry(*copy.victim.ledger.key)));
        seals.begin(writer.recovery.epoch, {});
        while (writer.ledger().state().last_sequence + 2 < copy.victim.last()) {
          (void)writer.record(LedgerWriter::ring(1));
        }
        EXPECT_TRUE(seals.close({}));
        writer.stop();
        sign_anew(copy.state_dir, *copy.victim.ledger.key, copy.victim.last());
      });
  add("hash everything anew to the tip, without a key", kSeen, [=](Copy& copy) {
    edit_decision(copy.entry(middle(copy)));
    remake(copy, 0, nullptr);
  });
  add("the same, and remove the tree and its head", kSeen, [=](Copy& copy) {
    // The closing seal of the epoch is in the chain itself.
    edit_decision(copy.entry(middle(copy)));
    remake(copy, 0, nullptr);
    fs::remove_all(copy.state_dir + "/tree");
  });
  add("the same, signed with a key of one's own", kSeen, [=](Copy& copy) {
    edit_decision(copy.entry(middle(copy)));
    remake(copy, 0, nullptr);
    sign_anew(copy.state_dir, *thief(), copy.size());
  });
  add("the same, signed with a stolen past epoch's key", kSeen, [=](Copy& copy) {
    edit_decision(copy.entry(copy.victim.records[10].sequence));
    remake(copy, 1, &copy.victim.past_key());
    sign_anew(copy.state_dir, copy.victim.past_key(), copy.size());
  });
  add("the same, with the ledger's key, not the epochs'", kSeen, [=](Copy& copy) {
    edit_decision(copy.entry(middle(copy)));
    remake(copy, 0, nullptr);
    sign_anew(copy.state_dir, *copy.victim.ledger.key, copy.size());
  });
  add("the same, and leave the last closing seal out", {kPasses, kNotEstablished, kRefuted},
      [=](Copy& copy) {
        edit_decision(copy.entry(middle(copy)));
        copy.pieces().erase(copy.at(copy.victim.last() - 1), copy.pieces().end());
        remake(copy, 0, nullptr);
        sign_anew(copy.state_dir, *copy.victim.ledger.key, copy.size());
      });
  add("replace it by another ledger of the same origin", {kPasses, kNotEstablished, kRefuted},
      [](Copy& copy) {
        SealedLedger other;
        auto run = other.run({}, segment_bytes());
        run->record(50);
        run->stop();
        write_text(other.state_dir() + "/keys/log.vkey", verifier_key_text(*other.key) + "\n");
        sign_anew(other.state_dir(), *other.key, run->last());
        copy_ledger(other.state_dir(), copy.state_dir);
      });
  add("splice in an entry of another ledger", kSeen, [=](Copy& copy) {
    SealedLedger other;
    auto run = other.run({}, segment_bytes());
    run->record(5);
    run->stop();
    TakenApart segment(other.state_dir(), 1);
    copy.entry(middle(copy)).bytes = segment.entry(run->last() - 3).bytes;
    copy.put();
  });
  add("strip the signatures", kSeen, [](Copy& copy) {
    const std::string path = checkpoint_path(copy.state_dir);
    const std::string note = read_text(path);
    write_text(path, note.substr(0, note.rfind("\n\n") + 2));
  });
  add("downgrade the key's algorithm", {kPasses, kRefuted, kRefuted}, [](Copy& copy) {
    // KEY entries that name an algorithm which no verifier knows, and a head that such a key
    // signed.
    auto key = copy.victim.ledger.key->verifier_key();
    Sha256 sha;
    std::string text = xase::proto::format_verifier_key(sha, key);
    for (TakenApart::Piece& piece : copy.pieces()) {
      if (piece.is_mark || xase::proto::decode_leaf(piece.leaf_bytes())->type != EntryType::kKey) {
        continue;
      }
      std::string weak = text;
      weak.replace(key.name.size() + 10, 2, "/w");  // behind name and id: algorithm 0xff
      set_body(piece,
               xase::proto::as_bytes(R"({"event":"in_use","verifier_key":")" + weak + "\"}"));
    }
    const auto own = new_key(key.name);
    remake(copy, 0, nullptr);
    sign_anew(copy.state_dir, *own, copy.size());
  });
  add("backdate an entry", kSeen, [=](Copy& copy) {
    TakenApart::Piece& piece = copy.entry(middle(copy));
    auto leaf = *xase::proto::decode_leaf(piece.leaf_bytes());
    leaf.wall_ns -= 86'400'000'000'000;
    xase::proto::encode_leaf(leaf, piece.leaf());
    piece.reseal();
    copy.put();
  });
  add("backdate an entry, with all keys new", {kPasses, kNotEstablished, kRefuted},
      [=](Copy& copy) {
        TakenApart::Piece& piece = copy.entry(copy.victim.records[5].sequence);
        auto leaf = *xase::proto::decode_leaf(piece.leaf_bytes());
        leaf.wall_ns -= 86'400'000'000'000;
        xase::proto::encode_leaf(leaf, piece.leaf());
        const auto own = thief();
        remake_as_ones_own(copy, *own);
      });
  add("drop a gap entry, with all keys new", kSeen, [=](Copy& copy) {
    copy.pieces().erase(copy.at(copy.victim.gap));
    const auto own = thief();
    remake_as_ones_own(copy, *own);
  });
  add("hide a producer's records, with all keys new", kSeen, [=](Copy& copy) {
    std::erase_if(copy.pieces(), [](TakenApart::Piece& piece) {
      return !piece.is_mark &&
             xase::proto::decode_leaf(piece.leaf_bytes())->ring_id == LedgerWriter::ring(2);
    });
    const auto own = thief();
    remake_as_ones_own(copy, *own);
  });
  add("swap two receipts, with all keys new", kSeen, [=](Copy& copy) {
    TakenApart::Piece& one = copy.entry(copy.victim.receipts[4]);
    TakenApart::Piece& two = copy.entry(copy.victim.receipts[7]);
    const ByteBuffer body = body_of(one);
    set_body(one, body_of(two));
    set_body(two, body);
    const auto own = thief();
    remake_as_ones_own(copy, *own);
  });
  add("claim VERIFIED with a key of one's own for all", {kPasses, kNotEstablished, kRefuted},
      [=](Copy& copy) {
        edit_decision(copy.entry(middle(copy)));
        const auto own = thief();
        remake_as_ones_own(copy, *own);
      });
  return list;
}

VerifyReport verify(const std::string& state_dir, const VerifyOptions& options) {
  auto report = verify_ledger(system_file_system(), state_dir, options);
  if (!report.ok()) {
    ADD_FAILURE() << report.status().message();
    return {};
  }
  return std::move(*report);
}

// What names it: the first property that refutes or, failing that, that is asked for and open.
std::string named_by(const VerifyReport& report) {
  for (const VerifyVerdict verdict : {VerifyVerdict::kRefuted, VerifyVerdict::kNotEstablished}) {
    for (const VerifyPropertyReport& property : report.properties) {
      if (property.verdict != verdict) continue;
      if (verdict == VerifyVerdict::kNotEstablished && !property.required) continue;
      std::string name(verify_property_name(property.property));
      if (property.first_bad_sequence != 0) {
        name += " at " + std::to_string(property.first_bad_sequence);
      }
      return name;
    }
  }
  return "-";
}

TEST(AttackCampaign, EachIsDetectedAndNamedByWhoKnowsEnough) {
  Victim victim;
  VerifyOptions alone;
  alone.patience = std::chrono::milliseconds(0);
  VerifyOptions pinned = alone;
  pinned.keys = {victim.ledger.key->verifier_key()};
  VerifyOptions kept = pinned;
  kept.earlier.push_back({"kept", victim.kept_checkpoint});
  for (const VerifyOptions& options : {alone, pinned, kept}) {
    const VerifyReport sound = verify(victim.state_dir(), options);
    ASSERT_EQ(sound.exit_code(), kPasses) << named_by(sound);
  }
  std::printf("%llu entries\n%-55s %-16s %-16s %-16s %s\n",
              static_cast<unsigned long long>(victim.last()), "attack", "files alone", "key pinned",
              "and checkpoint", "named (key and checkpoint)");
  for (const Attack& attack : attacks(victim)) {
    SCOPED_TRACE(attack.name);
    {
      Copy copy(victim);
      attack.commit(copy);
    }
    const std::array<VerifyReport, 3> reports{verify(victim.attacked(), alone),
                                              verify(victim.attacked(), pinned),
                                              verify(victim.attacked(), kept)};
    std::printf("%-55s %-16s %-16s %-16s %s\n", attack.name, word_of(reports[0].exit_code()),
                word_of(reports[1].exit_code()), word_of(reports[2].exit_code()),
                named_by(reports[2]).c_str());
    for (std::size_t i = 0; i < reports.size(); ++i) {
      EXPECT_EQ(reports[i].exit_code(), attack.expected[i])
          << "column " << i << ", by " << named_by(reports[i]);
    }
  }
}

}  // namespace
}  // namespace xased
