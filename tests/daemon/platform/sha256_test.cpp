#include "daemon/platform/sha256.hpp"

#include <gtest/gtest.h>

#include <set>

#include "daemon/platform/clock.hpp"
#include "daemon/platform/random.hpp"
#include "proto/run_dir.hpp"

namespace xased {
namespace {

using xase::proto::as_bytes;
using xase::proto::to_hex;

// FIPS 180-4 examples.
TEST(Sha256, GivesTheStandardsExamples) {
  Sha256 sha256;
  EXPECT_EQ(to_hex(sha256.of(as_bytes("abc"))),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(to_hex(sha256.of({})),
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(to_hex(sha256.of(as_bytes("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"))),
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
}

TEST(Sha256, HashesPiecesAsTheWholeAndStartsAnew) {
  Sha256 sha256;
  sha256.start();
  sha256.add(as_bytes("ignored"));
  sha256.start();
  sha256.add(as_bytes("a"));
  sha256.add({});
  sha256.add(as_bytes("bc"));
  EXPECT_EQ(sha256.finish(), Sha256().of(as_bytes("abc")));
}

TEST(SystemRandom, GivesOtherBytesEachTime) {
  std::set<xase::proto::Id> ids;
  for (int i = 0; i < 1000; ++i) {
    xase::proto::Id id{};
    system_random().fill(id);
    ids.insert(id);
  }
  EXPECT_EQ(ids.size(), 1000U);
}

TEST(SystemClock, MovesForwardAndKnowsItsBoot) {
  const Clock& clock = system_clock();
  const std::int64_t before = clock.boot_ns();
  EXPECT_GT(before, 0);
  EXPECT_GE(clock.boot_ns(), before);
  EXPECT_GT(clock.wall_ns(), 1'600'000'000'000'000'000);
  EXPECT_EQ(clock.boot_id(), clock.boot_id());
}

}  // namespace
}  // namespace xased
