#include "daemon/ctl/audit_run.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <numeric>

#include "daemon/platform/random.hpp"

namespace xased::ctl {

using xase::proto::AuditKind;

bool AuditReport::refuted() const {
  return std::any_of(findings.begin(), findings.end(),
                     [](const AuditLine& line) { return line.finding.kind != AuditKind::kRace; });
}

bool AuditReport::has_race() const {
  return std::any_of(findings.begin(), findings.end(),
                     [](const AuditLine& line) { return line.finding.kind == AuditKind::kRace; });
}

AuditReport run_audit(const AuditLedger& ledger, const std::vector<std::size_t>& chosen,
                      const std::function<Answer(const std::string& transaction_id)>& ask,
                      const std::function<void(std::uint64_t, std::uint64_t)>& progress) {
  AuditReport report;
  report.receipts = ledger.subjects.size() + ledger.receipts_unreadable;
  ServiceHasher hasher;
  ServiceAnswerReader reader;
  ServiceChain chain;
  for (const AuditSubject& subject : ledger.subjects) chain.add_receipt(subject);
  std::uint64_t unanswered_in_a_row = 0;
  for (std::size_t i = 0; i < chosen.size(); ++i) {
    const AuditSubject& subject = ledger.subjects[chosen[i]];
    progress(i, chosen.size());
    const Answer answer = ask(subject.transaction_id);
    const ServiceWord word = reader.word(answer);
    if (word.kind == ServiceWord::Kind::kNothing) {
      ++report.unanswered;
      report.last_failure = answer.reach == Reach::kAnswered
                                ? "HTTP status " + std::to_string(answer.status)
                                : answer.failure;
      if (++unanswered_in_a_row < kUnansweredMax) continue;
      report.not_asked = chosen.size() - i - 1;
      break;
    }
    unanswered_in_a_row = 0;
    ++report.asked;
    bool is_good = true;
    const auto tell = [&](const std::optional<AuditFinding>& finding) {
      if (!finding) return;
      is_good = false;
      report.findings.push_back({*finding, subject.sequence, subject.transaction_id});
    };
    tell(judge(hasher, subject, word));
    if (word.kind == ServiceWord::Kind::kRecord) tell(chain.add_link(subject, word.previous_hash));
    if (is_good) ++(subject.hashes ? report.good : report.without_bytes);
  }
  progress(chosen.size(), chosen.size());
  return report;
}

std::vector<std::size_t> choose(std::size_t size, std::optional<std::size_t> count) {
  std::vector<std::size_t> all(size);
  std::iota(all.begin(), all.end(), std::size_t{0});
  if (!count || *count >= size) return all;
  // Fisher and Yates, of the first `count` alone.
  for (std::size_t i = 0; i < *count; ++i) {
    std::array<std::byte, 8> bytes{};
    system_random().fill(bytes);
    const auto drawn = std::bit_cast<std::uint64_t>(bytes);
    std::swap(all[i], all[i + static_cast<std::size_t>(drawn % (size - i))]);
  }
  all.resize(*count);
  std::sort(all.begin(), all.end());
  return all;
}

}  // namespace xased::ctl
