#include <cmath>
#include <limits>

#include "tests/client/fake_daemon.hpp"

namespace xase::test {
namespace {

using proto::Span;

class Record : public testing::Test {
 protected:
  xase_error record(const xase_record_fields& fields) {
    return xase_record(client_.get(), &fields);
  }

  TempDir dir_;
  ClientPtr client_ = open_client(dir_.path());
};

TEST_F(Record, EveryFieldArrivesAsItWasGiven) {
  xase_record_fields fields = XASE_RECORD_INIT;
  fields.input = xase_str("{\"a\":1}");
  fields.output = xase_str(" {\"b\":2} ");
  fields.context = xase_str("{\"c\":3}");
  fields.explanation = xase_str("{\"d\":4}");
  fields.policy = xase_str("p");
  fields.policy_version = xase_str("4.2");
  fields.transaction_id = xase_str("loan-0001");
  fields.decision_type = xase_str("UNDERWRITING");
  fields.idempotency_key = xase_str("0f8fad5b-d9cb-469f-a165-70867728950e");
  fields.model_id = xase_str("german-credit-logit");
  fields.model_version = xase_str("1.0.0");
  fields.model_hash = xase_str("sha256:0123456789abcdef0123456789abcdef");
  fields.feature_schema_hash = xase_str("sha256:fedcba9876543210");
  fields.has_confidence = 1;
  fields.confidence = 0.25;
  fields.has_processing_time = 1;
  fields.processing_time_ms = 1.5;
  fields.store_payload = XASE_STORE_NO;
  ASSERT_EQ(record(fields), XASE_OK);

  FakeRing ring(ring_paths(dir_.path()).at(0));
  const auto seen = ring.read();
  ASSERT_EQ(seen.size(), 1U);
  const proto::RecordFields got = seen[0].fields();
  const xase_text given[] = {fields.input,
                             fields.output,
                             fields.context,
                             fields.explanation,
                             fields.policy,
                             fields.policy_version,
                             fields.transaction_id,
                             fields.decision_type,
                             fields.idempotency_key,
                             fields.model_id,
                             fields.model_version,
                             fields.model_hash,
                             fields.feature_schema_hash};
  for (std::size_t i = 0; i < proto::kSpans; ++i) {
    EXPECT_EQ(got.spans[i], std::string_view(given[i].data, given[i].size)) << i;
  }
  EXPECT_EQ(got.flags, proto::kRecordHasConfidence | proto::kRecordHasProcessingTime |
                           proto::kRecordHasStorePayload);
  EXPECT_EQ(got.confidence, 0.25);
  EXPECT_EQ(got.processing_time_ms, 1.5);
  EXPECT_EQ(seen[0].flags, 0) << "nobody waits for a result";
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  EXPECT_NEAR(static_cast<double>(seen[0].stamp_ns) / 1e9, static_cast<double>(now.tv_sec), 60);
}

TEST_F(Record, EncodesSpansOfEverySizeByteForByte) {
  std::string text(600, '\0');
  for (std::size_t i = 0; i < text.size(); ++i) text[i] = static_cast<char>('a' + i % 26);
  std::size_t read = 0;
  FakeRing* ring = nullptr;
  std::unique_ptr<FakeRing> owner;
  for (std::size_t size = 0; size < text.size(); ++size) {
    xase_record_fields fields = some_record();
    fields.model_hash = {text.data(), size};
    fields.policy_version = {text.data() + 1, size / 2};
    fields.store_payload = XASE_STORE_YES;
    ASSERT_EQ(record(fields), XASE_OK);
    if (ring == nullptr) {
      owner = std::make_unique<FakeRing>(ring_paths(dir_.path()).at(0));
      ring = owner.get();
    }
    for (const SeenRecord& seen : ring->read()) {
      EXPECT_EQ(seen.text(Span::kModelHash), text.substr(0, size));
      EXPECT_EQ(seen.text(Span::kPolicyVersion), text.substr(1, size / 2));
      EXPECT_EQ(seen.fields().flags, proto::kRecordHasStorePayload | proto::kRecordStorePayload);
      ++read;
    }
    ring->release();
  }
  EXPECT_EQ(read, text.size());
}

TEST_F(Record, RefusesWhatTheSdksRefuseWithTheirCodes) {
  struct Case {
    xase_error code;
    std::function<void(xase_record_fields&)> spoil;
  };
  const Case cases[] = {
      {XASE_MISSING_POLICY, [](auto& f) { f.policy = xase_str(""); }},
      {XASE_INVALID_INPUT, [](auto& f) { f.input = xase_str(nullptr); }},
      {XASE_INVALID_INPUT, [](auto& f) { f.input = xase_str("[1]"); }},
      {XASE_INVALID_INPUT, [](auto& f) { f.input = xase_str("{"); }},
      {XASE_INVALID_INPUT, [](auto& f) { f.input = xase_str(" \n "); }},
      {XASE_INVALID_OUTPUT, [](auto& f) { f.output = xase_str("null"); }},
      {XASE_INVALID_OUTPUT, [](auto& f) { f.output = xase_str("}"); }},
      {XASE_INVALID_CONTEXT, [](auto& f) { f.context = xase_str("\"text\""); }},
      {XASE_INVALID_EXPLANATION, [](auto& f) { f.explanation = xase_str("[{}]"); }},
      {XASE_INVALID_CONFIDENCE, [](auto& f) { f.has_confidence = 1, f.confidence = 1.01; }},
      {XASE_INVALID_CONFIDENCE, [](auto& f) { f.has_confidence = 1, f.confidence = -0.01; }},
      {XASE_INVALID_CONFIDENCE, [](auto& f) { f.has_confidence = 1, f.confidence = std::nan(""); }},
      {XASE_INVALID_PROCESSING_TIME,
       [](auto& f) { f.has_processing_time = 1, f.processing_time_ms = -1; }},
      {XASE_INVALID_PROCESSING_TIME,
       [](auto& f) {
         f.has_processing_time = 1;
         f.processing_time_ms = std::numeric_limits<double>::infinity();
       }},
      {XASE_INVALID_IDEMPOTENCY_KEY, [](auto& f) { f.idempotency_key = xase_str("too-short"); }},
      {XASE_INVALID_IDEMPOTENCY_KEY,
       [](auto& f) { f.idempotency_key = xase_str("sixteen letters!"); }},
      {XASE_INVALID_IDEMPOTENCY_KEY,
       [](auto& f) {
         static const std::string key(65, 'k');
         f.idempotency_key = xase_str(key.c_str());
       }},
      {XASE_INVALID_ARGUMENT, [](auto& f) { f.store_payload = 3; }},
      {XASE_INVALID_ARGUMENT,
       [](auto& f) {
         f.model_id = {nullptr, 1};
       }},
      {XASE_RECORD_TOO_LARGE, [](auto& f) { f.context.size = SIZE_MAX; }},
      {XASE_RECORD_TOO_LARGE, [](auto& f) { f.context.size = (16U << 20U) + 1; }},
  };
  for (const Case& spoiled : cases) {
    xase_record_fields fields = some_record();
    fields.context = xase_str("{}");
    spoiled.spoil(fields);
    EXPECT_EQ(record(fields), spoiled.code) << xase_error_name(spoiled.code);
    EXPECT_STRNE(xase_last_error_message(), "");
  }
  EXPECT_EQ(counts_of(client_).committed, 0U);
}

TEST_F(Record, TakesTheEdgesOfWhatIsAllowed) {
  xase_record_fields fields = some_record();
  fields.input = xase_str("{}");
  fields.output = xase_str("\t{}\r\n");
  fields.has_confidence = 1;
  for (const double edge : {0.0, 1.0}) {
    fields.confidence = edge;
    EXPECT_EQ(record(fields), XASE_OK);
  }
  fields.has_processing_time = 1;
  fields.processing_time_ms = 0;
  fields.idempotency_key = xase_str("abcdefABCDEF_-09");
  EXPECT_EQ(record(fields), XASE_OK);
  const std::string longest(64, 'k');
  fields.idempotency_key = xase_str(longest.c_str());
  EXPECT_EQ(record(fields), XASE_OK);
}

TEST_F(Record, RefusesARecordThatNoRingOfItsSizeCouldHold) {
  const std::string large = "{\"x\":\"" + std::string(16 << 10, 'x') + "\"}";
  xase_record_fields fields = some_record();
  fields.input = xase_str(large.c_str());
  EXPECT_EQ(record(fields), XASE_RECORD_TOO_LARGE);
  EXPECT_EQ(record(some_record()), XASE_OK) << "the next one is not affected";
  EXPECT_EQ(counts_of(client_).refused, 0U);
}

TEST_F(Record, AFullRingRefusesAtOnceCountsAndTellsTheNextFrame) {
  xase_error error = XASE_OK;
  std::uint64_t taken = 0;
  while ((error = record(some_record())) == XASE_OK) ++taken;
  EXPECT_EQ(error, XASE_QUEUE_FULL);
  EXPECT_EQ(record(some_record()), XASE_QUEUE_FULL);
  FakeRing ring(ring_paths(dir_.path()).at(0));
  EXPECT_EQ(ring.producer().refused.load(), 2U);
  EXPECT_EQ(ring.read().size(), taken);
  ring.release();
  ASSERT_EQ(record(some_record()), XASE_OK);
  const auto seen = ring.read();
  ASSERT_EQ(seen.size(), 1U);
  EXPECT_EQ(seen[0].refused, 2U);
  EXPECT_EQ(counts_of(client_).refused, 2U);
  EXPECT_EQ(counts_of(client_).committed, taken + 1);
}

TEST_F(Record, ABlockingClientWaitsForRoomAndThenGivesUp) {
  TempDir dir;
  const ClientPtr blocking = open_client(dir.path(), [](auto& options) {
    options.on_full = XASE_FULL_BLOCK;
    options.block_timeout_ms = 1;
  });
  xase_error error = XASE_OK;
  const xase_record_fields fields = some_record();
  while ((error = xase_record(blocking.get(), &fields)) == XASE_OK) {
  }
  EXPECT_EQ(error, XASE_QUEUE_FULL);

  TempDir other;
  const ClientPtr patient = open_client(other.path(), [](auto& options) {
    options.on_full = XASE_FULL_BLOCK;
    options.block_timeout_ms = 60'000;
  });
  FakeDaemon daemon(other.path(), FakeDaemon::deliver_all());
  for (int i = 0; i < 5000; ++i) {
    ASSERT_EQ(xase_record(patient.get(), &fields), XASE_OK);
  }
  daemon.stop();
  EXPECT_EQ(daemon.taken(), 5000U);
}

TEST_F(Record, TheDoorbellRingsOnlyFromAQuarterOnAndOnceACrossing) {
  ASSERT_EQ(record(some_record()), XASE_OK);
  const int fd = open((dir_.path() + "/doorbell").c_str(), O_RDWR | O_CLOEXEC);
  ASSERT_GE(fd, 0) << "the client makes the doorbell where it is missing";
  proto::Mapping page;
  ASSERT_EQ(page.map(fd, proto::kDoorbellBytes), 0);
  close(fd);
  auto& doorbell = *reinterpret_cast<proto::Doorbell*>(page.data());
  FakeRing ring(ring_paths(dir_.path()).at(0));
  const std::uint64_t quarter = ring.identity().data_bytes / 4;
  while (ring.producer().committed.load() + 256 < quarter) {
    ASSERT_EQ(record(some_record()), XASE_OK);
    ASSERT_EQ(doorbell.bell.load(), 0U);
  }
  ASSERT_EQ(record(some_record()), XASE_OK);
  ASSERT_EQ(record(some_record()), XASE_OK);
  EXPECT_EQ(doorbell.bell.load(), 1U);
  EXPECT_EQ(record(some_record()), XASE_OK);
  EXPECT_EQ(doorbell.bell.load(), 1U) << "once a crossing";
}

TEST_F(Record, ACondemnedRingIsReplacedAndTheOldOneLeftToTheDaemon) {
  ASSERT_EQ(record(some_record()), XASE_OK);
  const std::string first_path = ring_paths(dir_.path()).at(0);
  FakeRing first(first_path);
  first.daemon().condemned.store(1);
  ASSERT_EQ(record(some_record("after")), XASE_OK);
  EXPECT_EQ(first.read().size(), 1U);
  EXPECT_FALSE(first.has_owner());
  std::vector<std::string> paths = ring_paths(dir_.path());
  ASSERT_EQ(paths.size(), 2U);
  std::erase(paths, first_path);
  FakeRing second(paths.at(0));
  EXPECT_EQ(second.read().at(0).text(Span::kTransactionId), "after");
  EXPECT_TRUE(second.has_owner());
  EXPECT_EQ(counts_of(client_).committed, 2U);
  EXPECT_EQ(counts_of(client_).rings_replaced, 1U);
}

TEST_F(Record, ARingThatLostItsNameIsKeptUntilAllInItIsSettled) {
  ASSERT_EQ(record(some_record()), XASE_OK);
  FakeRing first(ring_paths(dir_.path()).at(0));
  std::filesystem::remove(ring_paths(dir_.path()).at(0));
  first.daemon().condemned.store(proto::kRingMoved);
  ASSERT_EQ(record(some_record("after")), XASE_OK);
  FakeRing second(ring_paths(dir_.path()).at(0));
  EXPECT_EQ(second.read().size(), 1U);
  EXPECT_TRUE(first.has_owner()) << "a daemon reads it, and tells how far it is";
  EXPECT_EQ(counts_of(client_).pending, 2U);
  second.daemon().settled_sequence.store(1);
  second.daemon().delivered.store(1);
  EXPECT_EQ(xase_flush(client_.get(), XASE_DELIVERED, 1), XASE_FLUSH_TIMEOUT);
  first.daemon().delivered.store(1);
  first.daemon().settled_sequence.store(1);
  EXPECT_EQ(xase_flush(client_.get(), XASE_DELIVERED, 1000), XASE_OK);
  xase_counts counts = counts_of(client_);
  EXPECT_EQ(counts.committed, 2U);
  EXPECT_EQ(counts.delivered, 2U);
  EXPECT_EQ(counts.pending, 0U);
  // It goes with the next one that does.
  second.daemon().condemned.store(proto::kRingMoved);
  ASSERT_EQ(record(some_record("third")), XASE_OK);
  EXPECT_FALSE(first.has_owner());
  EXPECT_EQ(counts_of(client_).delivered, 2U);
}

TEST_F(Record, HostileDaemonWordsCostRoomAndNothingElse) {
  ASSERT_EQ(record(some_record()), XASE_OK);
  FakeRing ring(ring_paths(dir_.path()).at(0));
  for (const std::uint64_t word : {UINT64_MAX, std::uint64_t{1} << 40U, std::uint64_t{7}}) {
    ring.daemon().released.store(word);
    ring.daemon().journaled_sequence.store(word);
    ring.daemon().delivered.store(word);
    for (int i = 0; i < 1000; ++i) static_cast<void>(record(some_record()));
    const xase_counts counts = counts_of(client_);
    EXPECT_LE(counts.journaled, counts.committed);
    EXPECT_LE(counts.pending, counts.committed);
  }
}

}  // namespace
}  // namespace xase::test
