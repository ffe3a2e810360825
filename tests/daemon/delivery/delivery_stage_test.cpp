// Delivery with its threads: over real sockets, or a transport that follows a script.
#include "daemon/delivery/delivery_stage.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <condition_variable>
#include <filesystem>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>

#include "daemon/delivery/worker_pool.hpp"
#include "proto/entry_body.hpp"
#include "tests/daemon/delivery/answers.hpp"
#include "tests/support/journal_builder.hpp"
#include "tests/support/loopback_peer.hpp"
#include "tests/support/seeded_random.hpp"
#include "tests/support/temp_dir.hpp"

namespace xased::test {
namespace {

using std::chrono::milliseconds;
using std::chrono::nanoseconds;
using std::chrono::seconds;

// Far more than anything here takes: a test that waits this long has failed.
constexpr seconds kPatience{60};

// A journal, and an intake in a thread that writes what is handed back and makes it durable.
class StageWorld : public ::testing::Test {
 protected:
  StageWorld() : journal_(system_file_system(), directory_.path(), system_clock()) {
    options_.getenv = [](const char*) {
      return "xase_pk_0123456789abcdef0123456789abcdef0123456789abcdef";
    };
    options_.key_source = {ApiKeySource::Kind::kEnvironment, "KEY"};
    options_.backoff_min = milliseconds(1);
    options_.backoff_max = milliseconds(20);
    journal_.producer(1, R"({"pid":1})");
    positions_.durable = journal_.last_sequence();
  }
  ~StageWorld() override {
    // The thread that serves it looks at it until it is joined.
    if (stage_ != nullptr) stage_->stop(nanoseconds(0));
    end_intake();
    stage_.reset();
  }

  void start(TransportFactory transports = {}) {
    stage_ = std::make_unique<DeliveryStage>(
        DeliverySurroundings{system_file_system(), system_clock(), system_random(),
                             directory_.path(), positions_, handbacks_, intake_wake_},
        options_, std::move(transports));
    ASSERT_TRUE(stage_->start().ok());
    intake_ = std::jthread([this](const std::stop_token& stop) { serve(stop); });
  }
  void end_intake() {
    if (!intake_.joinable()) return;
    intake_.request_stop();
    intake_wake_.ring();
    intake_.join();
  }
  void add_records(int count) {
    const std::scoped_lock lock(mutex_);
    for (int i = 0; i < count; ++i) {
      sequences_.push_back(journal_.record(1, ++ring_sequence_, plain_record()));
    }
    positions_.durable.store(journal_.last_sequence());
    if (stage_) stage_->wake().ring();
  }
  bool wait_for_receipts(std::size_t count) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, kPatience, [&] { return receipts_.size() >= count; });
  }
  bool wait_until(const std::function<bool()>& done) {
    const auto end = std::chrono::steady_clock::now() + kPatience;
    while (!done()) {
      if (std::chrono::steady_clock::now() > end) return false;
      std::this_thread::sleep_for(milliseconds(1));
    }
    return true;
  }

  TempDir directory_;
  JournalBuilder journal_;
  Positions positions_;
  HandbackQueue handbacks_;
  Wake intake_wake_;
  DeliveryOptions options_;
  std::unique_ptr<DeliveryStage> stage_;
  std::jthread intake_;

  std::mutex mutex_;  // guards what follows, and the journal
  std::condition_variable changed_;
  std::uint64_t ring_sequence_ = 0;
  std::vector<std::uint64_t> sequences_;
  std::multiset<std::uint64_t> receipts_;

 private:
  void serve(const std::stop_token& stop) {
    std::uint64_t entries = 0;
    while (!stop.stop_requested()) {
      const std::uint32_t ticket = intake_wake_.ticket();
      Handback handback;
      bool worked = false;
      while (handbacks_.pop(handback)) {
        if (!handback.becomes_entry()) continue;
        const std::scoped_lock lock(mutex_);
        const bool receipt = handback.kind == Handback::Kind::kReceipt;
        xase::proto::ReceiptBody body = handback.body;
        body.answer = handback.text;
        journal_.append(
            receipt ? xase::proto::EntryType::kReceipt : xase::proto::EntryType::kDeadLetter,
            journal_.subject(1, handback.ring_sequence), xase::proto::encode(body));
        ++entries;
        worked = true;
        if (receipt) receipts_.insert(body.record_sequence);
        positions_.durable.store(journal_.last_sequence());
      }
      if (worked) {
        positions_.handbacks_durable.store(entries);
        stage_->wake().ring();
        changed_.notify_all();
      } else {
        intake_wake_.wait(ticket, milliseconds(50));
      }
    }
  }
};

// Posts by asking the test.
class ScriptedTransport final : public Transport {
 public:
  using Script = std::function<Answer(const Request&, const std::atomic<bool>& aborted)>;
  explicit ScriptedTransport(Script script) : script_(std::move(script)) {}
  Answer post(const Request& request) override { return script_(request, aborted_); }
  void abort() override {
    aborted_ = true;
    aborted_.notify_all();
  }

