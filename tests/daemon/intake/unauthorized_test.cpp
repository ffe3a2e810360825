// A key that is refused for as long as it takes, at full load, from the rings to the service: the
// clock moved by hand, the key in a file.
//
// XASE_TEST_UNAUTHORIZED_SECONDS: how long (90).
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <map>

#include "daemon/delivery/api_key_holder.hpp"
#include "daemon/delivery/delivery_core.hpp"
#include "tests/daemon/delivery/answers.hpp"
#include "tests/daemon/intake/intake_rig.hpp"

namespace xased::test {
namespace {

using std::chrono::milliseconds;
using std::chrono::nanoseconds;
using std::chrono::seconds;
using xase::proto::EntryType;

constexpr nanoseconds kTick = milliseconds(100);
constexpr std::uint64_t kRecordsATick = 4;  // of each producer

std::int64_t seconds_to_last() {
  const char* text = std::getenv("XASE_TEST_UNAUTHORIZED_SECONDS");
  return text == nullptr || *text == '\0' ? 90 : std::stoll(text);
}

std::string key_of(char digit) { return "xase_pk_" + std::string(48, digit); }

// Takes what comes with the good key, and answers at once.
class Service final : public Dispatch {
 public:
  Service(const Clock& clock, const ApiKeyHolder& held, std::string good)
      : clock_(clock), held_(held), good_(std::move(good)) {}

  void send(Job job) override {
    const auto key = held_.get();
    ASSERT_TRUE(key.has_value());
    const bool is_good = key->value == good_;
    JobResult result;
    result.id = job.id;
    result.route = job.route;
    result.sent_boot_ns = clock_.boot_ns();
    result.answer = is_good ? created() : refused(401, "UNAUTHORIZED");
    result.answer.key_generation = key->generation;
    if (is_good) {
      ++stored[job.id];
    } else {
      refused_boot_ns.push_back(clock_.boot_ns());
    }
    results_.push_back(std::move(result));
  }
  void receive(std::vector<JobResult>& results) override {
    for (JobResult& result : results_) results.push_back(std::move(result));
    results_.clear();
  }
  void use(TransportFactory /*transports*/) override {}
  void abort() override {}

  std::map<std::uint64_t, int> stored;        // by sequence
  std::vector<std::int64_t> refused_boot_ns;  // when
 private:
  const Clock& clock_;
  const ApiKeyHolder& held_;
  const std::string good_;
  std::vector<JobResult> results_;
};

class Unauthorized : public ::testing::Test {
 protected:
  Unauthorized() {
    put_key(key_of('b'));
    held_.set_source({ApiKeySource::Kind::kFile, key_file_}, {});
    EXPECT_TRUE(rig_.fs.make_directory(std::string(IntakeRig::kState) + "/delivery", 0700).ok());
    EXPECT_TRUE(core_.start().ok());
  }

  // As an operator replaces it.
  void put_key(const std::string& key) {
    rig_.run.write("key.new", key + "\n");
    EXPECT_EQ(::chmod((rig_.run / "key.new").c_str(), 0600), 0);
    std::filesystem::rename(rig_.run / "key.new", key_file_);
  }

  // Every stage does what it can, and time goes on.
  void tick() {
    const std::int64_t end = rig_.clock.boot_ns() + kTick.count();
    rig_.step();
    if (held_.refresh(core_.wants_key())) core_.on_new_key(held_.generation());
    core_.set_key_missing(!held_.get().has_value());
    for (int i = 0; i < 8 && core_.step(true) == nanoseconds(0); ++i) {
    }
    rig_.clock.advance(nanoseconds(std::max<std::int64_t>(end - rig_.clock.boot_ns(), 0)));
  }
  void record() {
    for (RingProducer* producer : {&first_, &second_}) {
      for (std::uint64_t i = 0; i < kRecordsATick; ++i) {
        ASSERT_TRUE(producer->record(numbered_record(producer->sequence() + 1))) << "refused";
      }
    }
  }
  std::uint64_t recorded() const { return first_.sequence() + second_.sequence(); }

