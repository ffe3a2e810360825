#include "daemon/devapi/store.hpp"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <atomic>
#include <barrier>
#include <csignal>
#include <thread>

#include "daemon/devapi/digest.hpp"
#include "tests/daemon/devapi/support.hpp"

namespace xased::devapi {
namespace {

using testing::read_file;
using testing::TempDir;
using testing::write_file;
using Kind = Store::Outcome::Kind;

constexpr std::int64_t kNoonMs = 1'767'787'200'000;  // 2026-01-07T12:00:00Z
constexpr std::int64_t kDayMs = 86'400'000;

class StoreTest : public ::testing::Test {
 protected:
  Status open(bool forget_keys = false, std::uint64_t quota = 0) {
    store_.reset();
    auto store = Store::open(
        {.dir = dir_.path(), .forget_keys = forget_keys, .quota = quota, .now_unix_ms = [this] {
           return now_ms_.load();
         }});
    if (!store.ok()) return store.status();
    store_ = std::move(*store);
    return {};
  }

  Store::Outcome submit(const std::string& key = "", const std::string& body = R"({"input":{}})",
                        const std::string& tenant = "tenant") {
    auto outcome = store_->submit({.tenant = tenant,
                                   .idempotency_key = key,
                                   .body = body,
                                   .hashes = {payload_hash("{}"), payload_hash(body), ""},
                                   .receipt_url_base = "http://h/xase/receipt/"});
    EXPECT_TRUE(outcome.ok()) << outcome.status().message();
    return outcome.ok() ? std::move(*outcome) : Store::Outcome();
  }

  std::vector<std::string> ids() {
    std::vector<std::string> found;
    auto records = store_->list(0, 1000, 1 << 20);
    EXPECT_TRUE(records.ok());
    if (records.ok()) {
      for (const auto& [number, record] : *records) found.push_back(record.transaction_id);
    }
    return found;
  }

