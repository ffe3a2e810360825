// Real ledgers for tests: written by the ledger's own code, then looked at or tampered with.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "daemon/ledger/ledger.hpp"
#include "daemon/ledger/segment_names.hpp"
#include "daemon/platform/sha256.hpp"
#include "proto/entry_body.hpp"
#include "proto/erase_body.hpp"
#include "proto/frame.hpp"
#include "proto/hashing.hpp"
#include "proto/run_dir.hpp"

namespace xased::test {

using xase::proto::Bytes;
using xase::proto::EntryType;
using xase::proto::Hash;
using xase::proto::Id;
using ByteBuffer = std::vector<std::byte>;

// A directory that is gone at the end of its life.
class TempDir {
 public:
  TempDir() {
    std::string name = (std::filesystem::temp_directory_path() / "xased-ledger-XXXXXX").string();
    if (mkdtemp(name.data()) == nullptr) std::abort();
    path_ = name;
  }
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;
  ~TempDir() { std::filesystem::remove_all(path_); }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

class SteppingClock : public Clock {
 public:
  std::int64_t wall_ns() const override { return 1'700'000'000'000'000'000 + (now_ += 1'000'000); }
  std::int64_t boot_ns() const override { return now_ += 1'000'000; }
  Id boot_id() const override { return Id{std::byte{0xb0}}; }

 private:
  mutable std::atomic<std::int64_t> now_{0};
};

class SeededRandom : public Random {
 public:
  explicit SeededRandom(std::uint64_t seed) : engine_(seed) {}
  void fill(std::span<std::byte> bytes) override {
    for (std::byte& b : bytes) b = static_cast<std::byte>(engine_());
  }

 private:
  std::mt19937_64 engine_;
};

// A record's place in the ledger, for its answers.
struct Written {
  std::uint64_t sequence = 0;
  Hash hash{};
  Id ring_id{};
  std::uint64_t ring_sequence = 0;
};

// Writes a ledger as intake does: one thread, everything synced by sync().
class LedgerWriter {
 public:
  explicit LedgerWriter(std::string state_dir, std::uint64_t segment_bytes = 64U << 10,
                        FileSystem& fs = system_file_system(), std::uint64_t seed = 1)
      : random_(seed),
        preparer_(fs, state_dir + "/journal/next.tmp", segment_bytes),
        sync_(clock_, positions_, preparer_, sync_wake_, intake_wake_,
              std::chrono::nanoseconds(0)) {
    std::filesystem::create_directories(state_dir + "/journal");
    LedgerOptions options;
    options.state_dir = state_dir;
    options.origin = "host.test/ledger";
    options.version = "1.0.0";
    options.journal.directory = state_dir + "/journal";
    options.journal.reserve_bytes = 0;
    options.journal.segment_bytes = segment_bytes;
    auto opened =
        Ledger::open(fs, clock_, random_, options, positions_, preparer_, sync_, recovery);
    if (!opened.ok()) {
      ADD_FAILURE() << opened.status().message();
      std::abort();
    }
    ledger_ = std::move(*opened);
    for (const auto& [id, history] : recovery.rings) {
      rings_[id] = {history.last_ring_sequence, history.refused_accounted,
                    history.last_record_sequence, false};
    }
    ledger_->on_new_segment([this] {
      const bool has_all = !at_segment_start || at_segment_start();
      start_segment();
      return has_all;
    });
    sync();
  }

  static Id ring(std::uint8_t n) { return Id{std::byte{0x52}, static_cast<std::byte>(n)}; }

  static ByteBuffer encoded_record(std::uint64_t n, std::size_t input_bytes = 0) {
    const std::string input =
        "{\"n\":" + std::to_string(n) + ",\"pad\":\"" + std::string(input_bytes, 'x') + "\"}";
    xase::proto::RecordFields fields;
    fields.span(xase::proto::Span::kInput) = input;
    fields.span(xase::proto::Span::kOutput) = "{\"decision\":\"approve\"}";
    fields.span(xase::proto::Span::kPolicy) = "credit";
    ByteBuffer record(xase::proto::encoded_bytes(fields));
    xase::proto::encode_record(fields, record.data());
    return record;
  }

