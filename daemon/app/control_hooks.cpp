// What the stats socket may ask of the daemon.
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "daemon/app/daemon.hpp"
#include "daemon/control/config_json.hpp"
#include "proto/entry_body.hpp"
#include "proto/erase_body.hpp"
#include "proto/run_dir.hpp"

namespace xased {

using nlohmann::json;
using xase::proto::as_text;
using xase::proto::EntryType;
using xase::proto::RecordFields;
using xase::proto::Span;
using xase::proto::to_hex;

namespace {

constexpr std::size_t kDeadLettersMax = 1000;
// A DEAD_LETTER entry lies this close behind where the index says.
constexpr std::uint64_t kNearEntriesMax = 4096;

constexpr std::array<std::string_view, xase::proto::kSpans> kSpanNames{"input",
                                                                       "output",
                                                                       "context",
                                                                       "explanation",
                                                                       "policy",
                                                                       "policy_version",
                                                                       "transaction_id",
                                                                       "decision_type",
                                                                       "idempotency_key",
                                                                       "model_id",
                                                                       "model_version",
                                                                       "model_hash",
                                                                       "feature_schema_hash"};

std::string member(const json& object, const char* name) {
  const auto found = object.find(name);
  return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

json parse_answer(std::string_view answer) {
  json parsed = json::parse(answer.begin(), answer.end(), nullptr, false);
  return parsed.is_object() ? parsed : json::object();
}

std::string note_of(const Entry& entry) {
  switch (entry.leaf.type) {
    case EntryType::kReceipt:
    case EntryType::kDeadLetter: {
      const auto body = xase::proto::decode_receipt_body(entry.body());
      if (!body) return {};
      if (body->action == xase::proto::ReceiptAction::kRetryRequested) return "retry requested";
      std::string note = std::to_string(body->http_status);
      if ((body->flags & xase::proto::kReceiptReplayed) != 0) note += " replayed";
      if ((body->flags & xase::proto::kReceiptPossibleDuplicate) != 0) {
        note += " possible duplicate";
      }
      return note;
    }
    case EntryType::kGap: {
      const auto gap = xase::proto::decode_gap_body(entry.body());
      if (!gap) return {};
      return std::to_string(gap->count) +
             " missing: " + std::string(xase::proto::gap_reason_name(gap->reason));
    }
    case EntryType::kAnchor: {
      const auto anchor = xase::proto::decode_anchor_body(entry.body());
      return anchor ? "up to " + std::to_string(anchor->size) : std::string();
    }
    case EntryType::kAudit: {
      const auto audit = xase::proto::decode_audit_body(entry.body());
      return audit ? std::string(xase::proto::audit_kind_name(audit->kind)) : std::string();
    }
    case EntryType::kErase: {
      const auto erase = xase::proto::decode_erase_body(entry.body());
      if (!erase) return {};
      return std::to_string(erase->first_sequence) + " to " + std::to_string(erase->last_sequence) +
             ", " + std::string(xase::proto::erase_reason_name(erase->reason));
    }
    case EntryType::kRejected: {
      const auto body = xase::proto::decode_rejected_body(entry.body());
      if (!body) return {};
      return std::string(
          xase::proto::error_name(static_cast<xase::proto::ErrorCode>(body->error_code)));
    }
    default:
      return {};
  }
}

EntryLine line_of(const Entry& entry, Sha256& sha256, bool with_payload) {
  EntryLine line;
  line.sequence = entry.leaf.sequence;
  line.type = xase::proto::entry_type_name(entry.leaf.type);
  line.wall_ns = entry.leaf.wall_ns;
  line.leaf_hash = to_hex(xase::proto::leaf_hash(sha256, entry.leaf_bytes));
  if (entry.leaf.ring_id != xase::proto::Id{}) line.ring_id = to_hex(entry.leaf.ring_id);
  line.ring_sequence = entry.leaf.ring_sequence;
  line.pid = entry.leaf.pid;
  if (entry.leaf.uid != xase::proto::kNoUid) line.uid = entry.leaf.uid;
  line.note = note_of(entry);
  if (const auto body = xase::proto::decode_receipt_body(entry.body());
      body &&
      (entry.leaf.type == EntryType::kReceipt || entry.leaf.type == EntryType::kDeadLetter)) {
    line.of_sequence = body->record_sequence;
  }
  if (entry.leaf.type == EntryType::kAudit) {
    if (const auto audit = xase::proto::decode_audit_body(entry.body())) {
      line.of_sequence = audit->record_sequence;
    }
  }
  if (entry.leaf.type != EntryType::kRecord || entry.erased()) return line;
  const auto fields = xase::proto::decode_record_parts(entry.erasable);
  if (!fields) return line;
  line.policy = fields->span(Span::kPolicy);
  line.decision_type = fields->span(Span::kDecisionType);
  for (const Span span : {Span::kInput, Span::kOutput, Span::kContext, Span::kExplanation}) {
    line.payload_bytes += fields->span(span).size();
  }
  for (std::size_t i = 0; with_payload && i < xase::proto::kSpans; ++i) {
    if (!fields->spans[i].empty()) line.payload.emplace_back(kSpanNames[i], fields->spans[i]);
  }
  return line;
}

Result<EntryPage> read_entries(JournalTap& tap, const EntryQuery& query) {
  EntryPage page;
  Sha256 sha256;
  std::size_t bytes = 0;
  if (query.limit == 0) return page;
  const auto visited = tap.for_each(query.after, [&](const Entry& entry) {
    page.entries.push_back(line_of(entry, sha256, query.payload));
    if (query.payload) bytes += entry.erasable_bytes.size();
    return page.entries.size() < query.limit && (query.bytes_max == 0 || bytes < query.bytes_max);
  });
  if (!visited.ok()) return visited.status();
  page.next_after = *visited;
  return page;
}

// What the journal holds about a record that is set aside.
struct Letter {
  DeadLetterLine line;
  std::string answer;
};

Result<Letter> read_letter(JournalTap& tap, const DeadLetter& index) {
  Letter letter;
  letter.line.sequence = index.record_sequence;
  letter.line.set_aside_wall_ns = index.wall_ns;
  letter.line.http_status = index.http_status;
  letter.line.api_code = index.api_code;
  const auto record = tap.for_each(index.record_sequence - 1, [&](const Entry& entry) {
    if (entry.leaf.sequence != index.record_sequence) return false;
    if (const auto fields = xase::proto::decode_record_parts(entry.erasable)) {
      letter.line.policy = fields->span(Span::kPolicy);
      letter.line.transaction_id = fields->span(Span::kTransactionId);
    }
    return false;
  });
  if (!record.ok()) return record.status();
  std::uint64_t looked = 0;
  const auto found = tap.for_each(index.near_sequence - 1, [&](const Entry& entry) {
    const auto body = xase::proto::decode_receipt_body(entry.body());
    const bool is_it = entry.leaf.type == EntryType::kDeadLetter && body &&
                       body->record_sequence == index.record_sequence &&
                       body->action == xase::proto::ReceiptAction::kAnswer;
    if (is_it) {
      letter.line.attempts = body->attempts;
      letter.answer = body->answer;
      const json answer = parse_answer(body->answer);
      letter.line.message = member(answer, "error");
      if (letter.line.api_code.empty()) letter.line.api_code = member(answer, "code");
    }
    return !is_it && ++looked < kNearEntriesMax;
  });
  if (!found.ok()) return found.status();
  return letter;
}

Result<std::vector<DeadLetterLine>> list_letters(const DeadLetters& index, JournalTap& tap,
                                                 std::uint64_t after, std::size_t limit,
                                                 std::uint64_t removed_through) {
  const auto letters = index.list(after, std::min(limit, kDeadLettersMax));
  if (!letters.ok()) return letters.status();
  std::vector<DeadLetterLine> lines;
  for (const DeadLetter& letter : *letters) {
    if (letter.event != DeadLetterEvent::kSetAside) continue;
    auto read = read_letter(tap, letter);
    if (!read.ok()) return read.status();
    read->line.is_removed = letter.record_sequence <= removed_through;
    lines.push_back(std::move(read->line));
  }
  return lines;
}

Result<std::string> show_letter(const DeadLetters& index, JournalTap& tap, std::uint64_t sequence) {
  const auto letter = index.find(sequence);
  if (!letter.ok()) return letter.status();
  if (!letter->has_value()) {
    return Status(Code::kNotFound, "record " + std::to_string(sequence) + " is not set aside");
  }
  auto read = read_letter(tap, **letter);
  if (!read.ok()) return read.status();
  const DeadLetterLine& line = read->line;
  json answer = json::parse(read->answer, nullptr, false);
  if (answer.is_discarded()) answer = read->answer;
  const char* state = (*letter)->event == DeadLetterEvent::kSetAside         ? "set_aside"
                      : (*letter)->event == DeadLetterEvent::kRetryRequested ? "retry_requested"
                                                                             : "delivered";
  return json{{"sequence", line.sequence},
              {"state", state},
              {"set_aside_wall_ns", line.set_aside_wall_ns},
              {"http_status", line.http_status},
              {"attempts", line.attempts},
              {"policy", line.policy},
              {"transaction_id", line.transaction_id},
              {"api_code", line.api_code},
              {"message", line.message},
              {"answer", answer}}
      .dump(-1, ' ', false, json::error_handler_t::replace);
}

Status retry_one(DeliveryStage& delivery, std::uint64_t sequence, std::uint64_t removed_through) {
  if (sequence > removed_through) return delivery.request_retry(sequence);
  return {Code::kNotFound,
          "record " + std::to_string(sequence) +
              " is no longer in the journal: retention removed it, and it cannot be "
              "sent again"};
}

Result<std::uint64_t> retry_all(DeliveryStage& delivery, std::uint64_t removed_through) {
  std::uint64_t asked = 0;
  for (std::uint64_t after = 0;;) {
    const auto letters = delivery.dead_letters().list(after, kDeadLettersMax);
    if (!letters.ok()) return letters.status();
    if (letters->empty()) return asked;
    for (const DeadLetter& letter : *letters) {
      after = letter.record_sequence;
      if (letter.event != DeadLetterEvent::kSetAside) continue;
      if (Status status = retry_one(delivery, after, removed_through); status.ok()) {
        ++asked;
      } else if (status.code() == Code::kNoSpace) {
        return asked;  // as many as may wait at once
      }
    }
  }
}

}  // namespace

ControlHooks Daemon::control_hooks(std::function<Status()> reload) {
  ControlHooks hooks;
  hooks.snapshot = [this] { return snapshot(); };
  hooks.last_sequence = [this] { return positions_.journaled.load(std::memory_order_acquire); };
  hooks.scan_rings = [this](std::chrono::milliseconds timeout) {
    return intake_->scan(timeout)
               ? Status()
               : Status(Code::kTimeout, "intake did not look at the rings in time");
  };
  hooks.config_json = [this] {
    const std::string masked = delivery_->api_key_masked();
    return config_json(describe_config(
        config(), masked.empty() ? std::nullopt : std::optional<std::string>(masked)));
  };
  hooks.reload = std::move(reload);
  hooks.rotate_keys = [this]() -> Result<std::string> {
    constexpr std::chrono::seconds kTimeout{4};
    const auto keys = key_keeper_->rotate(kTimeout);
    if (!keys.ok()) return keys.status();
    return json(key_texts(*keys)).dump();
  };
  hooks.dead_letters = [this](std::uint64_t after, std::size_t limit) {
    return list_letters(delivery_->dead_letters(), *tap_, after, limit, removed_through());
  };
  hooks.dead_letter = [this](std::uint64_t sequence) {
    return show_letter(delivery_->dead_letters(), *tap_, sequence);
  };
  hooks.retry = [this](std::uint64_t sequence) {
    return retry_one(*delivery_, sequence, removed_through());
  };
  hooks.retry_all = [this] { return retry_all(*delivery_, removed_through()); };
  hooks.entries = [this](const EntryQuery& query) { return read_entries(*tap_, query); };
  return hooks;
}

}  // namespace xased