 private:
  Script script_;
  std::atomic<bool> aborted_{false};
};

TransportFactory scripted(ScriptedTransport::Script script) {
  return [script = std::move(script)] { return std::make_unique<ScriptedTransport>(script); };
}

// As the service: each key has a receipt of its own.
std::string receipt_for(const std::string& request) {
  return R"({"success":true,"transaction_id":"txn_)" +
         request.substr(request.find("Idempotency-Key: ") + 17, 32) + R"("})";
}

void serve_receipts(PeerConnection& connection) {
  for (std::string all = connection.request(); !all.empty(); all = connection.request()) {
    if (!connection.send(http(201, receipt_for(all)))) return;
  }
}

TEST_F(StageWorld, DeliversOverHttp) {
  LoopbackPeer peer(serve_receipts);
  options_.base_url = peer.url();
  start();
  add_records(500);
  ASSERT_TRUE(wait_for_receipts(500));
  const std::scoped_lock lock(mutex_);
  EXPECT_EQ(std::vector<std::uint64_t>(receipts_.begin(), receipts_.end()), sequences_);
}

TEST_F(StageWorld, DeliversEachRecordOnceThroughResetsAndHangs) {
  // Commits, and then loses the answer of some: what the service has must be what was recorded.
  std::mutex mutex;
  std::set<std::string> keys;
  int requests = 0;
  options_.timeout = milliseconds(100);
  LoopbackPeer peer([&](PeerConnection& connection) {
    for (std::string all = connection.request(); !all.empty(); all = connection.request()) {
      bool replay = false;
      int kind = 0;
      bool may_hang = false;
      {
        const std::scoped_lock lock(mutex);
        kind = ++requests % 10;
        may_hang = requests < 200;
        if (kind == 3) {
          connection.reset();
          return;
        }
        replay = !keys.insert(all.substr(all.find("Idempotency-Key: ") + 17, 32)).second;
      }
      if (kind == 5) return;
      if (kind == 7 && may_hang) return connection.hang();
      const std::string header = replay ? "X-Idempotency-Replay: true\r\n" : "";
      if (!connection.send(kind == 9 ? http(503, "busy") : http(201, receipt_for(all), header))) {
        return;
      }
    }
  });
  options_.base_url = peer.url();
  start();
  add_records(300);
  ASSERT_TRUE(wait_for_receipts(300));
  const std::scoped_lock lock(mutex_, mutex);
  EXPECT_EQ(receipts_.size(), 300U);
  EXPECT_EQ(std::set<std::uint64_t>(receipts_.begin(), receipts_.end()).size(), 300U);
  EXPECT_EQ(keys.size(), 300U);
}

TEST_F(StageWorld, StopsWithinItsGraceThoughThePeerHangs) {
  LoopbackPeer peer([](PeerConnection& connection) { connection.hang(); });
  options_.base_url = peer.url();
  add_records(20);
  start();
  ASSERT_TRUE(wait_until([&] { return peer.connections() > 0; }));
  stage_->begin_drain();
  EXPECT_FALSE(stage_->drained());
  const std::int64_t before = system_clock().boot_ns();
  stage_->stop(milliseconds(100));
  // The time limit of a request is 30 s: whatever ended it was the stop.
  EXPECT_LT(system_clock().boot_ns() - before, nanoseconds(seconds(20)).count());
  // And nothing is lost: the next life sends it all.
  LoopbackPeer good(serve_receipts);
  end_intake();
  options_.base_url = good.url();
  stage_.reset();
  positions_.handbacks_durable.store(0);
  start();
  EXPECT_TRUE(wait_for_receipts(20));
}

TEST_F(StageWorld, WaitsForAnswersWithinTheGrace) {
  std::atomic<int> started{0};
  std::atomic<bool> go{false};
  add_records(4);
  start(scripted([&](const Request&, const std::atomic<bool>&) {
    ++started;
    go.wait(false);
    return created();
  }));
  ASSERT_TRUE(wait_until([&] { return started == 4; }));
  std::thread stopper([&] { stage_->stop(kPatience); });
  go = true;
  go.notify_all();
  stopper.join();
  const std::scoped_lock lock(mutex_);
  EXPECT_EQ(receipts_.size(), 4U);
}

TEST_F(StageWorld, DrainsAndSaysSo) {
  add_records(100);
  start(scripted([](const Request&, const std::atomic<bool>&) { return created(); }));
  EXPECT_FALSE(stage_->drained()) << "not asked for";
  stage_->begin_drain();
  ASSERT_TRUE(wait_until([&] { return stage_->drained(); }));
  const std::scoped_lock lock(mutex_);
  EXPECT_EQ(receipts_.size(), 100U);
}

