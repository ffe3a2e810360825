// A world around the owner's side of delivery: a journal, an intake that writes what is handed
// back, an API that follows a script, a clock moved by hand. One thread.
#pragma once

#include <gtest/gtest.h>

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "daemon/delivery/delivery_core.hpp"
#include "tests/daemon/delivery/answers.hpp"
#include "tests/support/journal_builder.hpp"
#include "tests/support/manual_clock.hpp"
#include "tests/support/seeded_random.hpp"
#include "tests/support/temp_dir.hpp"

namespace xased::test {

// Holds requests until the test answers them.
class ScriptedDispatch final : public Dispatch {
 public:
  struct Sent {
    std::uint64_t id = 0;
    std::uint64_t route = 0;
    std::int64_t boot_ns = 0;
  };

  explicit ScriptedDispatch(const Clock& clock) : clock_(clock) {}

  void send(Job job) override {
    bodies[job.id].push_back(job.request->body);
    keys[job.id].push_back(job.request->idempotency_key);
    order.push_back(job.id);
    under_way.push_back({job.id, job.route, clock_.boot_ns()});
    if (script) answer(job.id, script(job));
  }
  void receive(std::vector<JobResult>& results) override {
    for (JobResult& result : ready_) results.push_back(std::move(result));
    ready_.clear();
  }
  void use(TransportFactory /*transports*/) override {}
  void abort() override {}

  void answer(std::uint64_t id, Answer with) {
    const auto at = std::find_if(under_way.begin(), under_way.end(),
                                 [id](const Sent& sent) { return sent.id == id; });
    ASSERT_NE(at, under_way.end()) << "record " << id << " is not under way";
    JobResult result;
    result.id = id;
    result.answer = std::move(with);
    result.route = at->route;
    result.sent_boot_ns = at->boot_ns;
    result.took = std::chrono::nanoseconds(clock_.boot_ns() - at->boot_ns);
    under_way.erase(at);
    ready_.push_back(std::move(result));
  }
  bool is_under_way(std::uint64_t id) const {
    return std::any_of(under_way.begin(), under_way.end(),
                       [id](const Sent& sent) { return sent.id == id; });
  }
  std::size_t attempts(std::uint64_t id) const {
    const auto at = bodies.find(id);
    return at == bodies.end() ? 0 : at->second.size();
  }

  // Where set: answers at once.
  std::function<Answer(const Job&)> script;
  std::deque<Sent> under_way;
  std::vector<std::uint64_t> order;
  // Of every attempt, by record.
  std::map<std::uint64_t, std::vector<std::string>> bodies;
  std::map<std::uint64_t, std::vector<std::string>> keys;

 private:
  const Clock& clock_;
  std::vector<JobResult> ready_;
};

// What an entry says of a record.
struct Told {
  xase::proto::EntryType type{};
  std::uint64_t record = 0;
  int status = 0;
  std::uint16_t flags = 0;
  std::uint32_t attempts = 0;
  xase::proto::ReceiptAction action{};
  std::string text;
};

class DeliveryWorld : public ::testing::Test {
 protected:
  DeliveryWorld() : journal_(system_file_system(), scratch_.path(), clock_) {
    std::filesystem::create_directory(scratch_.path() + "/delivery");
    options_.max_in_flight = 4;
    durable();
  }
  ~DeliveryWorld() override { core_.reset(); }

  // Everything appended so far is durable, handbacks included.
  void durable() { positions_.durable.store(journal_.last_sequence()); }

  std::uint64_t record(std::uint8_t ring = 1, std::string_view input = R"({"amount":1})") {
    if (ring_sequences_[ring] == 0) journal_.producer(ring, R"({"pid":42})");
    const std::uint64_t sequence =
        journal_.record(ring, ++ring_sequences_[ring], plain_record(input));
    durable();
    return sequence;
  }
  std::vector<std::uint64_t> records(std::size_t count, std::uint8_t ring = 1) {
    std::vector<std::uint64_t> sequences;
    for (std::size_t i = 0; i < count; ++i) sequences.push_back(record(ring));
    return sequences;
  }

  // A new life of the daemon; without stop() before, after a crash.
  void start() {
    core_.reset();
    positions_.handbacks_durable.store(0);
    Handback lost;
    while (handbacks_.pop(lost)) {
    }
    appended_ = 0;
    settled_.clear();
    const auto script = dispatch_ == nullptr ? nullptr : dispatch_->script;
    dispatch_ = std::make_unique<ScriptedDispatch>(clock_);
    dispatch_->script = script;
    dead_letters_ = std::make_unique<DeadLetters>(system_file_system(),
                                                  scratch_.path() + "/delivery/dead_letters.idx");
    counters_ = std::make_unique<DeliveryCounters>();
    core_ = std::make_unique<DeliveryCore>(
        DeliverySurroundings{system_file_system(), clock_, random_, scratch_.path(), positions_,
                             handbacks_, intake_wake_, known_damage_},
        options_, *dispatch_, *dead_letters_, *counters_);
    ASSERT_TRUE(core_->start().ok());
  }
  void stop() { core_->store_cursor(); }

