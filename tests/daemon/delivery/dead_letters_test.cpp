#include "daemon/delivery/dead_letters.hpp"

#include <gtest/gtest.h>

#include "tests/support/temp_dir.hpp"

namespace xased::test {
namespace {

class DeadLettersTest : public ::testing::Test {
 protected:
  void SetUp() override { ASSERT_EQ(letters_.open().code(), Code::kNotFound); }

  void add(std::uint64_t sequence, DeadLetterEvent event = DeadLetterEvent::kSetAside) {
    DeadLetter letter;
    letter.record_sequence = sequence;
    letter.near_sequence = sequence + 5;
    letter.wall_ns = 77;
    letter.http_status = 400;
    letter.error_code = 65;
    letter.event = event;
    letter.api_code = "VALIDATION_ERROR";
    ASSERT_TRUE(letters_.append(letter).ok());
  }
  std::vector<std::uint64_t> listed(std::uint64_t after, std::size_t limit) const {
    std::vector<std::uint64_t> sequences;
    const auto found = letters_.list(after, limit);
    EXPECT_TRUE(found.ok());
    for (const DeadLetter& letter : *found) sequences.push_back(letter.record_sequence);
    return sequences;
  }

  TempDir directory_;
  const std::string path_ = directory_.path() + "/dead_letters.idx";
  DeadLetters letters_{system_file_system(), path_};
};

TEST_F(DeadLettersTest, ListsWhatIsSetAsideBySequence) {
  for (const std::uint64_t sequence : {30U, 10U, 20U}) add(sequence);
  EXPECT_EQ(listed(0, 10), (std::vector<std::uint64_t>{10, 20, 30}));
  EXPECT_EQ(listed(10, 1), (std::vector<std::uint64_t>{20}));
  EXPECT_EQ(listed(30, 10), std::vector<std::uint64_t>{});
}

TEST_F(DeadLettersTest, TheNewestEventOfARecordCounts) {
  add(10);
  add(20);
  add(10, DeadLetterEvent::kRetryRequested);
  EXPECT_EQ((*letters_.find(10))->event, DeadLetterEvent::kRetryRequested);
  EXPECT_EQ(listed(0, 10), (std::vector<std::uint64_t>{10, 20}));
  add(10, DeadLetterEvent::kDelivered);
  EXPECT_EQ(listed(0, 10), std::vector<std::uint64_t>{20});
  EXPECT_FALSE((*letters_.find(11)).has_value());
}

TEST_F(DeadLettersTest, PagesMeetEveryRecordOnceThoughManyWereDelivered) {
  for (std::uint64_t sequence = 1; sequence <= 1000; ++sequence) {
    add(sequence);
    if (sequence % 3 != 0) {
      add(sequence, DeadLetterEvent::kRetryRequested);
      add(sequence, DeadLetterEvent::kDelivered);
    }
  }
  std::vector<std::uint64_t> all;
  for (std::uint64_t after = 0;;) {
    const auto page = listed(after, 7);
    all.insert(all.end(), page.begin(), page.end());
    if (page.size() < 7) break;
    after = page.back();
  }
  ASSERT_EQ(all.size(), 333U);
  for (std::size_t i = 0; i < all.size(); ++i) EXPECT_EQ(all[i], 3 * (i + 1));
}

TEST_F(DeadLettersTest, ComesBackAfterARestart) {
  add(10);
  ASSERT_TRUE(letters_.sync().ok());
  DeadLetters again(system_file_system(), path_);
  ASSERT_TRUE(again.open().ok());
  const auto found = again.find(10);
  ASSERT_TRUE(found.ok() && found->has_value());
  EXPECT_EQ((*found)->near_sequence, 15U);
  EXPECT_EQ((*found)->http_status, 400);
  EXPECT_EQ((*found)->api_code, "VALIDATION_ERROR");
}

TEST_F(DeadLettersTest, ATornLineEndsTheFileAndIsReplaced) {
  add(10);
  add(20);
  for (const std::uint64_t cut : {1U, 40U, 63U}) {
    auto file = system_file_system().open(path_, OpenMode::kWrite);
    ASSERT_TRUE((*file)->truncate(128 - cut).ok());
    DeadLetters again(system_file_system(), path_);
    ASSERT_TRUE(again.open().ok());
    EXPECT_FALSE((*again.find(20)).has_value());
    DeadLetter letter;
    letter.record_sequence = 20;
    ASSERT_TRUE(again.append(letter).ok());
    EXPECT_TRUE((*again.find(20)).has_value());
    EXPECT_TRUE((*again.find(10)).has_value());
  }
}

}  // namespace
}  // namespace xased::test