  IntakeRig rig_{std::uint64_t{4} << 20};
  const std::string key_file_ = rig_.run / "key";
  RingProducer first_{rig_.run.path(), 1};
  RingProducer second_{rig_.run.path(), 2};
  ApiKeyHolder held_;
  Service service_{rig_.clock, held_, key_of('a')};
  DeliveryOptions options_;
  DeadLetters dead_letters_{rig_.fs, std::string(IntakeRig::kState) + "/delivery/dead_letters.idx"};
  DeliveryCounters counters_;
  DeliveryCore core_{DeliverySurroundings{rig_.fs, rig_.clock, rig_.random, IntakeRig::kState,
                                          *rig_.positions, *rig_.handbacks, *rig_.intake_wake},
                     options_, service_, dead_letters_, counters_};
};

TEST_F(Unauthorized, AKeyThatIsRefusedUnderLoadCostsAProbeAnIntervalAndNothingElse) {
  const std::int64_t seconds_refused = seconds_to_last();
  const std::int64_t end = rig_.clock.boot_ns() + nanoseconds(seconds(seconds_refused)).count();
  while (rig_.clock.boot_ns() < end) {
    record();
    if (HasFatalFailure()) return;
    tick();
    if (service_.refused_boot_ns.empty()) continue;
    ASSERT_EQ(counters_.paused.load(), PauseReason::kUnauthorized);
    ASSERT_EQ(counters_.paused_http_status.load(), 401U);
  }
  const std::uint64_t waiting = rig_.view().durable_records;
  EXPECT_GE(waiting, recorded() - 2 * kRecordsATick) << "the rings were drained all along";
  EXPECT_EQ(rig_.view().delivered_records, 0U);
  // Those that were under way when the first answer came, and then one an interval.
  std::size_t probes = 0;
  const auto& refused = service_.refused_boot_ns;
  ASSERT_FALSE(refused.empty());
  for (std::size_t i = 1; i < refused.size(); ++i) {
    if (refused[i] == refused[0]) continue;
    ++probes;
    EXPECT_GE(refused[i] - refused[i - 1], options_.probe_interval.count());
  }
  const std::size_t at_once = refused.size() - probes;
  EXPECT_LE(at_once, 4U);
  EXPECT_GE(probes, static_cast<std::size_t>(seconds_refused / 30 - 1));

  put_key(key_of('a'));
  for (int i = 0; rig_.view().delivered_records < recorded() && i < 1'000'000; ++i) {
    if (i < 100) record();
    tick();
  }
  for (int i = 0; i < 10; ++i) tick();  // until the producers are told, too
  EXPECT_EQ(counters_.paused.load(), PauseReason::kNone);
  EXPECT_EQ(rig_.view().delivered_records, recorded());
  EXPECT_EQ(service_.stored.size(), recorded());
  EXPECT_TRUE(std::all_of(service_.stored.begin(), service_.stored.end(),
                          [](const auto& one) { return one.second == 1; }));
  EXPECT_EQ(service_.refused_boot_ns.size(), at_once + probes) << "the new key was tried at once";
  EXPECT_EQ(rig_.view().dead_letters, 0U);
  EXPECT_EQ(rig_.view().totals.gaps, 0U);
  EXPECT_EQ(rig_.view().totals.receipts, recorded());
  for (RingProducer* producer : {&first_, &second_}) {
    EXPECT_EQ(producer->daemon().settled_sequence.load(), producer->sequence());
    EXPECT_EQ(producer->daemon().delivered.load(), producer->sequence());
  }
  std::cout << seconds_refused << " s of 401, simulated: " << waiting
            << " records waited, 0 refused, 0 set aside; " << at_once << " attempts at first, then "
            << probes << " probes, " << options_.probe_interval / seconds(1)
            << " s or more apart; after the key was replaced " << service_.stored.size() << " of "
            << recorded() << " stored, each once\n";
}

}  // namespace
}  // namespace xased::test
