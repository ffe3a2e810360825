// Delivery for days and years in seconds: the real core, journal and cursor, a service that takes
// its time, fails as it is told, and forgets keys as the API does; on a clock moved by hand.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <deque>
#include <filesystem>
#include <iostream>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "daemon/delivery/delivery_core.hpp"
#include "tests/daemon/delivery/answers.hpp"
#include "tests/support/journal_builder.hpp"
#include "tests/support/manual_clock.hpp"
#include "tests/support/seeded_random.hpp"
#include "tests/support/temp_dir.hpp"
#include "tests/support/unsynced_file_system.hpp"

namespace xased::test {

// How long a request takes, and the service remembers a key.
inline constexpr std::chrono::nanoseconds kRoundTrip = std::chrono::milliseconds(500);
inline constexpr std::chrono::nanoseconds kKeyMemory = std::chrono::hours(24);
inline constexpr std::uint64_t kSegmentEntries = 20'000;

inline std::uint64_t number_from(const char* name, std::uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr || *text == '\0' ? otherwise : std::stoull(text);
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
      result.answer = answer(fates_[flight.job.id]);
      results.push_back(std::move(result));
      under_way_.pop_front();
    }
  }
  void use(TransportFactory /*transports*/) override {}
  void abort() override {}

  // The process died: what was under way may have come anywhere.
  void cut() {
    for (const Flight& flight : under_way_) {
      Fate& fate = fates_[flight.job.id];
      fate.may_have_come = true;
      const bool arrives = random_.between(1, 2) == 1 && faults.not_sent == 0;
      if (arrives) store_in_silence(fate);
    }
    under_way_.clear();
  }
  std::int64_t next_boot_ns() const {
    return under_way_.empty() ? INT64_MAX : under_way_.front().sent_boot_ns + kRoundTrip.count();
  }

  std::uint64_t attempts = 0;
  std::uint64_t stored_in_silence = 0;

  // Of a hundred requests; the rest is answered.
  struct Faults {
    std::uint64_t not_sent = 0;
    std::uint64_t bad_gateway = 0;
    std::uint64_t lost = 0;    // no answer, and nothing stored
    std::uint64_t silent = 0;  // stored, and no answer
  };
  Faults faults;

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
  void store_in_silence(Fate& fate) {
    ++stored_in_silence;
    (void)post(fate);
  }
  Answer answer(Fate& fate) {
    std::uint64_t draw = random_.between(1, 100);
    const auto is = [&draw](std::uint64_t percent) {
      if (draw <= percent) return true;
      draw -= percent;
      return false;
    };
    if (is(faults.not_sent)) return no_answer(Reach::kNotSent);
    if (is(faults.bad_gateway)) return html(502);
    if (is(faults.lost)) {
      fate.may_have_come = true;
      return no_answer(Reach::kMaybe);
    }
    if (is(faults.silent)) {
      fate.may_have_come = true;
      store_in_silence(fate);
      return no_answer(Reach::kMaybe);
    }
    return post(fate);
  }

  const Clock& clock_;
  SeededRandom& random_;
  std::vector<Fate>& fates_;
  std::deque<Flight> under_way_;
};

// Delivery over a journal that grows, one life of the daemon after the other.
class SimulatedLives : public ::testing::Test {
 protected:
  // `entries`: more than the ledger will ever have.
  explicit SimulatedLives(std::size_t entries)
      : random_(seed_), journal_(fs_, scratch_.path(), clock_), service_(clock_, random_, fates_) {
    std::cout << "XASE_TEST_SEED=" << seed_ << "\n";
    std::filesystem::create_directory(scratch_.path() + "/delivery");
    fates_.resize(entries);
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

  // Time passes until then, or until an answer comes.
  void advance_to(std::int64_t boot_ns) {
    const std::int64_t next = std::min(boot_ns, service_.next_boot_ns());
    clock_.advance(std::chrono::nanoseconds(std::max<std::int64_t>(next - clock_.boot_ns(), 0)));
  }
  // Until nothing more happens at this moment.
  void rest() {
    while (core_->step(true) == std::chrono::nanoseconds(0) || intake()) {
    }
  }

  void record() {
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
      journal_.append(xase::proto::EntryType::kReceipt, journal_.subject(1, handback.ring_sequence),
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
  std::uint64_t segment_first_ = 0;
  std::uint64_t records_ = 0;
  std::uint64_t receipts_ = 0;
  std::uint64_t appended_ = 0;
};

}  // namespace xased::test
