// The owner's side of delivery: which record goes when, and what its answer does.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "daemon/config/log.hpp"
#include "daemon/delivery/anchor.hpp"
#include "daemon/delivery/answer.hpp"
#include "daemon/delivery/audit_sampler.hpp"
#include "daemon/delivery/counters.hpp"
#include "daemon/delivery/cursor.hpp"
#include "daemon/delivery/dead_letters.hpp"
#include "daemon/delivery/delivery_options.hpp"
#include "daemon/delivery/delivery_stage.hpp"
#include "daemon/delivery/destination.hpp"
#include "daemon/delivery/dispatch.hpp"
#include "daemon/delivery/record_source.hpp"
#include "daemon/delivery/request_body.hpp"
#include "daemon/delivery/resume.hpp"
#include "daemon/delivery/writer_watch.hpp"
#include "daemon/ledger/handback.hpp"

namespace xased {

// One thread. Holds the records that are being sent, at most a few for each request that may be
// under way, and nothing else of the backlog.
class DeliveryCore {
 public:
  DeliveryCore(const DeliverySurroundings& surroundings, const DeliveryOptions& options,
               Dispatch& dispatch, DeadLetters& dead_letters, DeliveryCounters& counters);

  // Loads the cursor; everything up to positions.durable may be read from now on.
  Status start();
  void configure(const DeliveryOptions& options, bool same_destination);
  // The key that requests go out with from now on.
  void on_new_key(std::uint64_t generation) {
    key_generation_ = generation;
    destination_.on_new_key(now());
  }
  void set_key_missing(bool missing) { destination_.set_key_missing(missing, now()); }
  // An operator asks for another try of a record that is set aside.
  void request_retry(std::uint64_t sequence) { asked_.push_back(sequence); }

  // One bounded piece of work. Returns how long to wait where nobody rings.
  std::chrono::nanoseconds step(bool may_send);

  // Nothing is left that can be sent now.
  bool drained() const;
  // Neither an answer nor the durability of a handback is waited for.
  bool quiet() const { return under_way_ == 0 && outstanding_.empty() && spill_.empty(); }
  bool wants_key() const { return destination_.paused(); }
  void store_cursor();

 private:
  enum class State : std::uint8_t { kDue, kUnderWay, kHandedBack };

  // A record that is not settled.
  struct Shipment {
    std::uint64_t sequence = 0;
    std::int64_t wall_ns = 0;
    xase::proto::Id ring_id{};
    std::uint64_t ring_sequence = 0;
    std::uint32_t uid = 0;
    std::uint32_t pid = 0;
    xase::proto::Hash leaf_hash{};
    std::shared_ptr<const Request> request;
    State state = State::kDue;
    bool is_retry = false;  // by an operator, out of order
    std::uint32_t attempts = 0;
    std::uint32_t failures = 0;
    std::int64_t due_boot_ns = 0;
    std::int64_t first_attempt_wall_ns = 0;
    // Since when an earlier attempt may have made a record at the service.
    std::optional<Moment> maybe_since;
    // Another attempt since then may have made a second one: the service had forgotten the key. A
    // replay later on says only that it knows the key of one of them.
    bool may_be_twice = false;
    std::uint64_t ticket = 0;  // of the attempt, for writer_watch_
  };

  // A signed head that the service has not taken.
  struct PendingAnchor {
    explicit PendingAnchor(Anchor made) : anchor(std::move(made)) {}

    Anchor anchor;
    State state = State::kDue;
    std::uint32_t attempts = 0;
    std::uint32_t failures = 0;
    std::int64_t due_boot_ns = 0;
    std::int64_t first_attempt_wall_ns = 0;
    std::uint64_t ticket = 0;
  };

  // An attempt that made a record, for writer_watch_.
  struct Watched {
    std::uint64_t ticket = 0;
    std::uint64_t sequence = 0;
    xase::proto::Hash leaf_hash{};
    const Request* request = nullptr;
    bool is_doubtful = false;  // an earlier attempt may have made one too
  };

  // A handback whose entry is not yet durable.
  struct Outstanding {
    Handback::Kind kind = Handback::Kind::kReceipt;
    std::uint64_t sequence = 0;
    bool is_retry = false;
    bool asks_again = false;
    SequenceRange damage;
    DeadLetter letter;
    std::uint64_t floor = 0;  // its entry lies behind this sequence
    std::uint64_t anchor_size = 0;
    std::int64_t anchor_wall_ns = 0;
  };

  struct Intent {
    std::uint64_t through = 0;
    Moment moment;
  };

  // Jobs that are no record's: sequences never come so far.
  static constexpr std::uint64_t kAuditJob = std::uint64_t{1} << 63U;
  static constexpr std::uint64_t kAnchorJob = kAuditJob + 1;

  std::int64_t now() const { return clock_.boot_ns(); }
  Moment moment() const;
  bool older_than_key_memory(const Moment& since) const;