  Written record(const Id& id, std::size_t input_bytes = 0) {
    return record(id, encoded_record(rings_[id].last + 1, input_bytes));
  }
  // `bytes`: an encoded record.
  Written record(const Id& id, const ByteBuffer& bytes) {
    introduce(id);
    const Ring& ring = rings_[id];
    return taken(id, [&] { return ledger_->append_record(subject(id, ring.last + 1), bytes); });
  }

  Written rejected(const Id& id) {
    introduce(id);
    const ByteBuffer bytes = encoded_record(0);
    return taken(id, [&] {
      return ledger_->append_rejected(subject(id, rings_[id].last + 1), 4,
                                      "confidence must be between 0 and 1", bytes);
    });
  }

  // `count` records were refused because the ring was full.
  std::uint64_t refused(const Id& id, std::uint64_t count) {
    introduce(id);
    Ring& ring = rings_[id];
    ring.refused += count;
    xase::proto::GapBody gap;
    gap.count = count;
    gap.after_sequence = ring.last;
    gap.before_sequence = ring.last + 1;
    gap.refused_accounted = ring.refused;
    return body(EntryType::kGap, subject(id, ring.last), xase::proto::encode(gap));
  }

  static xase::proto::ReceiptBody answer_to(const Written& record) {
    xase::proto::ReceiptBody body;
    body.record_sequence = record.sequence;
    body.record_leaf_hash = record.hash;
    body.http_status = 201;
    body.attempts = 1;
    body.answer = R"({"success":true,"transaction_id":"txn_0123456789abcdef0123456789abcdef"})";
    return body;
  }
  std::uint64_t receipt(const Written& record) { return receipt(record, answer_to(record)); }
  std::uint64_t receipt(const Written& record, const xase::proto::ReceiptBody& receipt_body) {
    return body(EntryType::kReceipt, subject(record.ring_id, record.ring_sequence),
                xase::proto::encode(receipt_body));
  }
  std::uint64_t dead_letter(const Written& record, bool retry = false) {
    xase::proto::ReceiptBody letter = answer_to(record);
    letter.http_status = retry ? 0 : 400;
    letter.error_code = retry ? 0 : 65;
    letter.action =
        retry ? xase::proto::ReceiptAction::kRetryRequested : xase::proto::ReceiptAction::kAnswer;
    letter.answer = R"({"error":"no","code":"VALIDATION_ERROR"})";
    return body(EntryType::kDeadLetter, subject(record.ring_id, record.ring_sequence),
                xase::proto::encode(letter));
  }

  std::uint64_t body(EntryType type, const Subject& about, Bytes bytes) {
    return appended([&] { return ledger_->append_body(type, about, bytes); });
  }

  // Everything so far is written and synced, and a commit mark says so.
  void sync() {
    write();
    const std::uint64_t last = ledger_->state().last_sequence;
    while (positions_.durable.load() < last || !ledger_->journal().can_rotate(true)) {
      sync_.hurry();
      (void)sync_.step();
      if (sync_.failed()) repair();
    }
    const Status status = ledger_->journal().settle(true);
    EXPECT_TRUE(status.ok()) << status.message();
  }
  // Written, and not synced.
  void write() {
    const Status status = ledger_->flush();
    EXPECT_TRUE(status.ok()) << status.message();
  }
  void stop() {
    body(EntryType::kStop, Subject{}, xase::proto::as_bytes("{}"));
    sync();
  }

  Ledger& ledger() { return *ledger_; }
  const Clock& clock() const { return clock_; }
  const Positions& positions() const { return positions_; }
  Recovery recovery;
  std::function<bool()> at_segment_start;

 private:
  struct Ring {
    std::uint64_t last = 0;
    std::uint64_t refused = 0;
    std::uint64_t last_record = 0;
    bool introduced = false;
  };

