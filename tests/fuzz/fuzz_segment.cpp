// A journal of one or two segments of any bytes: recovery succeeds, also after dying on its way,
// and comes to the same end each time; readers and verification go over what it leaves.
#include <algorithm>
#include <cerrno>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "daemon/ledger/journal_reader.hpp"
#include "daemon/ledger/recovery.hpp"
#include "daemon/ledger/segment_names.hpp"
#include "daemon/ledger/verify.hpp"
#include "proto/hashing.hpp"
#include "proto/run_dir.hpp"
#include "tests/fuzz/fuzz.hpp"
#include "tests/support/fake_file_system.hpp"

namespace {

using namespace xase::proto;
using xase::fuzz::require;
using xased::test::FakeFileSystem;

constexpr const char* kState = "state";
constexpr const char* kJournal = "state/journal";
// What of a segment's header counts. The input leaves out the zeros behind it.
constexpr std::size_t kHeaderBytes = 256;

// How an input is laid out: one byte of these, one for when recovery dies, then the segments.
enum Shape : std::uint8_t {
  kSeal = 1,        // give headers and frames check sums that hold: no fuzzer finds one
  kChain = 2,       // and each leaf the hash of the one before
  kTwo = 4,         // a second segment
  kFirstIsOne = 8,  // the first segment is named for sequence 1, not as the input says
  kFull = 16        // a start before finds the disk full
};

void seal_segment(std::vector<std::byte>& bytes, bool chain, Hash& head) {
  store(bytes.data() + kSegmentHeaderCrcOffset,
        crc32c(Bytes(bytes).first(kSegmentHeaderCrcOffset)));
  xased::Sha256 sha256;
  for (std::size_t at = kSegmentHeaderBytes; at + kFrameHeaderBytes <= bytes.size();) {
    std::byte* frame = bytes.data() + at;
    const std::size_t leaf_bytes = load<std::uint32_t>(frame + 8);
    const std::size_t erasable_bytes = load<std::uint32_t>(frame + 12);
    const std::size_t whole = frame_bytes(leaf_bytes, erasable_bytes);
    if (load<std::array<char, 4>>(frame) != kFrameMagic || whole > bytes.size() - at) {
      at += kFrameAlignment;
      continue;
    }
    if (chain && leaf_bytes == kLeafBytes) {
      store(frame + kFrameHeaderBytes + kLeafPreviousOffset, head);
      head = leaf_hash(sha256, {frame + kFrameHeaderBytes, kLeafBytes});
    }
    seal_frame(frame, load<std::uint16_t>(frame + 6), load<std::uint64_t>(frame + 16), leaf_bytes,
               erasable_bytes);
    at += whole;
  }
}

using Segments = std::map<std::string, std::vector<std::byte>>;

Segments segments_of(xase::fuzz::Input& input, std::uint8_t shape) {
  Segments segments;
  Hash head{};
  for (int i = 0; i < ((shape & kTwo) != 0 ? 2 : 1); ++i) {
    const std::uint64_t first = input.take<std::uint16_t>();
    const std::size_t size = input.take<std::uint16_t>();
    const Bytes header = input.bytes(std::min(size, kHeaderBytes));
    const Bytes frames = input.bytes(size - std::min(size, kHeaderBytes));
    std::vector<std::byte> bytes(header.begin(), header.end());
    bytes.resize(kSegmentHeaderBytes);
    bytes.insert(bytes.end(), frames.begin(), frames.end());
    if ((shape & kSeal) != 0) {
      if (i == 0) head = load<Hash>(bytes.data() + 56);
      seal_segment(bytes, (shape & kChain) != 0, head);
    }
    const bool is_one = i == 0 && (shape & kFirstIsOne) != 0;
    segments[xased::segment_name(is_one ? 1 : first)] = std::move(bytes);
  }
  return segments;
}

void fill(FakeFileSystem& fs, const Segments& segments) {
  require(fs.make_directory(kState, 0700).ok() && fs.make_directory(kJournal, 0700).ok(),
          "the fake disk has folders");
  for (const auto& [name, bytes] : segments) fs.put(std::string(kJournal) + "/" + name, bytes);
}

xased::Recovery recover(FakeFileSystem& fs) {
  auto recovery = xased::recover_ledger(fs, kState);
  if (!recovery.ok()) {
    std::fprintf(stderr, "%s\n", recovery.status().message().c_str());
    require(false, "a disk without faults lets recovery succeed");
  }
  return std::move(*recovery);
}

bool same_damage(const xased::JournalDamage& a, const xased::JournalDamage& b) {
  return a.first == b.first && a.last == b.last && a.segment == b.segment &&
         a.position == b.position;
}

// For whoever looks into a failure.
void print(const char* which, const xased::Recovery& recovery) {
  if (std::getenv("XASE_FUZZ_PRINT") == nullptr) return;
  std::fprintf(stderr, "%s: new %d, last %ju, tail %zu segments at %ju, torn %ju, clean %d\n",
               which, recovery.is_new ? 1 : 0, std::uintmax_t{recovery.chain.last_sequence},
               recovery.tail.segments.size(), std::uintmax_t{recovery.tail.position},
               std::uintmax_t{recovery.torn_bytes}, recovery.was_clean ? 1 : 0);
  for (const xased::JournalDamage& damage : recovery.damage) {
    std::fprintf(stderr, "  damage %ju..%ju in %s at %ju: %s\n", std::uintmax_t{damage.first},
                 std::uintmax_t{damage.last}, damage.segment.c_str(),
                 std::uintmax_t{damage.position}, damage.what.c_str());
  }
  for (const std::string& name : recovery.set_aside) {
    std::fprintf(stderr, "  set aside %s\n", name.c_str());
  }
}

void require_same(const xased::Recovery& a, const xased::Recovery& b, bool goes_on_there = true) {
  print("one", a);
  print("other", b);
  require(a.is_new == b.is_new, "recovery finds a ledger again");
  require(a.chain.log_id == b.chain.log_id && a.chain.head == b.chain.head &&
              a.chain.last_sequence == b.chain.last_sequence,
          "recovery finds the same end");
  require(std::memcmp(&a.chain.totals, &b.chain.totals, sizeof a.chain.totals) == 0,
          "recovery counts the same");
  require(
      a.tail.segments == b.tail.segments && (!goes_on_there || a.tail.position == b.tail.position),
      "recovery goes on at the same place");
  require(std::ranges::equal(a.damage, b.damage, same_damage) &&
              std::ranges::equal(a.all_damage, b.all_damage, same_damage),
          "recovery names the same damage");
  require(a.was_clean == b.was_clean, "recovery finds the same last entry");
  require(std::ranges::equal(a.rings, b.rings,
                             [](const auto& x, const auto& y) {
                               return x.first == y.first &&
                                      std::memcmp(&x.second, &y.second, sizeof x.second) == 0;
                             }),
          "recovery knows the same of each ring");
}

void check_recovery(const xased::Recovery& recovery, const FakeFileSystem& fs) {
  if (recovery.is_new) {
    for (const std::string& name : fs.names(kJournal)) {
      require(!xased::parse_segment_name(name), "what is no ledger is out of the way");
    }
    return;
  }
  require(recovery.chain.last_sequence != 0 && !recovery.tail.segments.empty(),
          "a ledger has entries");
  require(recovery.tail.position >= kSegmentHeaderBytes && recovery.tail.position % 8 == 0,
          "writing goes on at a frame's place");
  std::uint64_t behind = 0;
  for (const xased::JournalDamage& damage : recovery.all_damage) {
    require(damage.first > behind && damage.last + 1 >= damage.first, "damage is told in order");
    require(damage.last <= recovery.chain.last_sequence, "damage lies within the ledger");
    behind = damage.last;
  }
}

// Everything from the first segment on is an entry or named as damage, once and in order.
void check_reader(FakeFileSystem& fs, const xased::Recovery& recovery) {
  const std::uint64_t last = recovery.chain.last_sequence;
  xased::JournalReader reader(fs, kJournal);
  require(reader.seek(1).ok(), "a reader finds its place");
  std::uint64_t expected = reader.next_sequence();
  // Of a hole of any size a reader makes one step.
  for (int steps = 0; expected <= last; ++steps) {
    require(steps < 10'000, "a reader comes to its end");
    const auto step = reader.next(last);
    require(step.ok() && *step != xased::JournalReader::Step::kEnd, "a reader goes on to the end");
    if (*step == xased::JournalReader::Step::kEntry) {
      require(reader.entry().leaf.sequence == expected, "entries come in order");
      ++expected;
    } else {
      require(reader.damage().first == expected && reader.damage().last >= expected &&
                  reader.damage().last <= last,
              "damage lies between entries");
      expected = reader.damage().last + 1;
    }
  }
  const auto step = reader.next(last);
  require(step.ok() && *step == xased::JournalReader::Step::kEnd, "behind the end is nothing");
}

void check_verify(FakeFileSystem& fs, const xased::Recovery& recovery) {
  xased::VerifyOptions options;
  options.patience = std::chrono::milliseconds(0);
  const auto report = xased::verify_ledger(fs, kState, options);
  require(report.ok(), "verification ends with a report");
  if (!report->malformed.empty()) {
    require(report->exit_code() == 3, "what is malformed is so told");
    return;
  }
  require(report->properties.size() == xased::kVerifyProperties, "every property is told");
  require(report->findings.size() <= options.findings_max &&
              report->findings.size() <= report->findings_total &&
              report->gaps.size() <= options.gaps_max,
          "a report is bounded");
  std::uint64_t refutations = 0;
  for (const xased::VerifyPropertyReport& property : report->properties) {
    const bool refuted = property.verdict == xased::VerifyVerdict::kRefuted;
    require(refuted == (property.findings != 0), "what is refuted has a place that does so");
    require(!property.text.empty(), "a verdict has its sentence");
    refutations += property.findings;
  }
  require(refutations == report->findings_total, "every finding belongs to a property");
  require((report->exit_code() == 1) == (refutations != 0), "a finding refutes");
  if (report->exit_code() != 0) return;
  // What passes is what recovery goes on with.
  require(recovery.all_damage.empty(), "a ledger with damage does not pass");
  require(!recovery.is_new && report->last_sequence == recovery.chain.last_sequence &&
              report->head == to_hex(recovery.chain.head),
          "verification and recovery find the same end");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  xase::fuzz::Input input(data, size);
  const auto shape = input.take<std::uint8_t>();
  const auto dies_at = input.take<std::uint8_t>();
  const Segments segments = segments_of(input, shape);

  FakeFileSystem fs;
  fill(fs, segments);
  const auto first = xased::recover_ledger(fs, kState);
  if (!first.ok()) {
    require(first.status().code() == xased::Code::kUnsupported && !first.status().message().empty(),
            "recovery fails only for a newer version's ledger");
    return 0;
  }
  check_recovery(*first, fs);
  const xased::Recovery second = recover(fs);
  require_same(*first, second);
  require(second.set_aside.empty() && second.torn_bytes == 0, "nothing is set aside twice");

  if (dies_at != 0) {
    FakeFileSystem mortal;
    fill(mortal, segments);
    mortal.die_at(dies_at);
    static_cast<void>(xased::recover_ledger(mortal, kState));
    mortal.restart();
    require_same(*first, recover(mortal));
  }

  if ((shape & kFull) != 0) {
    FakeFileSystem full;
    fill(full, segments);
    full.set_space(0);
    const auto on_full = xased::recover_ledger(full, kState);
    require(on_full.ok() || on_full.status().code() == xased::Code::kNoSpace,
            "a full disk lets recovery succeed, or says so");
    // What was torn may have stayed, and the ledger go on behind it.
    const bool stays = on_full.ok() && on_full->torn_bytes != 0 && on_full->torn_saved_as.empty();
    if (on_full.ok()) require_same(*first, *on_full, !stays);
    full.heal();
    require_same(*first, recover(full), !stays);
  }

  if (!first->is_new) {
    check_reader(fs, *first);
    check_verify(fs, *first);
  }
  return 0;
}
