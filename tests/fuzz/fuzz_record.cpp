// An encoded record: what decode_record() takes is encoded again to the same bytes, and keeps its
// fields as parts of a ledger entry.
#include <vector>

#include "proto/erasable.hpp"
#include "proto/record.hpp"
#include "tests/fuzz/fuzz.hpp"

namespace {

using namespace xase::proto;
using xase::fuzz::require;
using xase::fuzz::same;

// FORMATS.md's rule, said another way.
bool is_record(Bytes bytes) {
  if (bytes.size() < 80 || bytes.size() > kRecordBytesMax) return false;
  if (load<std::uint16_t>(bytes.data()) != 1 || load<std::uint16_t>(bytes.data() + 2) > 15 ||
      load<std::uint32_t>(bytes.data() + 4) != 0 || load<std::uint32_t>(bytes.data() + 76) != 0) {
    return false;
  }
  std::uint64_t total = 80;
  for (std::size_t i = 0; i < 13; ++i) total += load<std::uint32_t>(bytes.data() + 24 + 4 * i);
  return total == bytes.size();
}

void check_parts(Bytes record, const RecordFields& fields) {
  std::array<Id, kParts> salts{};
  for (std::size_t i = 0; i < kParts; ++i) salts[i].fill(static_cast<std::byte>(i + 1));
  std::vector<std::byte> entry(record_erasable_bytes(record.size()));
  encode_record_erasable(record, salts, entry.data());
  const auto erasable = decode_erasable(entry);
  require(erasable.has_value(), "a record's erasable part decodes");
  require(erasable->salts == salts, "the salts are those given");
  const auto again = decode_record_parts(*erasable);
  require(again.has_value(), "the parts are a record");
  require(again->spans == fields.spans && again->flags == fields.flags, "the fields stay");
  require(same({reinterpret_cast<const std::byte*>(&again->confidence), 8},
               {reinterpret_cast<const std::byte*>(&fields.confidence), 8}),
          "the confidence stays to the bit");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const Bytes bytes(reinterpret_cast<const std::byte*>(data), size);
  const auto fields = decode_record(bytes);
  require(fields.has_value() == is_record(bytes), "the format says whether it is a record");
  if (!fields) return 0;
  require(encoded_bytes(*fields) == size, "the spans fill the record");
  std::vector<std::byte> again(size);
  encode_record(*fields, again.data());
  require(same(again, bytes), "encoding again gives the same bytes");
  check_parts(bytes, *fields);
  return 0;
}
