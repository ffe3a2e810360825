// An API that is away for days, on a clock moved by hand: nothing is lost, nothing is doubled in
// silence, memory does not know how long it lasts, and the backlog goes faster than it came.
//
// XASE_TEST_OUTAGE_DAYS: how many (2). XASE_TEST_SEED: the draw of a run that failed.
#include <gtest/gtest.h>
#include <malloc.h>

#include <algorithm>
#include <cstdlib>
#include <deque>
#include <filesystem>
#include <iostream>
#include <random>
#include <set>

#include "daemon/delivery/delivery_core.hpp"
#include "tests/daemon/delivery/answers.hpp"
#include "tests/support/journal_builder.hpp"
#include "tests/support/manual_clock.hpp"
#include "tests/support/seeded_random.hpp"
#include "tests/support/temp_dir.hpp"
#include "tests/support/unsynced_file_system.hpp"

namespace xased::test {
namespace {

using std::chrono::hours;
using std::chrono::nanoseconds;
using std::chrono::seconds;
using xase::proto::EntryType;

constexpr nanoseconds kBetweenRecords = seconds(4);
constexpr nanoseconds kRoundTrip = std::chrono::milliseconds(500);
constexpr nanoseconds kKeyMemory = hours(24);
constexpr std::uint64_t kRecordsADay = hours(24) / kBetweenRecords;
constexpr std::uint64_t kSegmentEntries = 20'000;
// What a request's worth of noise in an allocator may be, and far less than a day of records.
constexpr std::size_t kHeapGrowthMax = std::size_t{1} << 20;

std::uint64_t number_from(const char* name, std::uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr || *text == '\0' ? otherwise : std::stoull(text);
}

std::size_t heap_bytes() {
  const auto info = mallinfo2();
  return info.uordblks + info.hblkhd;
}

// What is known of a record, by its sequence. Made for all of them beforehand, so that what the
// heap gains is not ours.
struct Fate {
  std::size_t key = 0;  // hashes of what was sent
  std::size_t body = 0;
  std::int64_t stored_wall_ns = 0;
  std::uint8_t stored = 0;  // how often
  std::uint8_t receipts = 0;
  bool is_record = false;
  bool is_marked = false;      // as a possible duplicate
  bool may_have_come = false;  // an attempt ended without an answer, or a life in between
};

// The way to the service, and the service: both take their time, and forget as the API does.
class DistantService final : public Dispatch {
 public:
  DistantService(const Clock& clock, SeededRandom& random, std::vector<Fate>& fates)
      : clock_(clock), random_(random), fates_(fates) {}

  void send(Job job) override {
    Fate& fate = fates_[job.id];
    const std::size_t key = std::hash<std::string>()(job.request->idempotency_key);
    const std::size_t body = std::hash<std::string>()(job.request->body);
    EXPECT_TRUE(fate.key == 0 || (fate.key == key && fate.body == body)) << "another request";
    fate.key = key;
    fate.body = body;
    ++attempts;
    under_way_.push_back({std::move(job), clock_.boot_ns()});
  }
  void receive(std::vector<JobResult>& results) override {
    while (!under_way_.empty() && next_boot_ns() <= clock_.boot_ns()) {
      const Flight& flight = under_way_.front();
      JobResult result;
      result.id = flight.job.id;
      result.route = flight.job.route;
      result.sent_boot_ns = flight.sent_boot_ns;
      result.took = kRoundTrip;
      result.answer = is_away ? fail(fates_[flight.job.id]) : post(fates_[flight.job.id]);
      results.push_back(std::move(result));
      under_way_.pop_front();
    }
  }
  void use(TransportFactory /*transports*/) override {}
  void abort() override {}

  // The process died: what was under way may have come anywhere.
  void cut() {
    for (const Flight& flight : under_way_) (void)fail(fates_[flight.job.id]);
    under_way_.clear();
  }
  std::int64_t next_boot_ns() const {
    return under_way_.empty() ? INT64_MAX : under_way_.front().sent_boot_ns + kRoundTrip.count();
  }

  bool is_away = false;
  std::uint64_t attempts = 0;
  std::uint64_t stored_in_silence = 0;

 private:
  struct Flight {
    Job job;
    std::int64_t sent_boot_ns = 0;
  };

  Answer post(Fate& fate) {
    const bool known =
        fate.stored != 0 && clock_.wall_ns() - fate.stored_wall_ns < kKeyMemory.count();
    if (known) return created(true);
    ++fate.stored;
    fate.stored_wall_ns = clock_.wall_ns();
    return created();
  }
  // Mostly nobody is there; now and then something takes the request and gives no answer, and it
  // may be the service itself.
  Answer fail(Fate& fate) {
    const std::uint64_t draw = random_.between(1, 100);
    if (draw <= 60) return no_answer(Reach::kNotSent);
    if (draw <= 75) return html(502);
    fate.may_have_come = true;
    if (draw > 90) {
      ++stored_in_silence;
      (void)post(fate);
    }
    return no_answer(Reach::kMaybe);
  }

