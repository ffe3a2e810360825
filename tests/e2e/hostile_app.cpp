// An app that misbehaves: each line of its input names a hostility, done with a ring or a file of
// its own, and each is answered by a line once it is done or, for a flood, once it is under way.
//
//   hostile-app RUN_DIR SEED
//
//   in:  <hostility>             out:  <ring id> <committed> <refused>
//   in:  flood, then anything    out:  a line for either, the second with all that was made
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iostream>
#include <map>
#include <memory>
#include <string>
#include <thread>

#include "proto/hex.hpp"
#include "tests/support/records.hpp"
#include "tests/support/ring_producer.hpp"
#include "tests/support/seeded_random.hpp"

namespace xased::test {
namespace {

namespace fs = std::filesystem;
using xase::proto::Id;
using xase::proto::RingFrameHeader;

constexpr std::uint64_t kBefore = 3;  // sound records that are taken before the ring turns bad

void wait_until(const std::function<bool()>& condition) {
  while (!condition()) std::this_thread::sleep_for(std::chrono::microseconds(200));
}

class HostileApp {
 public:
  HostileApp(std::string run_dir, std::uint64_t seed)
      : run_dir_(std::move(run_dir)),
        rings_(run_dir_ + "/" + std::string(xase::proto::kRingsFolder)),
        workshop_(run_dir_ + "/workshop"),
        random_(seed) {
    fs::create_directories(workshop_ + "/" + std::string(xase::proto::kRingsFolder));
  }

  // False: there is no such hostility.
  bool act(const std::string& name) {
    const auto found = hostilities_.find(name);
    if (found == hostilities_.end()) return false;
    random_.fill(id_);
    committed_ = refused_ = 0;
    (this->*found->second)();
    say();
    return true;
  }

 private:
  using Hostility = void (HostileApp::*)();

  // ---- A ring that was sound, and is attached ----

  void truncate() {
    const auto ring = attached();
    // Down to the daemon's words, the producer's, or the data: what is left decides who trips.
    const std::uint64_t left = random_.between(0, 3) * xase::proto::kRingPageBytes;
    ring->truncate(left);
    if (left > xase::proto::kRingProducerOffset)
      ring->words().committed.store(ring->position() + 32);
    until_aside(*ring);
  }
  void scribble() {
    const auto ring = attached();
    std::byte* base = start(*ring);
    const std::uint64_t areas[] = {xase::proto::kRingIdentityOffset,
                                   xase::proto::kRingProducerOffset, xase::proto::kRingDaemonOffset,
                                   xase::proto::kRingResultsOffset,
                                   static_cast<std::uint64_t>(ring->data() - base)};
    while (fs::exists(ring->path())) {
      for (std::uint64_t i = 0; i < 200; ++i) {
        if (random_.between(0, 3) == 0) (void)ring->record(numbered_record(i));
        const std::uint64_t word = random_.next() >> random_.between(0, 63);
        std::byte* at = base + areas[random_.between(0, std::size(areas) - 1)] +
                        random_.between(0, 0x40) * sizeof word;
        reinterpret_cast<std::atomic<std::uint64_t>*>(at)->store(word);
      }
    }
  }
  void billion_byte_length() {
    const auto ring = attached();
    RingFrameHeader header = ring->next_header(0);
    header.payload_bytes = 1'000'000'000;
    ring->commit_raw(header);
    until_aside(*ring);
  }
  void position_going_back() {
    const auto ring = attached();
    ring->words().committed.store(random_.between(0, ring->position() / 32 - 1) * 32);
    until_aside(*ring);
  }
  void position_too_far() {
    const auto ring = attached();
    ring->words().committed.store(ring->position() + (random_.coin() ? 5 : std::uint64_t{1} << 40));
    until_aside(*ring);
  }
  // Nobody is harmed by it: what the ring held is taken through the mapping.
  void removed_ring() {
    const auto ring = attached();
    EXPECT_EQ(::unlink(ring->path().c_str()), 0);
    for (int i = 0; i < 2; ++i) EXPECT_TRUE(ring->record(numbered_record(9)));
    committed_ = ring->sequence();
    until_taken(*ring);
  }

  // ---- What was never a ring of its name ----

  void newer_version() {
    const auto ring = made();
    const auto version = static_cast<std::uint32_t>(random_.between(2, 100));
    xase::proto::store(start(*ring) + offsetof(xase::proto::RingIdentity, version), version);
    place(ring->path());
  }
  void header_with_a_flipped_bit() {
    const auto ring = made();
    std::uint64_t offset = 0;
    do {
      offset = random_.between(0, offsetof(xase::proto::RingIdentity, created_wall_ns) - 1);
    } while (is_free(offset));
    start(*ring)[offset] ^= std::byte{1} << random_.between(0, 7);
    place(ring->path());
  }
  void sound_ring_of_another_name() {
    const auto ring = made();
    random_.fill(id_);
    place(ring->path());
  }
  void hard_link_to_anothers_ring() {
    EXPECT_EQ(::link(anothers_ring().c_str(), thing().c_str()), 0);
    place(thing());
  }
  void symbolic_link() {
    const std::string targets[] = {anothers_ring(), "/etc/passwd", "/nowhere/at/all", "."};
    EXPECT_EQ(::symlink(targets[random_.between(0, 3)].c_str(), thing().c_str()), 0);
    place(thing());
  }
  void fifo() {
    EXPECT_EQ(::mkfifo(thing().c_str(), 0600), 0);
    place(thing());
  }
  void directory() {
    EXPECT_EQ(::mkdir(thing().c_str(), 0700), 0);
    place(thing());
  }
  void garbage() {
    std::string bytes(random_.between(0, 20000), '\0');
    random_.fill(std::as_writable_bytes(std::span<char>(bytes)));
    std::ofstream(thing(), std::ios::binary) << bytes;
    place(thing());
  }

