#include "daemon/delivery/resume.hpp"

#include <algorithm>
#include <utility>

#include "daemon/config/log.hpp"
#include "daemon/delivery/answer.hpp"
#include "proto/entry_body.hpp"

namespace xased {

using xase::proto::EntryType;
using xase::proto::Id;
using Step = JournalReader::Step;

Resume::Resume(FileSystem& fs, std::string journal_directory, DeadLetters& dead_letters,
               CursorStore::Loaded loaded, bool rebuild_dead_letters, std::uint64_t end)
    : fs_(fs),
      directory_(std::move(journal_directory)),
      dead_letters_(dead_letters),
      loaded_(std::move(loaded)),
      rebuild_dead_letters_(rebuild_dead_letters),
      end_(end) {}

Status Resume::begin() {
  auto reader = std::make_unique<JournalReader>(fs_, directory_);
  // Which ledger this is: the cursor may be another one's, whose sequences mean nothing here.
  bool has_entry = false;
  if (Status status = reader->seek(end_); !status.ok()) return status;
  if (Result<Step> step = reader->next(end_); step.ok() && *step == Step::kEntry) {
    log_id_ = reader->entry().leaf.log_id;
    has_entry = true;
  }
  std::optional<Cursor>& cursor = loaded_.cursor;
  if (cursor && ((has_entry && cursor->log_id != log_id_) || cursor->settled_through > end_ ||
                 cursor->scanned_through > end_)) {
    log_warn("delivery", "the cursor does not belong to this journal: receipts are looked for",
             {{"cursor", cursor->settled_through}, {"journal_end", end_}});
    cursor.reset();
    loaded_.damaged = true;
  }
  whole_ = !cursor || rebuild_dead_letters_;
  if (cursor) {
    settled_through_ = cursor->settled_through;
    read_through_ = cursor->read_through;
    window_end_ = cursor->window_end;
    first_intent_ = cursor->first_intent;
    damages_ = cursor->damages;
    open_ = cursor->open;
    std::sort(open_.begin(), open_.end());
  }
  // A rebuilt index starts from nothing, and so do the retries that come from the same entries.
  if (cursor && !whole_) retries_ = cursor->retries;
  bits_from_ = settled_through_ + 1;
  if (whole_) {
    if (Status status = dead_letters_.clear(); !status.ok()) return status;
  }
  const std::uint64_t from = whole_ ? 0 : cursor->scanned_through + 1;
  if (Status status = reader->seek(from); !status.ok()) return status;
  reader_ = std::move(reader);
  return {};
}

Result<bool> Resume::step(std::size_t entries) {
  if (end_ == 0) {
    finish();
    return true;
  }
  if (!reader_) {
    if (Status status = begin(); !status.ok()) return status;
  }
  for (std::size_t i = 0; i < entries; ++i) {
    const Result<Step> step = reader_->next(end_);
    if (!step.ok()) return step.status();
    if (*step == Step::kEnd) {
      finish();
      return true;
    }
    if (*step != Step::kEntry) continue;  // damage is told when delivery comes to it
    if (Status status = take(reader_->entry()); !status.ok()) return status;
  }
  return false;
}

void Resume::finish() {
  reader_.reset();
  if (loaded_.cursor) {
    ambiguous_end_ = loaded_.damaged ? end_ : std::min(window_end_, end_);
  } else {
    // With neither a trace of a cursor nor an answer, nothing was ever sent.
    ambiguous_end_ = loaded_.damaged || any_answer_ ? end_ : 0;
  }
  if (loaded_.damaged) {
    log_warn("delivery", "a cursor is damaged: every unsettled record counts as perhaps sent",
             {{"through", ambiguous_end_}});
  }
}

void Resume::settle(std::uint64_t sequence) {
  if (sequence < bits_from_) return;
  const std::uint64_t bit = sequence - bits_from_;
  if (bits_.size() <= bit) bits_.resize(bit + 1);
  bits_[bit] = true;
}

bool Resume::forget_retry(std::uint64_t sequence) {
  return std::erase_if(retries_, [sequence](const PendingRetry& retry) {
           return retry.sequence == sequence;
         }) > 0;
}

Status Resume::index(const DeadLetter& letter) {
  if (!whole_) {
    // It may have been indexed after the cursor was written.
    const Result<std::optional<DeadLetter>> newest = dead_letters_.find(letter.record_sequence);
    if (!newest.ok()) return newest.status();
    if (*newest && (*newest)->event == letter.event && (*newest)->wall_ns == letter.wall_ns) {
      return {};
    }
  }
  return dead_letters_.append(letter);
}

Status Resume::take_answer(const Entry& entry, bool delivered) {
  const auto body = xase::proto::decode_receipt_body(entry.body());
  // What is said of a record stands behind it.
  if (!body || body->record_sequence >= entry.leaf.sequence) return {};
  any_answer_ = true;
  const std::uint64_t sequence = body->record_sequence;
  DeadLetter letter;
  letter.record_sequence = sequence;
  letter.near_sequence = entry.leaf.sequence;
  letter.wall_ns = body->answered_wall_ns;
  letter.http_status = body->http_status;
  letter.error_code = body->error_code;
  if (delivered) {
    settle(sequence);
    if (!forget_retry(sequence)) return {};
    letter.event = DeadLetterEvent::kDelivered;
    return index(letter);
  }
  if (body->action == xase::proto::ReceiptAction::kRetryRequested) {
    letter.event = DeadLetterEvent::kRetryRequested;
    forget_retry(sequence);
    if (retries_.size() < Cursor::kRetriesMax) {
      retries_.push_back({sequence, entry.leaf.wall_ns});
    }
    return index(letter);
  }
  settle(sequence);
  forget_retry(sequence);
  Answer answer;
  answer.reach = Reach::kAnswered;
  answer.status = body->http_status;
  answer.body = body->answer;
  letter.api_code = AnswerReader().read(answer, 0).api_code;
  return index(letter);
}

Status Resume::take(const Entry& entry) {
  if (entry.erased()) return {};
  switch (entry.leaf.type) {
    case EntryType::kReceipt:
      return take_answer(entry, true);
    case EntryType::kDeadLetter:
      return take_answer(entry, false);
    case EntryType::kGap: {
      const auto gap = xase::proto::decode_gap_body(entry.body());
      if (!gap || gap->reason != xase::proto::GapReason::kJournalDamaged ||
          entry.leaf.ring_id != Id{} || gap->before_sequence == 0) {
        return {};
      }
      if (damages_.size() >= Cursor::kDamagesMax) damages_.erase(damages_.begin());
      damages_.push_back({gap->after_sequence + 1, gap->before_sequence - 1});
      return {};
    }
    default:
      return {};
  }
}

bool Resume::settled(std::uint64_t sequence) const {
  if (sequence <= settled_through_) return true;
  const std::uint64_t bit = sequence - bits_from_;
  if (bit < bits_.size() && bits_[bit]) return true;
  return sequence <= read_through_ && !std::binary_search(open_.begin(), open_.end(), sequence);
}

}  // namespace xased
