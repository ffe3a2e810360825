// Delivery's own look at what the service keeps: some of the records that it took are asked for
// again, at a pace that costs nobody anything.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "daemon/delivery/answer.hpp"
#include "daemon/delivery/service_audit.hpp"
#include "daemon/platform/random.hpp"

namespace xased {

// Owned by delivery's thread. Boot clock. Memory: at most kKeptMax records, and what ServiceChain
// keeps of kChainMax.
//
// Each record that is chosen is asked for once as soon as the pace allows; while none waits, those
// that were asked for are asked for again, by chance and ten times slower: what is changed later is
// seen too. Something is found only where a second look, a few seconds later, finds the same. The
// record is then no longer asked for: each finding is told once in a life of the daemon, and since
// only records delivered in that life are asked for, once.
class AuditSampler {
 public:
  static constexpr std::size_t kKeptMax = 1024;
  static constexpr std::size_t kChainMax = 4096;
  static constexpr std::chrono::seconds kSecondLookAfter{5};
  static constexpr std::chrono::seconds kAfterNoAnswer{60};

  explicit AuditSampler(Random& random) : random_(random), chain_(kChainMax) {}

  // Each record with a chance of one in `one_in`; at most `max_per_minute` questions. 0: off.
  void configure(std::uint32_t one_in, std::uint32_t max_per_minute);
  bool enabled() const { return one_in_ != 0 && max_per_minute_ != 0; }
  // Another service: what was kept is of no use.
  void forget();

  // One that will be told of on_receipt() is to be looked at: its hashes are then wanted.
  bool chooses();
  // Every receipt there is, in order. `chosen`: to be asked for.
  void on_receipt(AuditSubject subject, const xase::proto::Hash& leaf_hash, bool chosen);

  // The transaction id to ask for now; its answer must be given before the next.
  std::optional<std::string> ask(std::int64_t now_ns);
  struct Found {
    AuditFinding finding;
    std::uint64_t sequence = 0;
    xase::proto::Hash leaf_hash{};
  };
  std::optional<Found> on_answer(const Answer& answer, std::int64_t now_ns, std::int64_t wall_ns);
  bool is_asking() const { return asked_.has_value(); }
  // Answers that said something.
  std::uint64_t audits() const { return audits_; }

 private:
  struct Kept {
    AuditSubject subject;
    xase::proto::Hash leaf_hash{};
    std::optional<xase::proto::AuditKind> doubt;  // what the first look found
  };
  std::uint64_t draw(std::uint64_t below);
  std::optional<AuditFinding> look(const AuditSubject& subject, const ServiceWord& word);
  void keep(Kept kept);

  Random& random_;
  std::uint32_t one_in_ = 0;
  std::uint32_t max_per_minute_ = 0;
  std::deque<Kept> waiting_;   // not asked for yet
  std::vector<Kept> settled_;  // found good
  std::deque<Kept> doubted_;   // to be looked at a second time
  std::int64_t second_look_boot_ns_ = 0;
  std::optional<Kept> asked_;
  std::int64_t next_boot_ns_ = 0;
  std::int64_t next_again_boot_ns_ = 0;
  std::uint64_t audits_ = 0;
  ServiceHasher hasher_;
  ServiceAnswerReader reader_;
  AnswerReader answers_;
  ServiceChain chain_;
};

}  // namespace xased
