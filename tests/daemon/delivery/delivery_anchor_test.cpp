// The signed head goes ahead of the backlog.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "daemon/delivery/anchor.hpp"
#include "daemon/ledger/tree/checkpoint.hpp"
#include "daemon/ledger/tree/signing_key.hpp"
#include "daemon/ledger/tree/tile_writer.hpp"
#include "proto/hashing.hpp"
#include "tests/daemon/delivery/delivery_world.hpp"

namespace xased::test {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;
using xase::proto::AnchorBody;

constexpr const char* kOrigin = "host-1/loans/8d5b8a7e-33cc-4bbd-9d6c-5f0c9b4d7e11";

class DeliveryAnchor : public DeliveryWorld {
 protected:
  DeliveryAnchor() {
    options_.max_in_flight = 1;
    options_.anchor_interval = seconds(60);
    auto opened = TileWriter::open(system_file_system(), scratch_.path() + "/tree", 0, {});
    EXPECT_TRUE(opened.ok());
    writer_ = std::move(opened->writer);
    auto key = Ed25519Key::generate(kOrigin);
    EXPECT_TRUE(key.ok());
    key_ = std::move(*key);
  }

  // Signs what the journal has now.
  void sign() {
    JournalReader reader(system_file_system(), journal_.directory());
    ASSERT_TRUE(reader.seek(writer_->size() + 1).ok());
    Sha256 sha;
    while (writer_->size() < journal_.last_sequence()) {
      const auto step = reader.next(journal_.last_sequence());
      ASSERT_TRUE(step.ok() && *step == JournalReader::Step::kEntry);
      const Entry& entry = reader.entry();
      ASSERT_TRUE(writer_
                      ->append(entry.leaf.sequence, entry.leaf_bytes,
                               xase::proto::leaf_hash(sha, entry.leaf_bytes))
                      .ok());
    }
    ASSERT_TRUE(writer_->publish().ok());
    Signer* const signers[] = {key_.get()};
    const auto note = sign_checkpoint({kOrigin, writer_->size(), writer_->root()}, signers);
    ASSERT_TRUE(note.ok());
    ASSERT_TRUE(write_checkpoint(system_file_system(), scratch_.path() + "/tree", *note).ok());
  }
  static bool is_anchor(const std::string& body) {
    return body.find("xase.checkpoint") != std::string::npos;
  }
  static bool is_anchor(const Job& job) { return is_anchor(job.request->body); }

