// Delivery asks the service again, and what it finds becomes an entry.
#include <gtest/gtest.h>

#include "daemon/delivery/request_body.hpp"
#include "daemon/delivery/service_hash.hpp"
#include "tests/daemon/delivery/delivery_world.hpp"

namespace xased::test {
namespace {

using std::chrono::seconds;
using xase::proto::AuditKind;
using xase::proto::Hash;

// A service that chains what is posted, and can be made to forget.
class DeliveryAudit : public DeliveryWorld {
 protected:
  DeliveryAudit() {
    options_.max_in_flight = 1;
    options_.audit_one_in = 1;
    options_.audit_max_per_minute = 60;
    start();
    dispatch_->script = [this](const Job& job) { return serve(job); };
  }

  Answer serve(const Job& job) {
    Answer answer;
    answer.reach = Reach::kAnswered;
    if (!job.request->verify_id.empty()) {
      ++asked_;
      const auto kept = kept_.find(job.request->verify_id);
      answer.status = kept == kept_.end() ? 404 : 200;
      answer.body = kept == kept_.end() ? R"({"error":"no","code":"NOT_FOUND"})" : kept->second;
      return answer;
    }
    const auto hashes = hasher_.of_body(job.request->body);
    EXPECT_TRUE(hashes.has_value());
    const Hash hash = hasher_.record_hash(head_, *hashes);
    const std::string id = "txn_" + std::to_string(job.id);
    kept_[id] = R"({"is_valid":true,"chain":{"record_hash":")" + hex(hash) +
                R"(","previous_hash":)" + (head_ ? "\"" + hex(*head_) + "\"" : "null") + "}}";
    head_ = hash;
    answer.status = 201;
    answer.body =
        R"({"success":true,"transaction_id":")" + id + R"(","record_hash":")" + hex(hash) + "\"}";
    return answer;
  }

  ServiceHasher hasher_;
  std::optional<Hash> head_;
  std::map<std::string, std::string> kept_;
  int asked_ = 0;
};

TEST_F(DeliveryAudit, ASoundServiceIsAskedAndNothingIsFound) {
  records(5);
  run_for(seconds(10));
  EXPECT_EQ(receipts(), 5U);
  EXPECT_EQ(asked_, 5);
  EXPECT_EQ(counters_->audits.load(), 5U);
  EXPECT_TRUE(audits_.empty());
  EXPECT_EQ(counters_->in_flight.load(), 0U);
}

TEST_F(DeliveryAudit, ALostRecordBecomesOneEntryAndIsCountedByItsKind) {
  const auto sequences = records(3);
  run();
  kept_.erase("txn_" + std::to_string(sequences[2]));
  run_for(seconds(300));
  ASSERT_EQ(audits_.size(), 1U);
  EXPECT_EQ(audits_[0].kind, AuditKind::kLost);
  EXPECT_EQ(audits_[0].record_sequence, sequences[2]);
  EXPECT_NE(audits_[0].record_leaf_hash, Hash{});
  EXPECT_EQ(audits_[0].http_status, 404U);
  EXPECT_EQ(counters_->audit_findings.at(static_cast<std::size_t>(AuditKind::kLost)).load(), 1U);
  EXPECT_TRUE(core_->quiet());
  // The next life does not tell it again.
  stop();
  start();
  run_for(seconds(300));
  EXPECT_EQ(audits_.size(), 1U);
  EXPECT_EQ(receipts(), 3U);
}

TEST_F(DeliveryAudit, DeliveryGoesOnWhileAQuestionHasNoAnswer) {
  record();
  dispatch_->script = [this](const Job& job) {
    EXPECT_TRUE(job.request->verify_id.empty()) << "answered here";
    return serve(job);
  };
  // Held: questions are not answered.
  const auto script = dispatch_->script;
  dispatch_->script = nullptr;
  run();
  ASSERT_EQ(dispatch_->under_way.size(), 1U);
  const std::uint64_t first = dispatch_->under_way[0].id;
  Job job{first, std::make_shared<Request>(), 0};
  auto request = std::make_shared<Request>();
  request->body = dispatch_->bodies[first][0];
  job.request = request;
  dispatch_->answer(first, serve(job));
  run();
  ASSERT_EQ(dispatch_->under_way.size(), 1U) << "the question";
  EXPECT_EQ(counters_->in_flight.load(), 0U);
  const std::uint64_t second = record();
  run();
  EXPECT_TRUE(dispatch_->is_under_way(second));
}

TEST_F(DeliveryAudit, NothingIsAskedWhereItIsOff) {
  options_.audit_one_in = 0;
  start();
  records(5);
  run_for(seconds(120));
  EXPECT_EQ(receipts(), 5U);
  EXPECT_EQ(asked_, 0);
}

}  // namespace
}  // namespace xased::test