TEST_F(StageWorld, ANewAddressTakesOver) {
  LoopbackPeer peer(serve_receipts);
  LoopbackPeer wrong([](PeerConnection& connection) {
    while (!connection.request().empty() && connection.send(http(404, "nothing here"))) {
    }
  });
  options_.base_url = wrong.url();
  start();
  add_records(10);
  ASSERT_TRUE(
      wait_until([&] { return stage_->counters().paused.load() == PauseReason::kNotFound; }));
  options_.base_url = peer.url();
  stage_->reconfigure(options_);
  EXPECT_TRUE(wait_for_receipts(10));
  EXPECT_TRUE(wait_until([&] { return stage_->counters().paused.load() == PauseReason::kNone; }));
}

TEST_F(StageWorld, AKeyThatIsReplacedInItsFileEndsThePause) {
  const std::string good = "xase_pk_" + std::string(48, 'b');
  LoopbackPeer peer([&](PeerConnection& connection) {
    for (std::string all = connection.request(); !all.empty(); all = connection.request()) {
      const bool known = all.find(good) != std::string::npos;
      if (!connection.send(known ? http(201, receipt_for(all))
                                 : http(401, R"({"error":"no","code":"UNAUTHORIZED"})"))) {
        return;
      }
    }
  });
  directory_.write("key", "xase_pk_" + std::string(48, 'a') + "\n");
  options_.key_source = {ApiKeySource::Kind::kFile, directory_ / "key"};
  options_.base_url = peer.url();
  start();
  add_records(10);
  ASSERT_TRUE(
      wait_until([&] { return stage_->counters().paused.load() == PauseReason::kUnauthorized; }));
  directory_.write("key.new", good + "\n");
  std::filesystem::rename(directory_ / "key.new", directory_ / "key");
  EXPECT_TRUE(wait_for_receipts(10));
}

TEST_F(StageWorld, ADeadLetterIsTriedAgainWhenAsked) {
  std::atomic<bool> refuse{true};
  start(scripted(
      [&](const Request&, const std::atomic<bool>&) { return refuse ? refused() : created(); }));
  add_records(1);
  const std::uint64_t sequence = sequences_.front();
  ASSERT_TRUE(wait_until([&] {
    const auto letter = stage_->dead_letters().find(sequence);
    return letter.ok() && letter->has_value();
  }));
  EXPECT_EQ(stage_->request_retry(sequence + 1).code(), Code::kNotFound);
  refuse = false;
  ASSERT_TRUE(stage_->request_retry(sequence).ok());
  ASSERT_TRUE(wait_for_receipts(1));
  ASSERT_TRUE(wait_until([&] {
    const auto letter = stage_->dead_letters().find(sequence);
    return letter.ok() && (*letter)->event == DeadLetterEvent::kDelivered;
  }));
  EXPECT_EQ(stage_->request_retry(sequence).code(), Code::kNotFound);
}

TEST(WorkerPool, EndsItsThreadsWhenIdleAndStartsThemAgain) {
  const auto wake = std::make_shared<Wake>();
  std::atomic<int> alive{0};
  struct Counted final : Transport {
    explicit Counted(std::atomic<int>& count) : count_(count) { ++count_; }
    ~Counted() override { --count_; }
    Answer post(const Request&) override { return created(); }
    void abort() override {}
    std::atomic<int>& count_;
  };
  {
    WorkerPool pool(system_clock(), wake, milliseconds(5));
    pool.use([&] { return std::make_unique<Counted>(alive); });
    for (int round = 0; round < 3; ++round) {
      const auto request = std::make_shared<Request>();
      for (std::uint64_t id = 1; id <= 8; ++id) pool.send({id, request});
      std::vector<JobResult> results;
      while (results.size() < 8) {
        const std::uint32_t ticket = wake->ticket();
        pool.receive(results);
        if (results.size() < 8) wake->wait(ticket, kPatience);
      }
      while (alive > 0) std::this_thread::sleep_for(milliseconds(1));
    }
  }
  EXPECT_EQ(alive, 0);
}

TEST(WorkerPool, AbortReachesEveryTransport) {
  const auto wake = std::make_shared<Wake>();
  WorkerPool pool(system_clock(), wake);
  pool.use(scripted([](const Request&, const std::atomic<bool>& aborted) {
    aborted.wait(false);
    return no_answer(Reach::kMaybe);
  }));
  const auto request = std::make_shared<Request>();
  for (std::uint64_t id = 1; id <= 4; ++id) pool.send({id, request});
  pool.abort();
  std::vector<JobResult> results;
  while (results.size() < 4) {
    const std::uint32_t ticket = wake->ticket();
    pool.receive(results);
    if (results.size() < 4) wake->wait(ticket, kPatience);
  }
  for (const JobResult& result : results) EXPECT_EQ(result.answer.reach, Reach::kMaybe);
}

}  // namespace
}  // namespace xased::test