  TempDir dir_;
  std::atomic<std::int64_t> now_ms_{kNoonMs};
  std::unique_ptr<Store> store_;
};

TEST(Chain, HashesAreThoseOfTheService) {
  // printf '{}' | sha256sum
  const std::string empty =
      "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a";
  EXPECT_EQ(payload_hash("{}"), empty);
  // printf '<input hash><output hash>' | sha256sum, and with previous hash and context hash around.
  const std::string first = chain_hash("", {empty, empty, ""});
  EXPECT_EQ(first, sha256_hex(empty + empty));
  EXPECT_EQ(first, "23c5c9bcc46fb1e51e46f2025a4e03efc0d2efad680c8ba02f3efa7c20db3f0a");
  EXPECT_EQ(chain_hash(first, {empty, empty, empty}),
            "ad5b5e84f2af78a01f1d7d0c73195a4b7c62dbe72ae73ed568c56b4eda1f215f");
}

TEST_F(StoreTest, RecordsOfATenantFormAChain) {
  ASSERT_TRUE(open().ok());
  const auto a = submit("", R"({"n":1})").record;
  const auto other = submit("", R"({"n":2})", "other").record;
  const auto b = submit("", R"({"n":3})").record;
  EXPECT_EQ(a.previous_hash, "");
  EXPECT_EQ(other.previous_hash, "");
  EXPECT_EQ(b.previous_hash, a.record_hash);
  EXPECT_EQ(b.record_hash,
            chain_hash(a.record_hash, {b.input_hash, b.output_hash, b.context_hash}));
  EXPECT_EQ(store_->find(a.transaction_id)->next_transaction_id, b.transaction_id);
  EXPECT_EQ(store_->find(b.transaction_id)->next_transaction_id, "");
  EXPECT_EQ(store_->find(other.transaction_id)->next_transaction_id, "");
}

TEST_F(StoreTest, RecordsAndChainOutliveARestart) {
  ASSERT_TRUE(open().ok());
  const std::string body = "{\"t\":\"\xC3\xA9\\n\\u0000\",\n \"n\": 1.0}";
  const auto a = submit("", body).record;
  ASSERT_TRUE(open().ok());
  const auto found = store_->find(a.transaction_id);
  ASSERT_TRUE(found.has_value());
  ASSERT_TRUE(found->record.ok());
  EXPECT_EQ(found->record->body, body);
  EXPECT_EQ(found->record->record_hash, a.record_hash);
  EXPECT_EQ(found->record->receipt_url, "http://h/xase/receipt/" + a.transaction_id);
  EXPECT_EQ(found->record->timestamp_unix_ms, kNoonMs);
  EXPECT_EQ(submit().record.previous_hash, a.record_hash);
}

TEST_F(StoreTest, SameKeyIsReplayedAlsoWithAnotherBody) {
  ASSERT_TRUE(open().ok());
  const auto first = submit("key");
  const auto second = submit("key", R"({"other":1})");
  EXPECT_EQ(first.kind, Kind::kCreated);
  EXPECT_EQ(second.kind, Kind::kReplayed);
  EXPECT_EQ(second.record.transaction_id, first.record.transaction_id);
  EXPECT_EQ(second.record.body, first.record.body);
  EXPECT_EQ(ids().size(), 1U);
}

TEST_F(StoreTest, KeysOfTenantsAreTheirOwn) {
  ASSERT_TRUE(open().ok());
  EXPECT_EQ(submit("key", "{}", "a").kind, Kind::kCreated);
  EXPECT_EQ(submit("key", "{}", "b").kind, Kind::kCreated);
  EXPECT_EQ(submit("key", "{}", "a").kind, Kind::kReplayed);
}

TEST_F(StoreTest, KeyIsForgottenAfterADay) {
  ASSERT_TRUE(open().ok());
  const auto first = submit("key");
  now_ms_ += kDayMs - 1;
  EXPECT_EQ(submit("key").kind, Kind::kReplayed);
  now_ms_ += 1;
  const auto later = submit("key");
  EXPECT_EQ(later.kind, Kind::kCreated);
  EXPECT_NE(later.record.transaction_id, first.record.transaction_id);
  const auto again = submit("key");
  EXPECT_EQ(again.kind, Kind::kReplayed);
  EXPECT_EQ(again.record.transaction_id, later.record.transaction_id);
}

TEST_F(StoreTest, KeysOutliveARestartUnlessTheyAreToBeForgotten) {
  ASSERT_TRUE(open().ok());
  submit("key");
  ASSERT_TRUE(open().ok());
  EXPECT_EQ(submit("key").kind, Kind::kReplayed);
  ASSERT_TRUE(open(true).ok());
  EXPECT_EQ(submit("key").kind, Kind::kCreated);
}

TEST_F(StoreTest, KeyOlderThanADayIsNotReadAgain) {
  ASSERT_TRUE(open().ok());
  submit("key");
  now_ms_ += kDayMs;
  ASSERT_TRUE(open().ok());
  EXPECT_EQ(store_->counters().keys_remembered, 0U);
  EXPECT_EQ(submit("key").kind, Kind::kCreated);
}

TEST_F(StoreTest, OneKeyFromManyThreadsMakesOneRecord) {
  ASSERT_TRUE(open().ok());
  constexpr int kThreads = 8;
  constexpr int kKeys = 200;
  std::barrier together(kThreads);
  std::atomic<int> created{0};
  std::vector<std::vector<std::string>> made(kThreads, std::vector<std::string>(kKeys));
  std::vector<std::thread> threads;
  threads.reserve(kThreads);
  for (std::vector<std::string>& own : made) {
    threads.emplace_back([&] {
      for (std::size_t key = 0; key < own.size(); ++key) {
        together.arrive_and_wait();
        const auto outcome = submit("key-" + std::to_string(key));
        if (outcome.kind == Kind::kCreated) ++created;
        own[key] = outcome.record.transaction_id;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(created, kKeys);
  for (const std::vector<std::string>& own : made) EXPECT_EQ(own, made.front());
  EXPECT_EQ(ids().size(), static_cast<std::size_t>(kKeys));
}

TEST_F(StoreTest, ManyThreadsShareSyncsAndOneUnforkedChain) {
  ASSERT_TRUE(open().ok());
  constexpr int kThreads = 16;
  constexpr int kEach = 50;
  std::vector<std::thread> threads;
  threads.reserve(kThreads);
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < kEach; ++i) submit(std::to_string(t) + "-" + std::to_string(i));
    });
  }
  for (std::thread& thread : threads) thread.join();
  ASSERT_TRUE(open().ok());
  const auto records = store_->list(0, 10'000, std::size_t{1} << 30U);
  ASSERT_TRUE(records.ok());
  ASSERT_EQ(records->size(), static_cast<std::size_t>(kThreads * kEach));
  std::string previous;
  for (const auto& [number, record] : *records) {
    ASSERT_EQ(record.previous_hash, previous) << number;
    previous = record.record_hash;
  }
}

TEST_F(StoreTest, QuotaIsCountedATenantAndOverRestarts) {
  ASSERT_TRUE(open(false, 2).ok());
  EXPECT_EQ(submit("a").kind, Kind::kCreated);
  EXPECT_EQ(submit("b").kind, Kind::kCreated);
  EXPECT_EQ(submit("c").kind, Kind::kOverQuota);
  EXPECT_EQ(submit("a").kind, Kind::kReplayed);
  EXPECT_EQ(submit("c", "{}", "other").kind, Kind::kCreated);
  ASSERT_TRUE(open(false, 2).ok());
  EXPECT_EQ(submit("c").kind, Kind::kOverQuota);
}

TEST_F(StoreTest, ListGoesOnWhereItEnded) {
  ASSERT_TRUE(open().ok());
  std::vector<std::string> made(7);
  for (std::string& id : made) id = submit().record.transaction_id;
  std::vector<std::string> listed;
  for (;;) {
    const auto page = store_->list(listed.size(), 3, 1 << 20);
    ASSERT_TRUE(page.ok());
    if (page->empty()) break;
    EXPECT_EQ(page->front().first, listed.size() + 1);
    for (const auto& [number, record] : *page) listed.push_back(record.transaction_id);
  }
  EXPECT_EQ(listed, made);
  EXPECT_EQ(store_->list(0, 3, 1)->size(), 1U);
  EXPECT_TRUE(store_->list(1'000, 3, 1 << 20)->empty());
}

TEST_F(StoreTest, InterventionsOutliveARestart) {
  ASSERT_TRUE(open().ok());
  const auto record = submit().record;
  const auto made = store_->intervene(record.transaction_id, "tenant", R"({"action":"APPROVED"})");
  ASSERT_TRUE(made.ok());
  EXPECT_EQ(store_->intervene("txn_" + std::string(32, '0'), "tenant", "{}").status().code(),
            Code::kNotFound);
  ASSERT_TRUE(open().ok());
  const auto found = store_->find(record.transaction_id);
  ASSERT_EQ(found->interventions.size(), 1U);
  EXPECT_EQ(found->interventions[0].intervention_id, made->intervention_id);
  EXPECT_EQ(found->interventions[0].body, R"({"action":"APPROVED"})");
}

TEST_F(StoreTest, SecondStoreOnTheDirectoryIsRefused) {
  ASSERT_TRUE(open().ok());
  const auto second = Store::open({.dir = dir_.path(), .now_unix_ms = [] { return kNoonMs; }});
  ASSERT_FALSE(second.ok());
  EXPECT_EQ(second.status().code(), Code::kExists);
  EXPECT_NE(second.status().message().find(std::to_string(::getpid())), std::string::npos)
      << second.status().message();
}

// Every length that a crash can leave of the last line.
TEST_F(StoreTest, TornLastLineIsCutAndSetAside) {
  ASSERT_TRUE(open().ok());
  const auto a = submit("a").record;
  const std::string whole = read_file(dir_.log());
  submit("b");
  store_.reset();
  const std::string both = read_file(dir_.log());
  for (std::size_t size = whole.size() + 1; size < both.size(); size += 7) {
    write_file(dir_.log(), both.substr(0, size));
    ASSERT_TRUE(open().ok()) << size;
    EXPECT_EQ(ids(), std::vector<std::string>{a.transaction_id}) << size;
    EXPECT_EQ(store_->counters().torn_bytes_cut, size - whole.size());
    EXPECT_EQ(read_file(dir_.path() + "/torn-" + std::to_string(whole.size())),
              both.substr(whole.size(), size - whole.size()));
    store_.reset();
    EXPECT_EQ(read_file(dir_.log()), whole);
  }
}

TEST_F(StoreTest, TailOfZerosIsCut) {
  ASSERT_TRUE(open().ok());
  const auto a = submit("a").record;
  const std::string whole = read_file(dir_.log());
  submit("b");
  store_.reset();
  std::string both = read_file(dir_.log());
  std::fill(both.begin() + static_cast<std::ptrdiff_t>(whole.size() + 100), both.end() - 1, '\0');
  for (const std::string& tail : {std::string(5000, '\0'), both.substr(whole.size())}) {
    write_file(dir_.log(), whole + tail);
    ASSERT_TRUE(open().ok());
    EXPECT_EQ(ids(), std::vector<std::string>{a.transaction_id});
    EXPECT_EQ(submit("b").record.previous_hash, a.record_hash);
    ASSERT_TRUE(open().ok());
    EXPECT_EQ(ids().size(), 2U);
    store_.reset();
  }
}

TEST_F(StoreTest, DamageElsewhereRefusesAndChangesNothing) {
  ASSERT_TRUE(open().ok());
  submit("a");
  const std::size_t first = read_file(dir_.log()).size();
  submit("b");
  submit("c");
  store_.reset();
  const std::string good = read_file(dir_.log());
  for (const std::size_t at : {std::size_t{0}, std::size_t{12}, first - 10, first - 1, first,
                               first + 40, good.size() - 20}) {
    std::string bad = good;
    bad[at] = static_cast<char>(bad[at] ^ 1);
    write_file(dir_.log(), bad);
    const Status status = open();
    ASSERT_FALSE(status.ok()) << at;
    EXPECT_EQ(status.code(), Code::kCorrupt) << at;
    EXPECT_NE(status.message().find("records.jsonl: the line at byte "), std::string::npos);
    EXPECT_EQ(read_file(dir_.log()), bad) << at;
  }
  write_file(dir_.log(), good);
  EXPECT_TRUE(open().ok());
}

TEST_F(StoreTest, ZerosBeforeAWholeLineAreDamage) {
  ASSERT_TRUE(open().ok());
  submit("a");
  store_.reset();
  const std::string good = read_file(dir_.log());
  write_file(dir_.log(), std::string(100, '\0') + "\n" + good);
  EXPECT_EQ(open().code(), Code::kCorrupt);
}

TEST_F(StoreTest, RecordThatChangesOnDiskIsNotVouchedFor) {
  ASSERT_TRUE(open().ok());
  const auto record = submit("key").record;
  std::string bytes = read_file(dir_.log());
  bytes[bytes.size() - 6] = static_cast<char>(bytes[bytes.size() - 6] ^ 1);
  write_file(dir_.log(), bytes);
  const auto found = store_->find(record.transaction_id);
  ASSERT_TRUE(found.has_value());
  EXPECT_EQ(found->record.status().code(), Code::kCorrupt);
  EXPECT_FALSE(store_->find_by_key("tenant", "key").ok());
}

// A disk that takes no more, as the file size limit plays it.
TEST_F(StoreTest, AfterAFailedWriteNothingIsAcknowledgedUntilARestart) {
  ASSERT_TRUE(open().ok());
  const auto before = submit("before").record;
  const auto old_action = std::signal(SIGXFSZ, SIG_IGN);
  rlimit old_limit{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &old_limit), 0);
  const rlimit full{std::filesystem::file_size(dir_.log()) + 100, old_limit.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &full), 0);
  const auto try_submit = [&](const std::string& key) {
    return store_->submit({.tenant = "tenant",
                           .idempotency_key = key,
                           .body = "{}",
                           .hashes = {},
                           .receipt_url_base = ""});
  };
  EXPECT_FALSE(try_submit("during").ok());
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &old_limit), 0);
  EXPECT_NE(std::signal(SIGXFSZ, old_action), SIG_ERR);
  // There is space again, and still nobody knows what the file holds.
  EXPECT_FALSE(try_submit("during").ok());
  EXPECT_FALSE(try_submit("after").ok());
  EXPECT_EQ(ids(), std::vector<std::string>{before.transaction_id});
  ASSERT_TRUE(open().ok());
  EXPECT_EQ(store_->counters().torn_bytes_cut, 100U);
  EXPECT_EQ(submit("during").record.previous_hash, before.record_hash);
}

}  // namespace
}  // namespace xased::devapi