  static Subject subject(const Id& id, std::uint64_t ring_sequence) {
    return {id, ring_sequence, 0, 1000, 42};
  }
  template <class Append>
  std::uint64_t appended(Append append) {
    std::uint64_t sequence = append();
    if (sequence == 0) {
      sync();
      sequence = append();
    }
    EXPECT_NE(sequence, 0U) << ledger_->trouble().message();
    return sequence;
  }
  template <class Append>
  Written taken(const Id& id, Append append) {
    Ring& ring = rings_[id];
    const std::uint64_t sequence = appended(append);
    ++ring.last;
    ring.last_record = sequence;
    return {sequence, ledger_->state().head, id, ring.last};
  }
  void introduce(const Id& id) {
    Ring& ring = rings_[id];
    if (ring.introduced) return;
    xase::proto::ProducerBody producer;
    producer.next_ring_sequence = ring.last + 1;
    producer.refused_accounted = ring.refused;
    producer.last_record_sequence = ring.last_record;
    producer.context = "{\"runtime\":\"test\"}";
    // First: making room for it may start a segment, which introduces every ring.
    ring.introduced = true;
    body(EntryType::kProducer, subject(id, 0), xase::proto::encode(producer));
  }
  void start_segment() {
    for (auto& [id, ring] : rings_) {
      ring.introduced = false;
      if (ring.last != 0) introduce(id);
    }
  }
  void repair() {
    const Status status = ledger_->rewrite_unsynced();
    EXPECT_TRUE(status.ok()) << status.message();
    start_segment();
    write();
  }

