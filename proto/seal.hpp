// SEAL entries: what bounds the ledger's epochs and counts what was in them.
//
//   offset  size
//        0     8   epoch, from 1, without holes
//        8     4   event, SealEvent
//       12     4   number of producers
//       16  8x10   totals of all entries before this one, see LedgerTotals
//       96  nx32   of each producer that is attached, at most 16384: ring id (16), sequence of its
//                  last record that was taken (8), refused records accounted for (8)
//        -     -   text: a signed note
//
// The note of an opening seal, and again of every seal at the head of a segment, is the epoch's
// certificate, signed by the ledger's key; the note of a closing seal is signed by the epoch's own
// key, whose private half is erased afterwards. An interval's seal has none. The texts that are
// signed, each line with a newline:
//
//   xase.epoch/1                      xase.seal/1
//   <origin>                          <origin>
//   <log id, hex>                     <log id, hex>
//   <epoch>                           <epoch>
//   <verifier key of the epoch>       <sequence of this SEAL entry>
//                                     <hash of the leaf before it, base64>
//
// By the chain that hash covers everything that came before. Neither first line can be an origin of
// a ledger, which has two slashes: no signature over one of these is one over a checkpoint.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "proto/base64.hpp"
#include "proto/bytes.hpp"
#include "proto/frame.hpp"
#include "proto/note.hpp"
#include "proto/run_dir.hpp"

namespace xase::proto {

enum class SealEvent : std::uint32_t {
  kOpen = 1,      // an epoch begins
  kInterval = 2,  // so much time has passed, also where nothing happened
  kSegment = 3,   // a segment begins
  kClose = 4,     // the epoch ends
};

constexpr std::string_view seal_event_name(SealEvent event) noexcept {
  switch (event) {
    case SealEvent::kOpen:
      return "open";
    case SealEvent::kInterval:
      return "interval";
    case SealEvent::kSegment:
      return "segment";
    case SealEvent::kClose:
      return "close";
  }
  return "unknown";
}

struct SealProducer {
  Id ring_id{};
  std::uint64_t last_ring_sequence = 0;
  std::uint64_t refused_accounted = 0;

  friend bool operator==(const SealProducer&, const SealProducer&) = default;
};
static_assert(sizeof(SealProducer) == 32);

inline constexpr std::size_t kSealFixedBytes = 96;
inline constexpr std::size_t kSealNoteBytesMax = 8192;
inline constexpr std::size_t kSealProducersMax = 16384;
// Bytes of the body with so many producers, at most.
constexpr std::size_t seal_bytes_max(std::size_t producers) noexcept {
  return kSealFixedBytes + producers * sizeof(SealProducer) + kSealNoteBytesMax;
}

struct SealBody {
  std::uint64_t epoch = 0;
  SealEvent event = SealEvent::kInterval;
  LedgerTotals totals{};
  std::vector<SealProducer> producers;
  std::string note;
};

inline std::vector<std::byte> encode(const SealBody& body) {
  const std::size_t producer_bytes = body.producers.size() * sizeof(SealProducer);
  std::vector<std::byte> out(kSealFixedBytes + producer_bytes);
  store(out.data(), body.epoch);
  store(out.data() + 8, static_cast<std::uint32_t>(body.event));
  store(out.data() + 12, static_cast<std::uint32_t>(body.producers.size()));
  store(out.data() + 16, body.totals);
  std::byte* to = out.data() + kSealFixedBytes;
  for (const SealProducer& producer : body.producers) {
    store(to, producer.ring_id);
    store(to + 16, producer.last_ring_sequence);
    store(to + 24, producer.refused_accounted);
    to += sizeof(SealProducer);
  }
  const Bytes note = as_bytes(body.note);
  out.insert(out.end(), note.begin(), note.end());
  return out;
}

// Nothing where the bytes are no such body.
inline std::optional<SealBody> decode_seal_body(Bytes bytes) {
  if (bytes.size() < kSealFixedBytes) return std::nullopt;
  SealBody body;
  body.epoch = load<std::uint64_t>(bytes.data());
  const auto event = load<std::uint32_t>(bytes.data() + 8);
  const auto producers = load<std::uint32_t>(bytes.data() + 12);
  if (body.epoch == 0 || event < 1 || event > 4) return std::nullopt;
  body.event = static_cast<SealEvent>(event);
  body.totals = load<LedgerTotals>(bytes.data() + 16);
  Bytes rest = bytes.subspan(kSealFixedBytes);
  if (producers > kSealProducersMax || producers > rest.size() / sizeof(SealProducer)) {
    return std::nullopt;
  }
  body.producers.reserve(producers);
  for (std::uint32_t i = 0; i < producers; ++i) {
    body.producers.push_back({load<Id>(rest.data()), load<std::uint64_t>(rest.data() + 16),
                              load<std::uint64_t>(rest.data() + 24)});
    rest = rest.subspan(sizeof(SealProducer));
  }
  if (rest.size() > kSealNoteBytesMax) return std::nullopt;
  body.note = as_text(rest);
  return body;
}

// The text that the ledger's key signs for an epoch. `verifier_key`: as format_verifier_key().
inline std::string epoch_text(std::string_view origin, const Hash& log_id, std::uint64_t epoch,
                              std::string_view verifier_key) {
  return "xase.epoch/1\n" + std::string(origin) + "\n" + to_hex(log_id) + "\n" +
         std::to_string(epoch) + "\n" + std::string(verifier_key) + "\n";
}

// The text that the epoch's key signs at its end.
inline std::string closing_text(std::string_view origin, const Hash& log_id, std::uint64_t epoch,
                                std::uint64_t sequence, const Hash& previous) {
  return "xase.seal/1\n" + std::string(origin) + "\n" + to_hex(log_id) + "\n" +
         std::to_string(epoch) + "\n" + std::to_string(sequence) + "\n" + encode_base64(previous) +
         "\n";
}

// The verifier key in a text that is an epoch_text() of this ledger and epoch, whatever its origin;
// empty where it is not.
inline std::string_view key_in_epoch_text(std::string_view text, const Hash& log_id,
                                          std::uint64_t epoch) {
  constexpr std::string_view kFirst = "xase.epoch/1\n";
  if (!text.starts_with(kFirst)) return {};
  const std::size_t origin_end = text.find('\n', kFirst.size());
  const std::size_t key_end = text.empty() ? 0 : text.size() - 1;
  if (origin_end == std::string_view::npos) return {};
  const std::size_t key_begin = text.rfind('\n', key_end - 1) + 1;
  if (key_begin <= origin_end) return {};
  const std::string_view origin = text.substr(kFirst.size(), origin_end - kFirst.size());
  const std::string_view key = text.substr(key_begin, key_end - key_begin);
  return text == epoch_text(origin, log_id, epoch, key) ? key : std::string_view();
}

}  // namespace xase::proto
