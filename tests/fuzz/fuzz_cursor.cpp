// The delivery's cursor: what decodes is encoded again as it was, and a slot with any bytes in it
// neither stops delivery nor hides the other one.
#include <vector>

#include "daemon/delivery/cursor.hpp"
#include "proto/crc32c.hpp"
#include "tests/fuzz/fuzz.hpp"
#include "tests/support/fake_file_system.hpp"

namespace {

using xase::fuzz::require;
using xase::fuzz::same;
using xase::proto::Bytes;

// With the check sum that the bytes ask for, since no fuzzer finds one.
std::vector<std::byte> sealed(Bytes bytes) {
  std::vector<std::byte> copy(bytes.begin(), bytes.end());
  if (copy.size() < 136) return copy;
  const auto used =
      std::min<std::size_t>(xase::proto::load<std::uint32_t>(copy.data() + 12), copy.size());
  if (used < 136) return copy;
  xase::proto::store(copy.data() + 132, std::uint32_t{0});
  xase::proto::store(copy.data() + 132, xase::proto::crc32c(Bytes(copy).first(used)));
  return copy;
}

void check(Bytes bytes) {
  const auto cursor = xased::decode_cursor(bytes);
  if (cursor) {
    const std::vector<std::byte> again = xased::encode_cursor(*cursor);
    const auto reread = xased::decode_cursor(again);
    require(reread && same(xased::encode_cursor(*reread), again), "a cursor is kept as it is");
    require(again.size() <= bytes.size(), "a cursor comes from its own bytes");
    // Without an intent, what stands in its place is not looked at.
    if (cursor->first_intent) {
      require(same(again, bytes.first(again.size())), "a cursor has one encoding");
    }
  }
  xased::test::FakeFileSystem fs;
  require(fs.make_directory("delivery", 0700).ok(), "the fake disk has folders");
  xased::Cursor good;
  good.settled_through = 5;
  {
    xased::CursorStore store(fs, "delivery");
    require(store.load().ok() && store.store(good).ok(), "a fresh store stores");
  }
  fs.put("delivery/cursor.1", {bytes.begin(), bytes.end()});
  xased::CursorStore store(fs, "delivery");
  const auto loaded = store.load();
  require(loaded.ok() && loaded->cursor.has_value(), "the sound slot is found");
  const bool is_newer = cursor && cursor->generation > 1;  // the first that was stored has 1
  require(loaded->cursor->settled_through == (is_newer ? cursor->settled_through : 5),
          "the newer sound slot counts");
  require(store.store(good).ok(), "storing goes on");
  good.settled_through = 6;
  require(store.store(good).ok(), "storing goes on");
  const auto reloaded = xased::CursorStore(fs, "delivery").load();
  require(reloaded.ok() && !reloaded->damaged && reloaded->cursor &&
              reloaded->cursor->settled_through == 6,
          "what was stored last is found");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const Bytes bytes(reinterpret_cast<const std::byte*>(data), size);
  check(bytes);
  check(sealed(bytes));
  return 0;
}