  SteppingClock clock_;
  SeededRandom random_;
  Positions positions_;
  Wake sync_wake_;
  Wake intake_wake_;
  SegmentPreparer preparer_;
  SyncStage sync_;
  std::unique_ptr<Ledger> ledger_;
  std::map<Id, Ring> rings_;
};

inline ByteBuffer read_bytes(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  const std::string text((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
  const Bytes bytes = xase::proto::as_bytes(text);
  return {bytes.begin(), bytes.end()};
}

inline void write_bytes(const std::string& path, Bytes bytes) {
  std::ofstream out(path, std::ios::binary | std::ios::trunc);
  out.write(reinterpret_cast<const char*>(bytes.data()),
            static_cast<std::streamsize>(bytes.size()));
}

inline std::string segment_path(const std::string& state_dir, std::uint64_t first) {
  return state_dir + "/journal/" + segment_name(first);
}

inline std::vector<std::uint64_t> segments_of(const std::string& state_dir) {
  auto firsts = list_segments(system_file_system(), state_dir + "/journal");
  EXPECT_TRUE(firsts.ok());
  return *firsts;
}

// Tells of it, and removes the segments before the one that starts with `first`: as retention does.
inline void remove_before(const std::string& state_dir, std::uint64_t first,
                          std::uint64_t segment_bytes) {
  const ByteBuffer next = read_bytes(segment_path(state_dir, first));
  xase::proto::EraseBody body;
  body.first_sequence = segments_of(state_dir).front();
  body.last_sequence = first - 1;
  body.last_leaf_hash = xase::proto::decode_segment_header(next).header.previous;
  {
    LedgerWriter writer(state_dir, segment_bytes);
    writer.body(EntryType::kErase, Subject{}, xase::proto::encode(body));
    writer.stop();
  }
  for (const std::uint64_t each : segments_of(state_dir)) {
    if (each < first) std::filesystem::remove(segment_path(state_dir, each));
  }
}

// A segment taken apart: frames to be edited, left out or reordered, and put together again with
// checksums that hold.
class TakenApart {
 public:
  struct Piece {
    bool is_mark = false;
    std::uint64_t sequence = 0;
    std::size_t position = 0;  // where it was
    ByteBuffer bytes;          // the whole frame

    std::byte* leaf() { return bytes.data() + xase::proto::kFrameHeaderBytes; }
    Bytes leaf_bytes() { return {leaf(), xase::proto::kLeafBytes}; }
    std::byte* erasable() { return leaf() + xase::proto::kLeafBytes; }
    std::size_t erasable_bytes() { return xase::proto::load<std::uint32_t>(bytes.data() + 12); }
    // After an edit.
    void reseal() {
      xase::proto::seal_frame(bytes.data(), xase::proto::load<std::uint16_t>(bytes.data() + 6),
                              xase::proto::load<std::uint64_t>(bytes.data() + 16),
                              xase::proto::load<std::uint32_t>(bytes.data() + 8), erasable_bytes());
    }
    void erase() {
      bytes.resize(xase::proto::frame_bytes(xase::proto::kLeafBytes, 0));
      xase::proto::store(bytes.data() + 12, std::uint32_t{0});
      reseal();
    }
  };

  TakenApart(const std::string& state_dir, std::uint64_t first)
      : path_(segment_path(state_dir, first)), file_(read_bytes(path_)) {
    std::size_t at = xase::proto::kSegmentHeaderBytes;
    for (;;) {
      const auto result = xase::proto::decode_frame(Bytes(file_).subspan(at));
      if (result.fault != xase::proto::FrameFault::kNone) break;
      const Bytes bytes = Bytes(file_).subspan(at, result.frame.bytes);
      pieces.push_back({result.frame.is_commit_mark(), result.frame.sequence, at,
                        ByteBuffer(bytes.begin(), bytes.end())});
      at += result.frame.bytes;
    }
  }

  std::size_t index_of(std::uint64_t sequence) const {
    for (std::size_t i = 0; i < pieces.size(); ++i) {
      if (!pieces[i].is_mark && pieces[i].sequence == sequence) return i;
    }
    ADD_FAILURE() << "no entry " << sequence;
    return 0;
  }
  Piece& entry(std::uint64_t sequence) { return pieces[index_of(sequence)]; }
  EntryType type_of(std::uint64_t sequence) {
    return xase::proto::decode_leaf(entry(sequence).leaf_bytes())->type;
  }

  xase::proto::SegmentHeader header() const {
    return xase::proto::decode_segment_header(file_).header;
  }
  void set_header(const xase::proto::SegmentHeader& header) {
    xase::proto::encode_segment_header(header, file_.data());
  }

  // Gives each entry from `sequence` on the next number and the hash of the one before it, and the
  // commitments that its parts ask for: what someone does who has everything but outside
  // witnesses. Marks are left out.
  void chain_anew(std::uint64_t sequence) {
    std::erase_if(pieces, [](const Piece& piece) { return piece.is_mark; });
    Sha256 sha256;
    Hash head = header().previous;
    std::uint64_t next = header().first_sequence;
    for (Piece& piece : pieces) {
      if (piece.sequence >= sequence || next >= sequence) {
        auto leaf = *xase::proto::decode_leaf(piece.leaf_bytes());
        leaf.sequence = next;
        leaf.previous = head;
        const auto erasable =
            xase::proto::decode_erasable({piece.erasable(), piece.erasable_bytes()});
        leaf.commitments = xase::proto::commitments(sha256, *erasable);
        xase::proto::encode_leaf(leaf, piece.leaf());
        piece.sequence = next;
        xase::proto::store(piece.bytes.data() + 16, next);
        piece.reseal();
      }
      head = xase::proto::leaf_hash(sha256, piece.leaf_bytes());
      ++next;
    }
  }

  // Writes the file, marks moved to where they belong.
  void put_together() {
    const std::size_t size = file_.size();
    ByteBuffer out(file_.begin(), file_.begin() + xase::proto::kSegmentHeaderBytes);
    std::map<std::uint64_t, std::size_t> ends;
    for (Piece& piece : pieces) {
      if (piece.is_mark) {
        const auto end = ends.find(piece.sequence);
        if (end != ends.end()) {
          xase::proto::encode_commit_mark(piece.sequence, end->second, piece.bytes.data());
        }
      }
      out.insert(out.end(), piece.bytes.begin(), piece.bytes.end());
      if (!piece.is_mark) ends[piece.sequence] = out.size();
    }
    out.resize(std::max(size, out.size()));
    write_bytes(path_, out);
  }

  std::vector<Piece> pieces;

 private:
  std::string path_;
  ByteBuffer file_;
};

}  // namespace xased::test
