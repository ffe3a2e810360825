#include "daemon/ledger/ledger.hpp"

#include <nlohmann/json.hpp>

#include "daemon/ledger/segment_names.hpp"
#include "proto/entry_body.hpp"
#include "proto/hashing.hpp"
#include "proto/run_dir.hpp"

namespace xased {

using nlohmann::json;
using xase::proto::Bytes;
using xase::proto::EntryType;

namespace {

std::uint64_t records_of(const ChainState& state) {
  return state.totals.records + state.totals.rejected;
}

std::string describe(const Recovery& recovery) {
  json damage = json::array();
  for (const JournalDamage& part : recovery.damage) {
    damage.push_back({{"first", part.first},
                      {"last", part.last},
                      {"segment", part.segment},
                      {"position", part.position},
                      {"what", part.what}});
  }
  return json{{"torn_bytes", recovery.torn_bytes},
              {"torn_saved_as", recovery.torn_saved_as},
              {"set_aside", recovery.set_aside},
              {"damage", damage}}
      .dump(-1, ' ', false, json::error_handler_t::replace);
}

}  // namespace

Result<std::unique_ptr<Ledger>> Ledger::open(FileSystem& fs, const Clock& clock, Random& random,
                                             const LedgerOptions& options, Positions& positions,
                                             SegmentPreparer& preparer, SyncStage& sync,
                                             Recovery& recovery) {
  auto recovered = recover_ledger(fs, options.state_dir);
  if (!recovered.ok()) return recovered.status();
  recovery = std::move(*recovered);
  xase::proto::Hash nonce{};
  if (recovery.is_new) {
    random.fill(nonce);
    Sha256 sha256;
    recovery.chain.log_id = xase::proto::log_id(sha256, nonce, options.origin);
  }
  if (options.open_keys) {
    if (Status status = options.open_keys(recovery.chain); !status.ok()) return status;
  }
  std::unique_ptr<Ledger> ledger(new Ledger);
  ledger->journal_ =
      std::make_unique<Journal>(fs, clock, options.journal, positions, preparer, sync);
  if (recovery.is_new) {
    if (Status status = ledger->journal_->create(recovery.chain); !status.ok()) return status;
  } else {
    // Recovery synced what it trusts.
    positions.journaled.store(recovery.chain.last_sequence, std::memory_order_release);
    positions.durable.store(recovery.chain.last_sequence, std::memory_order_release);
    if (Status status = ledger->journal_->open(recovery.tail, recovery.chain); !status.ok()) {
      return status;
    }
  }
  ledger->chain_ = std::make_unique<Chain>(recovery.chain, clock, random);

  json start{{"version", options.version}, {"origin", options.origin}};
  if (recovery.is_new) start["nonce"] = xase::proto::to_hex(nonce);
  // Here, and not in RECOVERED alone, which power loss may take away from behind it.
  if (recovery.torn_bytes != 0 && recovery.torn_saved_as.empty()) {
    start["torn_bytes_left"] = recovery.torn_bytes;
  }
  ledger->open_with(EntryType::kStart, xase::proto::as_bytes(start.dump()));
  if (recovery.torn_bytes != 0 || !recovery.damage.empty() || !recovery.set_aside.empty()) {
    ledger->open_with(EntryType::kRecovered, xase::proto::as_bytes(describe(recovery)));
  }
  for (const JournalDamage& part : recovery.damage) {
    xase::proto::GapBody gap;
    gap.count = part.last >= part.first ? part.last - part.first + 1 : 0;
    gap.after_sequence = part.first - 1;
    gap.before_sequence = part.last + 1;
    gap.reason = xase::proto::GapReason::kJournalDamaged;
    gap.text = part.what;
    ledger->open_with(EntryType::kGap, xase::proto::encode(gap));
  }
  // On a full disk these wait like everything else; nothing comes before them.
  if (!ledger->append_opening() && ledger->trouble_.ok()) {
    ledger->trouble_ = ledger->journal_->prepare_now();
    (void)ledger->append_opening();
  }
  (void)ledger->flush();
  return ledger;
}

void Ledger::open_with(EntryType type, Bytes body) {
  opening_.push_back({type, body.size(),
                      [kept = std::vector<std::byte>(body.begin(), body.end())](const ChainState&) {
                        return kept;
                      }});
}

void Ledger::append_opening(EntryType type, const std::string& text) {
  open_with(type, xase::proto::as_bytes(text));
  if (append_opening()) (void)flush();
}

void Ledger::append_opening(EntryType type, std::size_t bytes_max, MadeBody make) {
  opening_.push_back({type, bytes_max, std::move(make)});
  if (append_opening()) (void)flush();
}

// True where all entries that a start begins with are appended.
bool Ledger::append_opening() {
  while (!opening_.empty()) {
    Opening next = std::move(opening_.front());
    opening_.pop_front();
    if (make_and_append(next.type, next.bytes_max, next.make) == 0) {
      opening_.push_front(std::move(next));
      return false;
    }
  }
  return true;
}

bool Ledger::make_room(std::size_t bytes, bool is_record) {
  if (journal_->has_room(bytes, is_record)) return true;
  if (!journal_->can_rotate(is_record)) {
    // The reason first: asking again forgets it.
    trouble_ = journal_->why_no_segment();
    journal_->hurry_next_segment();
    return false;
  }
  if (!flush().ok() || !journal_->can_rotate(is_record)) return false;
  const ChainState before = state();
  is_starting_segment_ = true;
  const bool has_all = on_new_segment_ && on_new_segment_();
  is_starting_segment_ = false;
  const std::uint32_t flags = has_all ? 0 : xase::proto::kSegmentContinues;
  trouble_ = journal_->rotate(before, state(), flags);
  if (!trouble_.ok()) return false;
  // What does not fit now never would: it makes this segment larger.
  return journal_->has_room(bytes, is_record) || !journal_->fits(bytes);
}

std::uint64_t Ledger::append_record(const Subject& subject, Bytes record) {
  if (!append_opening() || !make_room(Chain::record_frame_bytes(record.size()), true)) return 0;
  if (journal_->batch_is_empty()) chain_->start_batch();
  chain_->append_record(subject, record, journal_->batch());
  return chain_->last_sequence();
}

std::uint64_t Ledger::append_body(EntryType type, const Subject& subject, Bytes body) {
  return is_starting_segment_ || append_opening() ? append(type, subject, body) : 0;
}

std::uint64_t Ledger::append_rejected(const Subject& subject, std::uint32_t error_code,
                                      std::string_view text, Bytes record) {
  xase::proto::RejectedBody body;
  body.error_code = error_code;
  body.text = text;
  chain_->draw(body.mask);
  const auto masked = xase::proto::masked(record, body.mask);
  body.masked_record = masked;
  return append_body(EntryType::kRejected, subject, xase::proto::encode(body));
}

std::uint64_t Ledger::append_made(EntryType type, std::size_t bytes_max, const MadeBody& make) {
  return is_starting_segment_ || append_opening() ? make_and_append(type, bytes_max, make) : 0;
}

std::uint64_t Ledger::make_and_append(EntryType type, std::size_t bytes_max, const MadeBody& make) {
  if (!is_starting_segment_ && !make_room(Chain::body_frame_bytes(bytes_max), false)) return 0;
  return append(type, Subject{}, make(state()));
}

std::uint64_t Ledger::append(EntryType type, const Subject& subject, Bytes body) {
  if (!is_starting_segment_ && !make_room(Chain::body_frame_bytes(body.size()), false)) return 0;
  if (journal_->batch_is_empty()) chain_->start_batch();
  chain_->append_body(type, subject, body, journal_->batch());
  return chain_->last_sequence();
}

const ChainState& Ledger::state() {
  chain_->seal(journal_->batch());
  return chain_->state();
}

Status Ledger::rewrite_unsynced() {
  (void)state();  // what the batch holds is moved on frame by frame: all are sealed
  return journal_->rewrite_unsynced();
}

Status Ledger::flush() {
  const ChainState& now = state();
  trouble_ = journal_->write(now);
  if (trouble_.ok()) written_records_ = records_of(now);
  return trouble_;
}

}  // namespace xased