  const Clock& clock_;
  SeededRandom& random_;
  std::vector<Fate>& fates_;
  std::deque<Flight> under_way_;
};

class LongOutage : public ::testing::Test {
 protected:
  LongOutage()
      : random_(seed_), journal_(fs_, scratch_.path(), clock_), service_(clock_, random_, fates_) {
    std::cout << "XASE_TEST_SEED=" << seed_ << "\n";
    std::filesystem::create_directory(scratch_.path() + "/delivery");
    // Each record and its receipt, and as much again for what comes while the backlog goes.
    fates_.resize((days_ + 2) * kRecordsADay * 4);
    next_record_boot_ns_ = clock_.boot_ns();
    rotate();
  }

  // A new life of the daemon; what was under way in the one before is lost with it.
  void start() {
    core_.reset();
    service_.cut();
    Handback lost;
    while (handbacks_.pop(lost)) {
    }
    appended_ = 0;
    positions_.handbacks_durable.store(0);
    dead_letters_ =
        std::make_unique<DeadLetters>(fs_, scratch_.path() + "/delivery/dead_letters.idx");
    core_ =
        std::make_unique<DeliveryCore>(DeliverySurroundings{fs_, clock_, random_, scratch_.path(),
                                                            positions_, handbacks_, intake_wake_},
                                       options_, service_, *dead_letters_, counters_);
    ASSERT_TRUE(core_->start().ok());
  }

  // Time passes, records come, and delivery does what it can.
  void live_for(nanoseconds time) {
    const std::int64_t end = clock_.boot_ns() + time.count();
    while (clock_.boot_ns() < end) {
      if (clock_.boot_ns() >= next_record_boot_ns_) record();
      rest();
      const std::int64_t next = std::min({end, next_record_boot_ns_, service_.next_boot_ns()});
      clock_.advance(nanoseconds(std::max<std::int64_t>(next - clock_.boot_ns(), 0)));
    }
    rest();
  }
  // Until nothing more happens at this moment.
  void rest() {
    while (core_->step(true) == nanoseconds(0) || intake()) {
    }
  }

  void record() {
    next_record_boot_ns_ += kBetweenRecords.count();
    if (journal_.last_sequence() >= segment_first_ + kSegmentEntries) rotate();
    const std::uint64_t sequence = journal_.record(1, ++records_, plain_record());
    fates_.at(sequence).is_record = true;
    durable();
  }
  void rotate() {
    segment_first_ = journal_.last_sequence() + 1;
    journal_.rotate();
    journal_.producer(1, R"({"pid":42})");
    durable();
  }
  void durable() { positions_.durable.store(journal_.last_sequence()); }

  // What intake and sync do with what is handed back.
  bool intake() {
    bool worked = false;
    for (Handback handback; handbacks_.pop(handback); worked = true) {
      if (handback.kind == Handback::Kind::kSettled) continue;
      EXPECT_EQ(handback.kind, Handback::Kind::kReceipt) << "set aside";
      xase::proto::ReceiptBody body = handback.body;
      body.answer = handback.text;
      journal_.append(EntryType::kReceipt, journal_.subject(1, handback.ring_sequence),
                      xase::proto::encode(body));
      Fate& fate = fates_.at(body.record_sequence);
      ++fate.receipts;
      fate.is_marked = (body.flags & xase::proto::kReceiptPossibleDuplicate) != 0;
      EXPECT_EQ(body.flags & xase::proto::kReceiptReplayed, 0) << "another's receipt";
      ++receipts_;
      ++appended_;
    }
    if (!worked) return false;
    durable();
    positions_.handbacks_durable.store(appended_);
    return true;
  }

  // Each record has its receipt and is at the service, and those that are there twice say so.
  struct Reckoning {
    std::uint64_t stored = 0;
    std::uint64_t marked = 0;
    std::uint64_t copies = 0;  // too many
  };
  Reckoning reckon(std::uint64_t doubted) const {
    Reckoning all;
    std::set<std::size_t> keys;
    for (std::uint64_t sequence = 1; sequence <= journal_.last_sequence(); ++sequence) {
      const Fate& fate = fates_[sequence];
      if (!fate.is_record) continue;
      EXPECT_EQ(fate.receipts, 1U) << sequence;
      EXPECT_TRUE(keys.insert(fate.key).second) << sequence << " has another's key";
      EXPECT_TRUE(fate.stored <= 1 || fate.is_marked) << sequence << " is doubled in silence";
      EXPECT_TRUE(!fate.is_marked || fate.may_have_come || sequence <= doubted)
          << sequence << " cannot be there twice";
      all.stored += fate.stored != 0;
      all.marked += fate.is_marked;
      all.copies += fate.stored > 1 ? fate.stored - 1U : 0U;
    }
    return all;
  }

