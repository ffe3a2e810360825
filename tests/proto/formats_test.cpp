// Keeps FORMATS.md true: its worked example, its constants and its tables are read out of the
// document and compared with what the headers make.
#include <gtest/gtest.h>

#include <fstream>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include "daemon/platform/sha256.hpp"
#include "proto/entry_body.hpp"
#include "proto/error_code.hpp"
#include "proto/frame.hpp"
#include "proto/hashing.hpp"
#include "proto/record.hpp"
#include "proto/ring_layout.hpp"
#include "proto/run_dir.hpp"

namespace xase::proto {
namespace {

using Buffer = std::vector<std::byte>;

std::vector<std::string> document() {
  std::ifstream in(XASE_FORMATS_FILE);
  EXPECT_TRUE(in.is_open()) << XASE_FORMATS_FILE;
  std::vector<std::string> lines;
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

// The lines of each block that is fenced with "```<kind> <name>".
std::map<std::string, std::vector<std::string>> blocks(const std::string& kind) {
  std::map<std::string, std::vector<std::string>> found;
  std::vector<std::string>* open = nullptr;
  for (const std::string& line : document()) {
    if (line.starts_with("```" + kind + " ")) {
      open = &found[line.substr(4 + kind.size())];
      EXPECT_TRUE(open->empty()) << "twice: " << line;
    } else if (line.starts_with("```")) {
      open = nullptr;
    } else if (open != nullptr) {
      open->push_back(line);
    }
  }
  return found;
}

// Rows of the tables under the heading, cells without blanks and backticks at their ends.
std::vector<std::vector<std::string>> rows_under(const std::string& heading) {
  std::vector<std::vector<std::string>> rows;
  bool is_under = false;
  for (const std::string& line : document()) {
    if (line.starts_with("#")) is_under = line == heading;
    if (!is_under || !line.starts_with("|") || line.starts_with("|-")) continue;
    std::vector<std::string> cells;
    std::istringstream cells_in(line.substr(1));
    for (std::string cell; std::getline(cells_in, cell, '|');) {
      const std::size_t first = cell.find_first_not_of(" `");
      const std::size_t last = cell.find_last_not_of(" `");
      cells.push_back(first == std::string::npos ? "" : cell.substr(first, last - first + 1));
    }
    rows.push_back(cells);
  }
  EXPECT_FALSE(rows.empty()) << heading;
  return rows;
}

// "offset: bytes in hex | comment".
Buffer parse_hex(const std::string& name, const std::vector<std::string>& lines) {
  Buffer bytes;
  for (const std::string& line : lines) {
    const std::size_t colon = line.find(':');
    EXPECT_EQ(std::stoul(line.substr(0, colon), nullptr, 16), bytes.size()) << name << ": " << line;
    std::istringstream in(line.substr(colon + 1, line.find('|') - colon - 1));
    for (std::string pair; in >> pair;) {
      bytes.push_back(static_cast<std::byte>(std::stoul(pair, nullptr, 16)));
    }
  }
  return bytes;
}

std::string hex_lines(Bytes bytes) {
  std::string text;
  for (std::size_t at = 0; at < bytes.size(); at += 16) {
    std::array<char, 24> offset{};
    (void)std::snprintf(offset.data(), offset.size(), "%04zx:", at);
    text += offset.data();
    for (const std::byte b : bytes.subspan(at, std::min<std::size_t>(16, bytes.size() - at))) {
      text += " " + to_hex({&b, 1});
    }
    text += "\n";
  }
  return text;
}

template <std::size_t kBytes>
std::array<std::byte, kBytes> counting_from(unsigned first) {
  std::array<std::byte, kBytes> bytes{};
  for (std::byte& b : bytes) b = static_cast<std::byte>(first++);
  return bytes;
}

Buffer copy(Bytes bytes) { return {bytes.begin(), bytes.end()}; }

// The worked example: a ledger whose third entry is a record, which is answered by the fourth.
class Example {
 public:
  Example() {
    constexpr std::string_view kOrigin = "host-1/loans";
    const auto nonce = counting_from<32>(0x00);
    log_id_ = log_id(sha256_, nonce, kOrigin);
    bytes["log-id"] = copy(log_id_);
    make_record();
    make_start();
    make_producer();
    make_record_entry();
    make_receipt();
    make_segment_header();
  }

  std::map<std::string, Buffer> bytes;

 private:
  static constexpr std::int64_t kWallNs = 1767787200'000000000;  // 2026-01-07T12:00:00Z
  const Id ring_id_ = counting_from<16>(0xa0);

  void make_record() {
    RecordFields fields;
    fields.flags = kRecordHasConfidence | kRecordHasStorePayload | kRecordStorePayload;
    fields.confidence = 0.875;
    fields.span(Span::kInput) = R"({"income":52000})";
    fields.span(Span::kOutput) = R"({"decision":"approve"})";
    fields.span(Span::kContext) = R"({"channel":"web"})";
    fields.span(Span::kPolicy) = "credit";
    fields.span(Span::kTransactionId) = "loan-7";
    Buffer& record = bytes["record"];
    record.resize(encoded_bytes(fields));
    encode_record(fields, record.data());

    RingFrameHeader header{};
    header.payload_bytes = static_cast<std::uint32_t>(record.size());
    header.type = kRingFrameRecord;
    header.flags = kRingFlagWantsResult;
    header.sequence = 1;
    header.word = 0;
    header.stamp_ns = kWallNs;
    bytes["ring-frame"] = ring_frame(header, record);
  }

  static Buffer ring_frame(const RingFrameHeader& header, Bytes payload) {
    Buffer frame(ring_frame_bytes(payload.size()));
    std::memcpy(frame.data(), &header, sizeof header);
    std::memcpy(frame.data() + sizeof header, payload.data(), payload.size());
    return frame;
  }

  Leaf next_leaf(EntryType type) {
    Leaf leaf;
    leaf.type = type;
    leaf.log_id = log_id_;
    leaf.sequence = ++last_sequence_;
    leaf.previous = head_;
    leaf.wall_ns = kWallNs + static_cast<std::int64_t>(last_sequence_) * 1'000'000;
    leaf.boot_id = counting_from<16>(0xb0);
    leaf.boot_ns = 5'000'000'000 + static_cast<std::int64_t>(last_sequence_) * 1'000'000;
    return leaf;
  }

  // Completes the leaf and gives the frame.
  Buffer seal(Leaf leaf, Bytes erasable) {
    leaf.commitments = commitments(sha256_, *decode_erasable(erasable));
    Buffer frame(frame_bytes(kLeafBytes, erasable.size()));
    encode_leaf(leaf, frame.data() + kFrameHeaderBytes);
    std::memcpy(frame.data() + kFrameHeaderBytes + kLeafBytes, erasable.data(), erasable.size());
    seal_frame(frame.data(), static_cast<std::uint16_t>(leaf.type), leaf.sequence, kLeafBytes,
               erasable.size());
    position_ += frame.size();
    head_ = leaf_hash(sha256_, Bytes(frame).subspan(kFrameHeaderBytes, kLeafBytes));
    return frame;
  }

  Buffer seal_body(const Leaf& leaf, unsigned salt, Bytes body) {
    Buffer erasable(kErasableHeaderBytes + body.size());
    encode_body_erasable(body, counting_from<16>(salt), erasable.data());
    return seal(leaf, erasable);
  }

  void make_start() {
    const std::string body =
        R"({"nonce":"000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f",)"
        R"("origin":"host-1/loans","version":"1.0.0"})";
    bytes["start-body"] = copy(as_bytes(body));
    (void)seal_body(next_leaf(EntryType::kStart), 0x10, as_bytes(body));
    bytes["start-leaf-hash"] = copy(head_);
  }

  void make_producer() {
    ProducerBody body;
    body.next_ring_sequence = 1;
    body.created_wall_ns = kWallNs - 1'000'000'000;
    body.context = R"({"runtime":"c"})";
    bytes["producer-body"] = copy(encode(body));
    Leaf leaf = next_leaf(EntryType::kProducer);
    leaf.ring_id = ring_id_;
    leaf.uid = 1000;
    leaf.pid = 4242;
    (void)seal_body(leaf, 0x20, bytes["producer-body"]);
    bytes["producer-leaf-hash"] = copy(head_);
  }

  void make_record_entry() {
    const std::array<Id, kParts> salts{counting_from<16>(0x30), counting_from<16>(0x40),
                                       counting_from<16>(0x50), counting_from<16>(0x60)};
    Buffer& erasable = bytes["erasable"];
    erasable.resize(record_erasable_bytes(bytes["record"].size()));
    encode_record_erasable(bytes["record"], salts, erasable.data());
    Leaf leaf = next_leaf(EntryType::kRecord);
    leaf.ring_id = ring_id_;
    leaf.ring_sequence = 1;
    leaf.stamp_ns = kWallNs;
    leaf.uid = 1000;
    leaf.pid = 4242;
    const Buffer frame = seal(leaf, erasable);
    for (const Hash& hash : commitments(sha256_, *decode_erasable(erasable))) {
      Buffer& all = bytes["commitments"];
      all.insert(all.end(), hash.begin(), hash.end());
    }
    const std::size_t behind = kFrameHeaderBytes + kLeafBytes + erasable.size();
    bytes["leaf"] = copy(Bytes(frame).subspan(kFrameHeaderBytes, kLeafBytes));
    bytes["leaf-hash"] = copy(head_);
    bytes["frame-header"] = copy(Bytes(frame).first(kFrameHeaderBytes));
    bytes["frame-padding"] = copy(Bytes(frame).subspan(behind));
    Buffer& mark = bytes["commit-mark"];
    mark.resize(kCommitMarkBytes);
    encode_commit_mark(last_sequence_, position_, mark.data());
  }

  void make_receipt() {
    constexpr std::string_view kAnswer =
        R"({"success":true,"transaction_id":"txn_0123456789abcdef0123456789abcdef"})";
    ReceiptBody body;
    body.record_sequence = 3;
    body.record_leaf_hash = head_;
    body.http_status = 201;
    body.flags = kReceiptPossibleDuplicate;
    body.attempts = 2;
    body.first_attempt_wall_ns = kWallNs + 10'000'000;
    body.answered_wall_ns = kWallNs + 2'000'000'000;
    body.answer = kAnswer;
    bytes["receipt-body"] = copy(encode(body));

    RingFrameHeader header{};
    header.payload_bytes = static_cast<std::uint32_t>(kAnswer.size());
    header.type = kRingFrameResult;
    header.flags = kResultPossibleDuplicate;
    header.sequence = 1;
    header.word = result_word(static_cast<std::uint32_t>(ErrorCode::kOk), 201);
    header.stamp_ns = body.answered_wall_ns;
    bytes["result-frame"] = ring_frame(header, as_bytes(kAnswer));

    GapBody gap;
    gap.count = 3;
    gap.after_sequence = 1;
    gap.before_sequence = 2;
    gap.refused_accounted = 3;
    gap.reason = GapReason::kQueueFull;
    bytes["gap-body"] = copy(encode(gap));
    RejectedBody rejected;
    rejected.error_code = static_cast<std::uint32_t>(ErrorCode::kMissingPolicy);
    rejected.text = "policy is required";
    bytes["rejected-body"] = copy(encode(rejected));
  }

  // Of a segment that would start with the fourth entry.
  void make_segment_header() {
    SegmentHeader header;
    header.log_id = log_id_;
    header.first_sequence = last_sequence_ + 1;
    header.previous = head_;
    header.created_wall_ns = kWallNs + 3'000'000'000;
    header.totals.records = 1;
    header.flags = kSegmentContinues;
    Buffer page(kSegmentHeaderBytes);
    encode_segment_header(header, page.data());
    bytes["segment-header"] = copy(Bytes(page).first(kSegmentHeaderCrcOffset + 4));
  }

  xased::Sha256 sha256_;
  Hash log_id_{};
  Hash head_{};
  std::uint64_t last_sequence_ = 0;
  std::uint64_t position_ = kSegmentHeaderBytes;  // behind the last frame
};

TEST(Formats, TheWorkedExampleIsReproducedByteForByte) {
  const auto written = blocks("hex");
  const Example example;
  for (const auto& [name, bytes] : example.bytes) {
    const auto found = written.find(name);
    if (found == written.end()) {
      ADD_FAILURE() << "not in the document: " << name << "\n" << hex_lines(bytes);
      continue;
    }
    EXPECT_EQ(parse_hex(name, found->second), bytes) << name << " must be\n" << hex_lines(bytes);
  }
  EXPECT_EQ(written.size(), example.bytes.size());
}

TEST(Formats, TheConstantsAreThoseOfTheHeaders) {
  const std::map<std::string, std::uint64_t> constants{
      {"kRecordVersion", kRecordVersion},
      {"kRecordHeaderBytes", kRecordHeaderBytes},
      {"kRecordBytesMax", kRecordBytesMax},
      {"kSpans", kSpans},
      {"kRingVersion", kRingVersion},
      {"kRingDataBytesMin", kRingDataBytesMin},
      {"kRingDataBytesDefault", kRingDataBytesDefault},
      {"kRingDataBytesMax", kRingDataBytesMax},
      {"kRingResultsBytesMin", kRingResultsBytesMin},
      {"kRingResultsBytesDefault", kRingResultsBytesDefault},
      {"kRingResultsBytesMax", kRingResultsBytesMax},
      {"kRingContextBytesMax", kRingContextBytesMax},
      {"kRingFrameAlignment", kRingFrameAlignment},
      {"kDoorbellBytes", kDoorbellBytes},
      {"kLeafVersion", kLeafVersion},
      {"kLeafBytes", kLeafBytes},
      {"kErasableHeaderBytes", kErasableHeaderBytes},
      {"kErasableBytesMax", kErasableBytesMax},
      {"kSegmentVersion", kSegmentVersion},
      {"kSegmentHeaderBytes", kSegmentHeaderBytes},
      {"kFrameVersion", kFrameVersion},
      {"kFrameHeaderBytes", kFrameHeaderBytes},
      {"kFrameAlignment", kFrameAlignment},
      {"kCommitMarkBytes", kCommitMarkBytes},
      {"kBodyTextBytesMax", kBodyTextBytesMax},
  };
  std::map<std::string, std::uint64_t> written;
  for (const auto& [name, lines] : blocks("values")) {
    for (const std::string& line : lines) {
      std::istringstream in(line);
      std::string constant;
      std::uint64_t value = 0;
      EXPECT_TRUE(in >> constant >> value) << line;
      written[constant] = value;
    }
  }
  EXPECT_EQ(written, constants);
}

TEST(Formats, TheErrorCodesAreThoseOfTheHeader) {
  std::map<std::uint32_t, std::string> known;
  for (std::uint32_t code = 0; code < 256; ++code) {
    const std::string name(error_name(static_cast<ErrorCode>(code)));
    const bool is_unknown = name == error_name(ErrorCode::kUnknownError);
    if (!is_unknown || code == static_cast<std::uint32_t>(ErrorCode::kUnknownError)) {
      known[code] = name;
    }
  }
  std::map<std::uint32_t, std::string> written;
  for (const auto& row : rows_under("## Error codes")) {
    if (row[0] == "code") continue;
    written[static_cast<std::uint32_t>(std::stoul(row[0]))] = row[1];
  }
  EXPECT_EQ(written, known);
}

TEST(Formats, TheEntryTypesAndGapReasonsAreThoseOfTheHeaders) {
  std::map<std::uint32_t, std::string> types;
  for (std::uint16_t type = 1; type < 64; ++type) {
    const std::string name(entry_type_name(static_cast<EntryType>(type)));
    if (name != "UNKNOWN") types[type] = name;
  }
  std::map<std::uint32_t, std::string> written;
  for (const auto& row : rows_under("### Entry types")) {
    if (row[0] == "type") continue;
    written[static_cast<std::uint32_t>(std::stoul(row[0]))] = row[1];
  }
  EXPECT_EQ(written, types);

  std::map<std::uint32_t, std::string> reasons;
  for (std::uint32_t reason = 0; reason < 64; ++reason) {
    const std::string name(gap_reason_name(static_cast<GapReason>(reason)));
    if (name != "unknown") reasons[reason] = name;
  }
  written.clear();
  for (const auto& row : rows_under("#### Gap reasons")) {
    if (row[0] == "reason") continue;
    written[static_cast<std::uint32_t>(std::stoul(row[0]))] = row[1];
  }
  EXPECT_EQ(written, reasons);
}

// "8", or "4 x 13".
std::uint64_t size_of_cell(const std::string& cell) {
  const std::size_t times = cell.find(" x ");
  if (times == std::string::npos) return std::stoul(cell);
  return std::stoul(cell.substr(0, times)) * std::stoul(cell.substr(times + 3));
}

TEST(Formats, TheLayoutsHaveNeitherHolesNorOverlaps) {
  bool is_layout = false;
  std::uint64_t next = 0;
  std::size_t layouts = 0;
  for (const std::string& line : document()) {
    if (line.starts_with("| offset | size |")) {
      is_layout = true;
      next = 0;
      ++layouts;
    } else if (!line.starts_with("|")) {
      is_layout = false;
    } else if (is_layout && !line.starts_with("|-")) {
      std::istringstream in(line.substr(1));
      std::string offset;
      std::string size;
      std::getline(in, offset, '|');
      std::getline(in, size, '|');
      EXPECT_EQ(std::stoul(offset, nullptr, 0), next) << line;
      if (size.find('n') == std::string::npos) next += size_of_cell(size);
    }
  }
  EXPECT_GE(layouts, 12U);
}

}  // namespace
}  // namespace xase::proto