  std::unique_ptr<TileWriter> writer_;
  std::unique_ptr<Signer> key_;
};

TEST_F(DeliveryAnchor, TheBodyHoldsTheNoteAndIsTheSameForTheSameNote) {
  record();
  sign();
  const auto one = make_anchor(system_file_system(), scratch_.path());
  const auto two = make_anchor(system_file_system(), scratch_.path());
  ASSERT_TRUE(one.ok() && two.ok());
  EXPECT_EQ(one->request->body, two->request->body);
  EXPECT_EQ(one->request->idempotency_key, two->request->idempotency_key);
  EXPECT_EQ(one->request->idempotency_key.size(), 32U);
  const auto body = nlohmann::json::parse(one->request->body);
  EXPECT_EQ(body["policyId"], "xase.checkpoint");
  EXPECT_EQ(body["output"]["size"], journal_.last_sequence());
  EXPECT_EQ(body["context"]["xase_ledger"]["sequence"], journal_.last_sequence());
  EXPECT_EQ(body["context"]["xase_ledger"]["leaf_hash"], hex(journal_.state().head));
  const std::string note = body["input"]["checkpoint"];
  EXPECT_TRUE(note.starts_with(kOrigin));
  const xase::proto::VerifierKey keys[] = {key_->verifier_key()};
  EXPECT_TRUE(open_checkpoint(note, keys).ok()) << "as it was signed";
  // RFC 8785, so that the service's hash of it can be told.
  CanonicalJson json;
  std::string canonical;
  ASSERT_TRUE(json.append_object(one->request->body, canonical).ok());
  EXPECT_EQ(canonical, one->request->body);
  record();
  sign();
  const auto next = make_anchor(system_file_system(), scratch_.path());
  ASSERT_TRUE(next.ok());
  EXPECT_NE(next->request->idempotency_key, one->request->idempotency_key);
}

TEST_F(DeliveryAnchor, GoesFirstOnceTheLimitHeldARecordUpTooLong) {
  options_.anchor_after = minutes(10);
  records(3);
  sign();
  start();
  bool open = false;
  dispatch_->script = [&](const Job&) { return open ? created() : limited("900"); };
  run();
  EXPECT_EQ(dispatch_->order.size(), 1U);
  run_for(minutes(11), seconds(10));
  open = true;
  run_for(minutes(10), seconds(10));
  ASSERT_GE(dispatch_->order.size(), 3U);
  EXPECT_TRUE(is_anchor(dispatch_->bodies[dispatch_->order[1]][0])) << "ahead of the backlog";
  EXPECT_EQ(receipts(), 3U);
  ASSERT_EQ(anchors_.size(), 1U);
  EXPECT_EQ(anchors_[0].size, writer_->size());
  EXPECT_EQ(anchors_[0].root, writer_->root());
  EXPECT_EQ(counters_->anchored_size.load(), writer_->size());
}

TEST_F(DeliveryAnchor, NoneGoesWhileDeliveriesKeepUp) {
  records(3);
  sign();
  start();
  dispatch_->script = [&](const Job& job) {
    EXPECT_FALSE(is_anchor(job));
    return created();
  };
  run_for(minutes(30), seconds(30));
  EXPECT_EQ(receipts(), 3U);
}

TEST_F(DeliveryAnchor, AlwaysIsOneAnIntervalAndNoneWhereNothingIsNew) {
  options_.anchor_always = true;
  start();
  dispatch_->script = [](const Job&) { return created(); };
  for (int i = 0; i < 3; ++i) {
    records(2);
    sign();
    run_for(seconds(59), seconds(1));
    record();
    sign();
    run_for(seconds(2), seconds(1));
  }
  EXPECT_GE(anchors_.size(), 3U);
  EXPECT_LE(anchors_.size(), 4U);
  const std::size_t so_far = anchors_.size();
  run_for(minutes(2), seconds(5));
  const std::size_t last = anchors_.size();
  EXPECT_LE(last, so_far + 1);
  for (int i = 0; i < 5; ++i) {
    sign();  // its own ANCHOR entry alone is new
    run_for(minutes(2), seconds(5));
  }
  EXPECT_EQ(anchors_.size(), last);
}

TEST_F(DeliveryAnchor, IsTheSameBytesOnEachAttemptAndGivesWayToANewerHead) {
  options_.anchor_always = true;
  record();
  sign();
  start();
  dispatch_->script = [&](const Job& job) {
    return is_anchor(job) ? no_answer(Reach::kMaybe) : created();
  };
  run_for(seconds(50), seconds(1));
  std::set<std::string> bodies;
  std::size_t attempts = 0;
  for (const auto& [id, sent] : dispatch_->bodies) {
    for (const std::string& body : sent) {
      if (!is_anchor(body)) continue;
      bodies.insert(body);
      ++attempts;
    }
  }
  EXPECT_GT(attempts, 1U);
  EXPECT_EQ(bodies.size(), 1U);
  record();
  sign();
  run_for(seconds(20), seconds(1));
  dispatch_->script = [](const Job&) { return created(); };
  run_for(minutes(3), seconds(1));
  ASSERT_EQ(anchors_.size(), 1U) << "the older one is not sent any more";
  EXPECT_EQ(anchors_[0].size, writer_->size());
}

TEST_F(DeliveryAnchor, WhatWasAnchoredIsShownAfterARestartAndNotAnchoredAgain) {
  options_.anchor_always = true;
  record();
  sign();
  start();
  dispatch_->script = [](const Job&) { return created(); };
  run();
  ASSERT_EQ(anchors_.size(), 1U);
  const std::uint64_t size = counters_->anchored_size.load();
  stop();
  start();
  run_for(minutes(5), seconds(5));
  EXPECT_EQ(counters_->anchored_size.load(), size);
  EXPECT_NE(counters_->anchored_wall_ns.load(), 0);
  EXPECT_EQ(anchors_.size(), 1U);
}

}  // namespace
}  // namespace xased::test