  std::uint64_t backlog() const { return records_ - receipts_; }
  // The last record that an earlier life may have sent, by what is written.
  std::uint64_t doubted_through() {
    CursorStore store(fs_, scratch_.path() + "/delivery");
    const auto loaded = store.load();
    EXPECT_TRUE(loaded.ok() && loaded->cursor);
    return loaded.ok() && loaded->cursor ? loaded->cursor->window_end : 0;
  }

  const std::uint64_t seed_ = number_from("XASE_TEST_SEED", std::random_device{}());
  const std::uint64_t days_ = number_from("XASE_TEST_OUTAGE_DAYS", 2);
  TempDir scratch_;
  UnsyncedFileSystem fs_;
  ManualClock clock_;
  SeededRandom random_;
  JournalBuilder journal_;
  std::vector<Fate> fates_;
  DistantService service_;
  Positions positions_;
  HandbackQueue handbacks_;
  Wake intake_wake_;
  DeliveryOptions options_;
  DeliveryCounters counters_;
  std::unique_ptr<DeadLetters> dead_letters_;
  std::unique_ptr<DeliveryCore> core_;
  std::int64_t next_record_boot_ns_ = 0;
  std::uint64_t segment_first_ = 0;
  std::uint64_t records_ = 0;
  std::uint64_t receipts_ = 0;
  std::uint64_t appended_ = 0;
};

TEST_F(LongOutage, LosesNothingDoublesNothingInSilenceAndDrainsFasterThanItFilled) {
  start();
  live_for(hours(1));
  ASSERT_EQ(backlog(), 0U);
  const std::uint64_t first = journal_.last_sequence() + 1;
  const std::uint64_t attempts_before = service_.attempts;

  service_.is_away = true;
  std::uint64_t doubted = 0;
  std::size_t heap_first = 0;
  std::size_t heap_most = 0;
  for (std::uint64_t day = 1; day <= days_; ++day) {
    live_for(hours(24));
    const std::size_t heap = heap_bytes();
    if (day == 1) heap_first = heap;
    // Stopped, killed, or lost with the machine.
    if (day % 3 == 1) core_->store_cursor();
    if (day % 3 == 0) clock_.set_boot_id({std::byte{0xb0}, static_cast<std::byte>(day)});
    start();
    rest();
    doubted = std::max(doubted, doubted_through());
    heap_most = std::max({heap_most, heap, heap_bytes()});
    std::cout << "day " << day << ": backlog " << backlog() << ", heap " << (heap >> 10)
              << " KiB, after a restart " << (heap_bytes() >> 10) << " KiB\n";
  }
  EXPECT_EQ(backlog(), days_ * kRecordsADay);
  const std::uint64_t waiting = backlog();
  const std::uint64_t attempts = service_.attempts - attempts_before;

  service_.is_away = false;
  const std::uint64_t receipts_before = receipts_;
  const std::int64_t back_boot_ns = clock_.boot_ns();
  const std::int64_t give_up_boot_ns =
      back_boot_ns + nanoseconds(hours(24)).count() * static_cast<std::int64_t>(days_);
  while (backlog() > 1 && clock_.boot_ns() < give_up_boot_ns) {
    live_for(seconds(60));
    heap_most = std::max(heap_most, heap_bytes());
  }
  const double drain_seconds = static_cast<double>(clock_.boot_ns() - back_boot_ns) / 1e9;
  const double drained_a_second = static_cast<double>(receipts_ - receipts_before) / drain_seconds;
  const double filled_a_second = 1 / std::chrono::duration<double>(kBetweenRecords).count();
  const double possible_a_second =
      options_.max_in_flight / std::chrono::duration<double>(kRoundTrip).count();
  live_for(hours(1));
  EXPECT_EQ(backlog(), 0U);
  EXPECT_GE(drained_a_second, 5 * filled_a_second);
  EXPECT_GE(drained_a_second, possible_a_second / 2) << "of what such a service can take";
  EXPECT_LE(heap_most, heap_first + kHeapGrowthMax) << "memory grows with the backlog";

  ASSERT_TRUE(fates_[first].is_record);
  EXPECT_GE(fates_[first].stored, 1U) << "the first record of the outage";
  const Reckoning all = reckon(doubted);
  EXPECT_EQ(all.stored, records_);
  std::cout << days_ << " days, " << days_ + 1 << " lives: " << all.stored << " of " << records_
            << " records stored; " << waiting << " had waited, through " << attempts
            << " attempts, of which " << service_.stored_in_silence
            << " were stored without an answer; " << all.marked
            << " marked as possible duplicates, " << all.copies
            << " copies too many at the service, all of marked ones\n"
            << "heap " << (heap_first >> 10) << " KiB on day 1, at most " << (heap_most >> 10)
            << " KiB from then on, the test's own tables included\n"
            << "filled at " << filled_a_second << " records a second, drained at "
            << drained_a_second << ", " << drained_a_second / filled_a_second
            << " times as fast, of " << possible_a_second
            << " that the round trip allows; simulated time\n";
}

}  // namespace
}  // namespace xased::test
