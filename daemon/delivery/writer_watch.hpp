// Predicts the service's next record_hash where we are the tenant's only writer.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "daemon/delivery/service_hash.hpp"

namespace xased {

// Owned by delivery's thread. Boot clock. Memory: kHashesMax hashes and, of the receipts that wait
// for others, at most as many as there may be requests under way.
//
// One request at a time: each record must go on from the one before, exactly. Several at once: it
// must go on from some record of ours, since the service reads its latest record and then inserts;
// which one may only be known when those that were under way with it are answered.
//
// Silent wherever an honest service could have done it: until the first receipt of a life of the
// daemon, about records that were posted before it, and for kDoubt after an attempt that may have
// made a record without telling us its hash.
class WriterWatch {
 public:
  static constexpr std::size_t kHashesMax = 1024;
  static constexpr std::chrono::minutes kDoubt{5};
  // After an alarm the next one waits this long: one that goes on is one alarm.
  static constexpr std::chrono::minutes kQuiet{1};

  // A receipt that goes on from no record of ours.
  struct Alarm {
    std::uint64_t sequence = 0;
    xase::proto::Hash leaf_hash{};
    std::string answer;
  };
  struct Receipt {
    Alarm subject;
    std::optional<ServiceHashes> hashes;  // nothing: cannot be told
    xase::proto::Hash record_hash{};
  };

  // Nothing is known any more: another service, or it was not watched.
  void forget();
  // A request goes out; the ticket is for its answer.
  std::uint64_t on_sent();
  // Its answer: a receipt for a new record; or one that cannot have made a record; or neither.
  std::optional<Alarm> on_receipt(std::uint64_t ticket, Receipt receipt, std::int64_t now_ns);
  std::optional<Alarm> on_no_record(std::uint64_t ticket, std::int64_t now_ns);
  void on_doubt(std::uint64_t ticket, std::int64_t now_ns);

 private:
  struct Waiting {
    Receipt receipt;
    std::uint64_t through = 0;  // until no ticket up to here is under way
  };
  bool goes_on_from_ours(const Receipt& receipt);
  std::optional<Alarm> settle(std::int64_t now_ns);
  std::optional<Alarm> raise(Alarm alarm, std::int64_t now_ns);
  void add(const xase::proto::Hash& hash);

  ServiceHasher hasher_;
  std::uint64_t tickets_ = 0;
  std::map<std::uint64_t, bool> under_way_;      // ticket, and whether it began alone
  std::uint64_t known_from_ = 0;                 // tickets above have all they can go on from known
  std::deque<xase::proto::Hash> hashes_;         // of our records, newest first
  std::optional<xase::proto::Hash> exact_head_;  // the last record, where none was beside it
  std::deque<Waiting> waiting_;
  std::int64_t doubt_until_ns_ = INT64_MIN;
  std::int64_t quiet_until_ns_ = INT64_MIN;
  bool is_known_ = false;  // there was a receipt since the last doubt
};

}  // namespace xased