  void finish_resume();
  bool take_results();
  void take_result(const JobResult& result);
  bool acknowledge();
  void settle(const Outstanding& done);
  bool read_more();
  bool read_entry();
  bool start_retries();
  bool take_asked();
  bool send_due();
  Shipment* next_due(std::int64_t now_ns);
  bool declare_intent(std::uint64_t sequence);
  void send(Shipment& shipment);

  Status fill(Shipment& shipment, const Entry& entry, std::string_view context);
  void wait_behind_others(Shipment& shipment, std::int64_t now_ns);
  void hand_back_answer(Shipment& shipment, const Answer& answer, const Verdict& verdict);
  void hand_back_unsendable(Shipment& shipment, const std::string& why);
  void hand_back(Handback handback, Outstanding outstanding);
  void push(Handback handback);
  void note_receipt(const Shipment& shipment, const Answer& answer, bool is_ours);
  void watch_writer(const Watched& watched, const JobResult& result, const Verdict& verdict);
  void load_anchored();
  void show_anchored(std::uint64_t size, std::int64_t wall_ns);
  bool wants_anchor(std::int64_t now_ns) const;
  bool renew_anchor();
  bool send_anchor(std::int64_t now_ns);
  void take_anchor(const JobResult& result);
  void hand_back_anchor(const Answer& answer, const Verdict& verdict);
  void settle_anchor(std::uint64_t size, std::int64_t wall_ns);
  bool ask_service();
  void take_audit(const JobResult& result);
  void report_audit(const AuditSampler::Found& found, const Answer& answer);
  bool flush_spill();
  void announce(const xase::proto::Id& ring);
  void pass_by(const Entry& entry);
  void pass_settled(const Entry& entry);

  std::uint64_t read_through() const;
  std::uint64_t settled_through() const;
  bool is_at_end() const;
  bool store_cursor_now();
  void note_stored(const Cursor& cursor);
  void refresh_cursor();
  void publish(std::int64_t now_ns);
  std::chrono::nanoseconds wait_time(std::int64_t now_ns, bool may_send) const;
  std::size_t shipments_max() const;

  FileSystem& fs_;
  const Clock& clock_;
  Random& random_;
  const std::string state_dir_;
  const Positions& positions_;
  HandbackQueue& handbacks_;
  Wake& intake_wake_;
  const std::vector<SequenceRange> known_damage_;  // told by the start
  DeliveryOptions options_;
  Dispatch& dispatch_;
  DeadLetters& dead_letters_;
  DeliveryCounters& counters_;
  RepeatedLog log_;
  const xase::proto::Id boot_id_;

  CursorStore cursor_store_;
  RecordSource source_;
  RequestBuilder builder_;
  AnswerReader answers_;
  Sha256 sha256_;
  Destination destination_;
  AuditSampler sampler_;
  ServiceHasher service_hasher_;
  ServiceAnswerReader service_answers_;
  WriterWatch writer_watch_;
  std::optional<PendingAnchor> anchor_;
  std::uint64_t anchored_ = 0;  // entries that a head covers which the service took, in this life
  std::uint64_t last_record_ = 0;  // sequence of the last record that was read
  std::int64_t next_anchor_boot_ns_ = 0;
  std::unique_ptr<Resume> resume_;  // until what was sent before this start lies behind
  bool resumed_ = false;
  std::uint64_t resumed_settled_through_ = 0;

  // By sequence: in the ledger's order.
  std::map<std::uint64_t, Shipment> shipments_;
  std::map<std::uint64_t, Shipment> retries_;
  std::vector<PendingRetry> pending_retries_;  // accepted, and not yet in retries_
  std::vector<std::uint64_t> asked_;
  // Last ring sequence that was read, of rings with unsettled records.
  std::map<xase::proto::Id, std::uint64_t> last_read_;
  std::uint32_t under_way_ = 0;
  std::deque<Outstanding> outstanding_;
  std::deque<Handback> spill_;  // did not fit the queue
  std::uint64_t acknowledged_ = 0;
  std::uint64_t key_generation_ = 0;
  std::uint64_t route_ = 0;     // the destination that requests go to now
  std::size_t held_bytes_ = 0;  // of request bodies
  std::vector<JobResult> results_;

  xase::proto::Hash log_id_{};
  std::uint64_t window_end_ = 0;
  std::deque<Intent> intents_;
  std::vector<SequenceRange> damages_;
  bool cursor_is_stale_ = false;
  std::uint64_t cursor_scanned_ = 0;
  // What the newest slot of the cursor on disk needs nothing of: entries up to here.
  std::uint64_t cursor_needs_from_ = 0;
  std::int64_t cursor_stored_boot_ns_ = 0;
  std::int64_t read_again_boot_ns_ = 0;
};

}  // namespace xased