  // Steps until nothing more happens by itself, with intake and sync doing their part.
  void run() {
    for (int i = 0; i < 10000; ++i) {
      const bool idle = core_->step(true) > std::chrono::nanoseconds(0);
      if (!intake() && idle) return;
    }
    FAIL() << "delivery does not come to rest";
  }
  // The same, moving the clock in steps of `step` for `time`.
  void run_for(std::chrono::nanoseconds time,
               std::chrono::nanoseconds step = std::chrono::milliseconds(100)) {
    for (; time > std::chrono::nanoseconds(0); time -= step) {
      run();
      clock_.advance(step);
    }
    run();
  }

  // Appends what was handed back; durable unless `intake_syncs_` is false.
  bool intake() {
    if (!intake_takes_) return false;
    Handback handback;
    bool worked = false;
    while (handbacks_.pop(handback)) {
      worked = true;
      take(handback);
    }
    if (intake_syncs_ && appended_ > positions_.handbacks_durable.load()) {
      durable();
      positions_.handbacks_durable.store(appended_);
      worked = true;
    }
    return worked;
  }

  const Told* told(std::uint64_t record) const {
    const Told* found = nullptr;
    for (const Told& one : told_) {
      if (one.record == record) found = &one;
    }
    return found;
  }
  bool has_receipt(std::uint64_t record) const {
    const Told* one = told(record);
    return one != nullptr && one->type == xase::proto::EntryType::kReceipt;
  }
  std::size_t receipts() const {
    return static_cast<std::size_t>(std::count_if(told_.begin(), told_.end(), [](const Told& one) {
      return one.type == xase::proto::EntryType::kReceipt;
    }));
  }
  PauseReason paused() const { return counters_->paused.load(); }

  TempDir scratch_;
  ManualClock clock_;
  SeededRandom random_;
  JournalBuilder journal_;
  Positions positions_;
  HandbackQueue handbacks_;
  Wake intake_wake_;
  DeliveryOptions options_;
  std::unique_ptr<ScriptedDispatch> dispatch_;
  std::unique_ptr<DeadLetters> dead_letters_;
  std::unique_ptr<DeliveryCounters> counters_;
  std::unique_ptr<DeliveryCore> core_;
  bool intake_takes_ = true;
  bool intake_syncs_ = true;
  // Over all lives.
  std::vector<Told> told_;
  std::vector<SequenceRange> damages_;
  std::vector<SequenceRange> known_damage_;  // told by the start
  std::vector<xase::proto::AuditBody> audits_;
  std::vector<xase::proto::AnchorBody> anchors_;
  // In this life: how far each ring's producer was told that all is settled.
  std::map<std::uint8_t, std::uint64_t> settled_;

 private:
  void take(const Handback& handback) {
    using xase::proto::EntryType;
    const auto ring = std::to_integer<std::uint8_t>(handback.ring_id[0]);
    if (handback.kind == Handback::Kind::kSettled) {
      EXPECT_GE(handback.ring_sequence, settled_[ring]) << "settled goes back";
      settled_[ring] = handback.ring_sequence;
      return;
    }
    ++appended_;
    if (handback.kind == Handback::Kind::kJournalDamaged) {
      damages_.push_back({handback.first, handback.last});
      xase::proto::GapBody gap;
      gap.reason = xase::proto::GapReason::kJournalDamaged;
      gap.after_sequence = handback.first - 1;
      gap.before_sequence = handback.last + 1;
      journal_.append(EntryType::kGap, {}, xase::proto::encode(gap));
      return;
    }
    if (handback.kind == Handback::Kind::kAudit) {
      audits_.push_back(handback.audit);
      xase::proto::AuditBody body = handback.audit;
      body.answer = handback.text;
      journal_.append(EntryType::kAudit, {}, xase::proto::encode(body));
      return;
    }
    if (handback.kind == Handback::Kind::kAnchor) {
      anchors_.push_back(handback.anchor);
      xase::proto::AnchorBody body = handback.anchor;
      body.answer = handback.text;
      journal_.append(EntryType::kAnchor, {}, xase::proto::encode(body));
      return;
    }
    const bool receipt = handback.kind == Handback::Kind::kReceipt;
    const EntryType type = receipt ? EntryType::kReceipt : EntryType::kDeadLetter;
    xase::proto::ReceiptBody body = handback.body;
    body.answer = handback.text;
    journal_.append(type, journal_.subject(ring, handback.ring_sequence),
                    xase::proto::encode(body));
    told_.push_back({type, body.record_sequence, body.http_status, body.flags, body.attempts,
                     body.action, handback.text});
  }

  std::map<std::uint8_t, std::uint64_t> ring_sequences_;
  std::uint64_t appended_ = 0;
};

}  // namespace xased::test