  // ---- Noise ----

  void doorbell_scribbled() {
    xase::proto::Mapping page;
    const int fd = ::open(doorbell_path().c_str(), O_RDWR | O_CLOEXEC);
    EXPECT_EQ(page.map(fd, xase::proto::kDoorbellBytes), 0);
    ::close(fd);
    auto* words = reinterpret_cast<std::atomic<std::uint32_t>*>(page.data());
    for (int i = 0; i < 20000; ++i) {
      words[random_.between(0, 0x40)].store(static_cast<std::uint32_t>(random_.next()));
    }
  }
  void doorbell_cut_off() { EXPECT_EQ(::truncate(doorbell_path().c_str(), 0), 0); }
  // Of records that are none, so that it ends with the daemon and does not flood the API too.
  void flood() {
    RingProducer ring(run_dir_, options());
    std::atomic<bool> stop{false};
    std::thread producer([&] {
      while (!stop.load(std::memory_order_relaxed)) (void)ring.record({});
    });
    wait_until([&] { return ring.words().refused.load() > 0; });
    say();
    std::string line;
    std::getline(std::cin, line);
    stop = true;
    producer.join();
    committed_ = ring.sequence();
    refused_ = ring.words().refused.load();
  }

  // ---- How it is done ----

  RingProducer::Options options() const {
    RingProducer::Options options;
    options.whole_id = id_;
    return options;
  }
  std::unique_ptr<RingProducer> attached() {
    auto ring = std::make_unique<RingProducer>(run_dir_, options());
    for (std::uint64_t n = 1; n <= kBefore; ++n) EXPECT_TRUE(ring->record(numbered_record(n)));
    committed_ = kBefore;
    until_taken(*ring);
    return ring;
  }
  static void until_taken(RingProducer& ring) {
    wait_until([&] { return ring.daemon().journaled_sequence.load() == ring.sequence(); });
  }
  static void until_aside(const RingProducer& ring) {
    wait_until([&] { return !fs::exists(ring.path()); });
  }
  // A sound ring where nobody looks, to be spoiled before it is placed.
  std::unique_ptr<RingProducer> made() const {
    return std::make_unique<RingProducer>(workshop_, options());
  }
  // The same for anything else.
  std::string thing() const { return workshop_ + "/thing"; }

  // Moves what was made into place, under a ring's name, and waits until it is out of the way.
  void place(const std::string& from) const {
    const std::string to = rings_ + "/" + xase::proto::ring_file_name(id_);
    EXPECT_EQ(::rename(from.c_str(), to.c_str()), 0) << std::strerror(errno);
    wait_until([&] { return !fs::exists(fs::symlink_status(to)); });
  }

  // Bytes of the identity that may be anything.
  static bool is_free(std::uint64_t offset) {
    using xase::proto::RingIdentity;
    return (offset >= offsetof(RingIdentity, context_bytes) &&
            offset < offsetof(RingIdentity, file_bytes)) ||
           (offset >= offsetof(RingIdentity, pid) && offset < offsetof(RingIdentity, ring_id));
  }
  static std::byte* start(RingProducer& ring) {
    return reinterpret_cast<std::byte*>(&ring.words()) - xase::proto::kRingProducerOffset;
  }
  std::string doorbell_path() const {
    return run_dir_ + "/" + std::string(xase::proto::kDoorbellFile);
  }
  std::string anothers_ring() const {
    for (const auto& entry : fs::directory_iterator(rings_)) {
      const std::string name = entry.path().filename();
      if (!name.starts_with('.') && name.ends_with(xase::proto::kRingSuffix)) return entry.path();
    }
    ADD_FAILURE() << "there is no ring but ours";
    return {};
  }
  void say() const {
    std::printf("%s %llu %llu\n", xase::proto::to_hex(id_).c_str(),
                static_cast<unsigned long long>(committed_),
                static_cast<unsigned long long>(refused_));
    std::fflush(stdout);
  }

  const std::string run_dir_;
  const std::string rings_;
  const std::string workshop_;
  SeededRandom random_;
  Id id_{};
  std::uint64_t committed_ = 0;
  std::uint64_t refused_ = 0;
  static const std::map<std::string, Hostility> hostilities_;
};

const std::map<std::string, HostileApp::Hostility> HostileApp::hostilities_{
    {"truncated", &HostileApp::truncate},
    {"scribbled", &HostileApp::scribble},
    {"billion-byte-length", &HostileApp::billion_byte_length},
    {"position-going-back", &HostileApp::position_going_back},
    {"position-too-far", &HostileApp::position_too_far},
    {"removed", &HostileApp::removed_ring},
    {"newer-version", &HostileApp::newer_version},
    {"flipped-header-bit", &HostileApp::header_with_a_flipped_bit},
    {"another-name", &HostileApp::sound_ring_of_another_name},
    {"hard-link", &HostileApp::hard_link_to_anothers_ring},
    {"symbolic-link", &HostileApp::symbolic_link},
    {"fifo", &HostileApp::fifo},
    {"directory", &HostileApp::directory},
    {"garbage", &HostileApp::garbage},
    {"doorbell-scribbled", &HostileApp::doorbell_scribbled},
    {"doorbell-cut-off", &HostileApp::doorbell_cut_off},
    {"flood", &HostileApp::flood},
};

}  // namespace
}  // namespace xased::test

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  xased::test::HostileApp app(argv[1], std::stoull(argv[2]));
  for (std::string line; std::getline(std::cin, line);) {
    if (!app.act(line)) return 2;
    // An expectation that failed: the hostility was not what it should have been.
    if (testing::UnitTest::GetInstance()->ad_hoc_test_result().Failed()) return 1;
  }
}
