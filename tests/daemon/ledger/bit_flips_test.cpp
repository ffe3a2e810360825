// Each single bit of a closed segment of 64 KiB, flipped: header, frames, commit marks and the
// zeros behind them. All of it is covered, so that no flip passes; the count is printed.
//
// Every one of the 524,288 with XASE_FLIP_STEP=1; else one in so many of them, from a random one
// on.
#include <gtest/gtest.h>

#include <array>
#include <cstdio>
#include <random>
#include <string>
#include <thread>

#include "tests/daemon/ledger/sealed_ledger.hpp"

namespace xased {
namespace {

using namespace test;  // NOLINT(google-build-using-namespace)

constexpr std::size_t kSegmentBytes = 64U << 10;
constexpr std::size_t kBits = kSegmentBytes * 8;
constexpr std::size_t kStepDefault = 64;
constexpr unsigned kThreads = 2;

enum Place : std::size_t { kHeader, kFrame, kMark, kZeros, kPlaces };
constexpr std::array<const char*, kPlaces> kPlaceNames{"segment header", "entries", "commit marks",
                                                       "zeros behind them"};

// What each byte of the segment is.
std::vector<Place> places_of(const std::string& state_dir) {
  std::vector<Place> places(kSegmentBytes, kZeros);
  std::fill_n(places.begin(), xase::proto::kSegmentHeaderBytes, kHeader);
  const TakenApart segment(state_dir, 1);
  for (const auto& piece : segment.pieces) {
    std::fill_n(places.begin() + static_cast<std::ptrdiff_t>(piece.position), piece.bytes.size(),
                piece.is_mark ? kMark : kFrame);
  }
  return places;
}

struct Count {
  std::array<std::size_t, kPlaces> flipped{};
  std::array<std::size_t, kPlaces> detected{};
  std::string first_missed;
};

// Bits `from`, `from` + `step`, …, in a copy of the ledger that is this thread's own.
class Flipper {
 public:
  Flipper(const std::string& state_dir, const xase::proto::VerifierKey& key) {
    std::filesystem::copy(state_dir, copy_.path(),
                          std::filesystem::copy_options::recursive |
                              std::filesystem::copy_options::overwrite_existing);
    options_.keys = {key};
    options_.patience = std::chrono::milliseconds(0);
    const std::string path = segment_path(copy_.path(), 1);
    sound_ = read_bytes(path);
    file_.open(path, std::ios::in | std::ios::out | std::ios::binary);
  }

  int verified() {
    const auto report = verify_ledger(system_file_system(), copy_.path(), options_);
    return report.ok() ? report->exit_code() : 3;
  }
  const ByteBuffer& sound() const { return sound_; }

  void run(std::size_t from, std::size_t step, const std::vector<Place>& places, Count& count) {
    for (std::size_t bit = from; bit < kBits; bit += step) {
      const std::size_t at = bit / 8;
      put(at, sound_[at] ^ static_cast<std::byte>(1U << bit % 8));
      ++count.flipped[places[at]];
      if (verified() == 1) {
        ++count.detected[places[at]];
      } else if (count.first_missed.empty()) {
        count.first_missed = "bit " + std::to_string(bit % 8) + " of byte " + std::to_string(at);
      }
      put(at, sound_[at]);
    }
  }

 private:
  void put(std::size_t at, std::byte byte) {
    file_.seekp(static_cast<std::streamoff>(at));
    file_.put(static_cast<char>(byte));
    file_.flush();
  }

  const TempDir copy_;
  VerifyOptions options_;
  ByteBuffer sound_;
  std::fstream file_;
};

TEST(BitFlips, NoFlippedBitOfASegmentPasses) {
  SealedLedger ledger;
  {
    auto run = ledger.run();
    while (segments_of(ledger.state_dir()).size() < 2) run->record(1);
    run->record(3);
    run->stop();
    ASSERT_EQ(ledger.verify(run->last()).exit_code(), 0);
  }
  const char* wanted = std::getenv("XASE_FLIP_STEP");
  const std::size_t step = wanted == nullptr ? kStepDefault : std::stoul(wanted);
  ASSERT_GT(step, 0U);
  const std::size_t start = std::random_device()() % step;
  std::printf("every %zu. of %zu bits, from bit %zu on\n", step, kBits, start);
  const std::vector<Place> places = places_of(ledger.state_dir());
  std::array<Count, kThreads> counts;
  std::vector<std::thread> threads;
  for (unsigned i = 0; i < kThreads; ++i) {
    threads.emplace_back([&, i] {
      Flipper flipper(ledger.state_dir(), ledger.key->verifier_key());
      ASSERT_EQ(flipper.sound().size(), kSegmentBytes);
      flipper.run(start + i * step, kThreads * step, places, counts[i]);
      EXPECT_EQ(flipper.verified(), 0) << "the flips were taken back";
    });
  }
  for (std::thread& thread : threads) thread.join();
  std::size_t flipped = 0;
  for (std::size_t place = 0; place < kPlaces; ++place) {
    const std::size_t here = counts[0].flipped[place] + counts[1].flipped[place];
    const std::size_t detected = counts[0].detected[place] + counts[1].detected[place];
    std::printf("%-18s %7zu flipped, %7zu detected\n", kPlaceNames[place], here, detected);
    EXPECT_EQ(here, detected);
    EXPECT_NE(here, 0U);
    flipped += here;
  }
  EXPECT_EQ(flipped, (kBits - start + step - 1) / step);
  for (const Count& count : counts) EXPECT_EQ(count.first_missed, "");
}

}  // namespace
}  // namespace xased
