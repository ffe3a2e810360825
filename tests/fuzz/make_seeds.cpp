// Writes the inputs that the fuzzers start from: real ones, made by the project's own writers from
// tests/data.
//
//   fuzz_make_seeds tests/data/credit-decisions.jsonl FOLDER
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "daemon/ctl/record_line.hpp"
#include "daemon/delivery/cursor.hpp"
#include "daemon/ledger/chain.hpp"
#include "proto/entry_body.hpp"
#include "proto/ring_writer.hpp"
#include "tests/fuzz/fuzz.hpp"
#include "tests/support/manual_clock.hpp"
#include "tests/support/seeded_random.hpp"

namespace {

using namespace xase::proto;
using ByteBuffer = std::vector<std::byte>;

std::filesystem::path folder;

void write(const std::string& target, const std::string& name, Bytes bytes) {
  const auto place = folder / ("fuzz_" + target);
  std::filesystem::create_directories(place);
  std::ofstream out(place / name, std::ios::binary);
  out.write(as_text(bytes).data(), static_cast<std::streamsize>(bytes.size()));
  xase::fuzz::require(out.good(), "a seed can be written");
}

template <class T>
void append(ByteBuffer& to, const T& value) {
  to.resize(to.size() + sizeof value);
  store(to.data() + to.size() - sizeof value, value);
}
void append(ByteBuffer& to, Bytes bytes) { to.insert(to.end(), bytes.begin(), bytes.end()); }

// A record of the data, its texts in the line that it owns.
class Record {
 public:
  explicit Record(std::string line) : line_(std::move(line)) {
    line_.append(xased::ctl::RecordLineParser::kPaddingBytes, ' ');
    xased::ctl::RecordLine record;
    const std::size_t size = line_.size() - xased::ctl::RecordLineParser::kPaddingBytes;
    const auto problem = parser_.parse(std::string_view(line_).substr(0, size), record);
    xase::fuzz::require(problem.ok(), "the data are records");
    fields_.span(Span::kInput) = record.input;
    fields_.span(Span::kOutput) = record.output;
    fields_.span(Span::kContext) = R"({"tenant":"north","nested":{"a":[1,2.5e-7,"é"]}})";
    fields_.span(Span::kExplanation) = record.explanation;
    fields_.span(Span::kPolicy) = record.policy;
    fields_.span(Span::kPolicyVersion) = record.policy_version;
    fields_.span(Span::kTransactionId) = record.transaction_id;
    fields_.span(Span::kDecisionType) = record.decision_type;
    fields_.span(Span::kModelId) = record.model_id;
    fields_.flags = kRecordHasConfidence;
    fields_.confidence = record.confidence.value_or(0.5);
  }
  RecordFields& fields() { return fields_; }
  ByteBuffer encoded() const {
    ByteBuffer bytes(encoded_bytes(fields_));
    encode_record(fields_, bytes.data());
    return bytes;
  }

