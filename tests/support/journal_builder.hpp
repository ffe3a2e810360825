// Journals for tests: real entries in real segments, without the daemon around them.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "daemon/ledger/chain.hpp"
#include "daemon/ledger/segment_names.hpp"
#include "daemon/platform/file_system.hpp"
#include "proto/entry_body.hpp"
#include "proto/record.hpp"
#include "tests/support/seeded_random.hpp"

namespace xased::test {

// Writes entries into segments of STATE_DIR/journal, each call at once.
class JournalBuilder {
 public:
  JournalBuilder(FileSystem& fs, const std::string& state_dir, const Clock& clock)
      : fs_(fs), directory_(state_dir + "/" + std::string(kJournalFolder)), clock_(clock) {
    EXPECT_TRUE(fs_.make_directory(state_dir, 0700).ok());
    EXPECT_TRUE(fs_.make_directory(directory_, 0700).ok());
    ChainState fresh;
    fresh.log_id[0] = std::byte{0x1d};
    chain_ = std::make_unique<Chain>(fresh, clock_, random_);
    rotate();
    append(xase::proto::EntryType::kStart, {}, xase::proto::as_bytes("{}"));
  }

  // The next entry goes to a new segment.
  void rotate() {
    const std::uint64_t first = last_sequence() + 1;
    auto file = fs_.open(directory_ + "/" + segment_name(first), OpenMode::kCreate);
    ASSERT_TRUE(file.ok());
    file_ = std::move(*file);
    file_bytes_ = xase::proto::kSegmentHeaderBytes;
    std::vector<std::byte> header(xase::proto::kSegmentHeaderBytes);
    xase::proto::encode_segment_header({chain_->state().log_id, first, chain_->state().head,
                                        clock_.wall_ns(), chain_->state().totals},
                                       header.data());
    ASSERT_TRUE(file_->write_at(header, 0).ok());
  }

  std::uint64_t append(xase::proto::EntryType type, const Subject& subject,
                       xase::proto::Bytes body) {
    chain_->start_batch();
    frames_.clear();
    chain_->append_body(type, subject, body, frames_);
    return write();
  }

  // Ring `ring` introduces itself.
  std::uint64_t producer(std::uint8_t ring, std::string_view context) {
    xase::proto::ProducerBody body;
    body.context = context;
    return append(xase::proto::EntryType::kProducer, subject(ring, 0), xase::proto::encode(body));
  }

  std::uint64_t record(std::uint8_t ring, std::uint64_t ring_sequence,
                       const xase::proto::RecordFields& fields) {
    std::vector<std::byte> bytes(xase::proto::encoded_bytes(fields));
    xase::proto::encode_record(fields, bytes.data());
    chain_->start_batch();
    frames_.clear();
    chain_->append_record(subject(ring, ring_sequence), bytes, frames_);
    return write();
  }

  // Overwrites the middle of the entry that was appended last with nonsense.
  void damage_last() {
    const std::vector<std::byte> nonsense(64, std::byte{0xee});
    ASSERT_TRUE(file_->write_at(nonsense, last_position_ + 100).ok());
  }

  std::uint64_t last_sequence() const { return chain_->state().last_sequence; }
  const ChainState& state() const { return chain_->state(); }
  const std::string& directory() const { return directory_; }

  Subject subject(std::uint8_t ring, std::uint64_t ring_sequence) const {
    Subject about;
    about.ring_id[0] = std::byte{ring};
    about.ring_sequence = ring_sequence;
    about.stamp_ns = ring_sequence == 0 ? 0 : clock_.wall_ns();
    about.uid = 1000;
    about.pid = 42;
    return about;
  }

 private:
  std::uint64_t write() {
    chain_->seal(frames_);
    EXPECT_TRUE(file_->write_at(frames_, file_bytes_).ok());
    last_position_ = file_bytes_;
    file_bytes_ += frames_.size();
    return last_sequence();
  }

  FileSystem& fs_;
  const std::string directory_;
  const Clock& clock_;
  SeededRandom random_;
  std::unique_ptr<Chain> chain_;
  std::unique_ptr<File> file_;
  std::uint64_t file_bytes_ = 0;
  std::uint64_t last_position_ = 0;
  std::vector<std::byte> frames_;
};

// A record that the API takes; more fields may be set.
inline xase::proto::RecordFields plain_record(std::string_view input = R"({"amount":1})") {
  xase::proto::RecordFields fields;
  fields.span(xase::proto::Span::kInput) = input;
  fields.span(xase::proto::Span::kOutput) = R"({"decision":"APPROVED"})";
  fields.span(xase::proto::Span::kPolicy) = "credit_v4";
  return fields;
}

}  // namespace xased::test