 private:
  std::string line_;
  xased::ctl::RecordLineParser parser_;
  RecordFields fields_;
};

ByteBuffer small_record() {
  RecordFields fields;
  fields.span(Span::kInput) = R"({"a":1})";
  fields.span(Span::kOutput) = R"({"b":true})";
  fields.span(Span::kPolicy) = "p";
  ByteBuffer bytes(encoded_bytes(fields));
  encode_record(fields, bytes.data());
  return bytes;
}

void write_ring() {
  std::vector<std::byte> area(4096);
  std::atomic<std::uint64_t> committed{3072};
  std::atomic<std::uint64_t> released{3072};
  RingWriter writer(area.data(), area.size(), &committed, &released, 3072, 3072);
  for (std::uint64_t i = 1; i <= 6; ++i) {
    const ByteBuffer record = small_record();
    std::byte* to = writer.reserve(record.size() + 100 * i);
    if (to == nullptr) break;
    std::copy(record.begin(), record.end(), to);
    writer.commit({static_cast<std::uint32_t>(record.size() + 100 * i), kRingFrameRecord, 0, i, 0,
                   1'700'000'000});
  }
  ByteBuffer seed;
  append(seed, std::uint8_t{3 | 8});
  append(seed, std::uint64_t{3072});
  append(seed, committed.load());
  append(seed, std::uint8_t{64});
  append(seed, Bytes(area));
  write("ring_frames", "ring", seed);
}

// Entries of every kind, chained, with marks between.
class Journal {
 public:
  Journal() : chain_(named(), clock_, random_) { start_segment(0); }

  void start_segment(std::uint32_t flags) {
    SegmentHeader header{chain_.state().log_id, chain_.state().last_sequence + 1,
                         chain_.state().head,   clock_.wall_ns(),
                         chain_.state().totals, flags};
    std::vector<std::byte> page(kSegmentHeaderBytes);
    encode_segment_header(header, page.data());
    segments.push_back({header.first_sequence, {page.begin(), page.begin() + 256}});
    write("frame", "segment" + std::to_string(segments.size()), segments.back().bytes);
  }
  void body(EntryType type, Bytes bytes, std::uint64_t ring_sequence = 0) {
    chain_.start_batch();
    ByteBuffer frame;
    chain_.append_body(type, subject(ring_sequence), bytes, frame);
    chain_.seal(frame);
    add(frame, std::string(entry_type_name(type)));
  }
  std::uint64_t record(std::uint64_t ring_sequence) {
    chain_.start_batch();
    ByteBuffer frame;
    chain_.append_record(subject(ring_sequence), small_record(), frame);
    chain_.seal(frame);
    add(frame, "RECORD");
    return chain_.state().last_sequence;
  }
  void mark() {
    ByteBuffer frame(kCommitMarkBytes);
    encode_commit_mark(chain_.state().last_sequence,
                       kSegmentHeaderBytes + segments.back().bytes.size() - 256, frame.data());
    add(frame, "mark");
  }
  void introduce() {
    ProducerBody producer;
    producer.next_ring_sequence = ring_sequence_ + 1;
    producer.context = R"({"runtime":"seed"})";
    body(EntryType::kProducer, encode(producer));
  }
  void everything() {
    body(EntryType::kStart, as_bytes(R"({"origin":"host/seed"})"));
    introduce();
    const std::uint64_t first = record(++ring_sequence_);
    mark();
    ReceiptBody receipt;
    receipt.record_sequence = first;
    receipt.record_leaf_hash = chain_.state().head;
    receipt.http_status = 201;
    receipt.attempts = 1;
    receipt.answer = "{}";
    body(EntryType::kReceipt, encode(receipt), 1);
    RejectedBody rejected;
    rejected.error_code = 4;
    rejected.text = "no";
    body(EntryType::kRejected, encode(rejected), ++ring_sequence_);
    GapBody gap;
    gap.count = 2;
    gap.after_sequence = ring_sequence_;
    gap.refused_accounted = 2;
    body(EntryType::kGap, encode(gap), ring_sequence_);
    receipt.record_sequence = record(++ring_sequence_);
    receipt.http_status = 400;
    receipt.error_code = 65;
    body(EntryType::kDeadLetter, encode(receipt), ring_sequence_);
    body(EntryType::kRecovered, as_bytes(R"({"torn_bytes":8,"torn_saved_as":""})"));
    mark();
  }
  void stop() {
    body(EntryType::kStop, as_bytes("{}"));
    mark();
  }

  struct Segment {
    std::uint64_t first;
    ByteBuffer bytes;
  };
  std::vector<Segment> segments;

 private:
  static xased::ChainState named() {
    xased::ChainState state;
    state.log_id[0] = std::byte{0x1d};
    return state;
  }
  static xased::Subject subject(std::uint64_t ring_sequence) {
    xased::Subject about;
    about.ring_id[0] = std::byte{0x52};
    about.ring_sequence = ring_sequence;
    about.uid = 1000;
    about.pid = 42;
    return about;
  }
  void add(const ByteBuffer& frame, const std::string& name) {
    append(segments.back().bytes, Bytes(frame));
    write("frame", name, frame);
  }

  xased::test::ManualClock clock_;
  xased::test::SeededRandom random_;
  xased::Chain chain_;
  std::uint64_t ring_sequence_ = 0;
};

void write_journal(const std::string& name, std::uint8_t shape, const Journal& journal,
                   std::size_t cut_off = 0) {
  ByteBuffer seed;
  append(seed, static_cast<std::uint8_t>(shape | (journal.segments.size() > 1 ? 4 : 0)));
  append(seed, std::uint8_t{3});
  for (const Journal::Segment& segment : journal.segments) {
    const bool is_last = &segment == &journal.segments.back();
    const std::size_t size = segment.bytes.size() - (is_last ? cut_off : 0);
    append(seed, static_cast<std::uint16_t>(segment.first));
    append(seed, static_cast<std::uint16_t>(size));
    append(seed, Bytes(segment.bytes).first(size));
  }
  write("segment", name, seed);
}

void write_journals() {
  Journal one;
  one.everything();
  write_journal("one", 0, one);
  write_journal("one-sealed", 3, one);
  write_journal("torn", 0, one, 90);
  one.stop();
  write_journal("stopped", 0, one);
  Journal two;
  two.everything();
  two.start_segment(0);
  two.introduce();
  two.record(4);
  write_journal("two", 0, two);
  write_journal("two-sealed", 3, two);
  Journal continued;
  continued.everything();
  continued.start_segment(kSegmentContinues);
  continued.record(4);
  continued.stop();
  write_journal("continued-sealed", 1, continued);
}

void write_cursors() {
  xased::Cursor cursor;
  write("cursor", "empty", xased::encode_cursor(cursor));
  cursor.generation = 9;
  cursor.settled_through = 20;
  cursor.first_intent = xased::Moment{1, 2, {}};
  cursor.open = {21, 23};
  cursor.retries = {{22, 5}};
  cursor.damages = {{10, 12}};
  write("cursor", "full", xased::encode_cursor(cursor));
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) {
    std::fprintf(stderr, "usage: %s RECORDS.jsonl FOLDER\n", argv[0]);
    return 2;
  }
  folder = argv[2];
  std::ifstream lines(argv[1]);
  std::string line;
  for (int i = 0; i < 3 && std::getline(lines, line); ++i) {
    const std::string name = "loan" + std::to_string(i + 1);
    write("record_line", name, as_bytes(line));
    Record record(line);
    write("canonical_json", name, as_bytes(record.fields().span(Span::kInput)));
    write("record", name, record.encoded());
    write("record_check", name, record.encoded());
    record.fields().span(Span::kIdempotencyKey) = "0b7f6e0e-7d0c-4b1c-9d59-0d4b1c9d5f00";
    write("record_check", name + "-key", record.encoded());
  }
  write("record", "small", small_record());
  write_ring();
  write_journals();
  write_cursors();
  return 0;
}
