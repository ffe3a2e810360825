#include "daemon/delivery/audit_sampler.hpp"

#include <array>
#include <bit>
#include <utility>

namespace xased {

using std::chrono::nanoseconds;

namespace {

constexpr std::int64_t kMinuteNs = 60'000'000'000;
constexpr std::int64_t kAgainFactor = 10;

std::int64_t ns(nanoseconds time) { return time.count(); }

}  // namespace

void AuditSampler::configure(std::uint32_t one_in, std::uint32_t max_per_minute) {
  one_in_ = one_in;
  max_per_minute_ = max_per_minute;
  if (!enabled()) forget();
}

void AuditSampler::forget() {
  waiting_.clear();
  settled_.clear();
  doubted_.clear();
  chain_ = ServiceChain(kChainMax);
}

std::uint64_t AuditSampler::draw(std::uint64_t below) {
  std::array<std::byte, 8> bytes{};
  random_.fill(bytes);
  return std::bit_cast<std::uint64_t>(bytes) % below;
}

bool AuditSampler::chooses() { return enabled() && draw(one_in_) == 0; }

void AuditSampler::on_receipt(AuditSubject subject, const xase::proto::Hash& leaf_hash,
                              bool chosen) {
  chain_.add_receipt(subject);
  if (!chosen) return;
  Kept kept{std::move(subject), leaf_hash, {}};
  if (waiting_.size() < kKeptMax) {
    waiting_.push_back(std::move(kept));
  } else {
    // More are chosen than the pace allows: which ones stay is left to chance.
    waiting_[draw(waiting_.size())] = std::move(kept);
  }
}

std::optional<std::string> AuditSampler::ask(std::int64_t now_ns) {
  if (!enabled() || asked_ || now_ns < next_boot_ns_) return std::nullopt;
  const std::int64_t interval_ns = kMinuteNs / max_per_minute_;
  if (!doubted_.empty() && now_ns >= second_look_boot_ns_) {
    asked_ = std::move(doubted_.front());
    doubted_.pop_front();
  } else if (!waiting_.empty()) {
    asked_ = std::move(waiting_.front());
    waiting_.pop_front();
  } else if (!settled_.empty() && now_ns >= next_again_boot_ns_) {
    std::swap(settled_[draw(settled_.size())], settled_.back());
    asked_ = std::move(settled_.back());
    settled_.pop_back();
  } else {
    return std::nullopt;
  }
  next_boot_ns_ = now_ns + interval_ns;
  next_again_boot_ns_ = now_ns + kAgainFactor * interval_ns;
  return asked_->subject.transaction_id;
}

std::optional<AuditFinding> AuditSampler::look(const AuditSubject& subject,
                                               const ServiceWord& word) {
  if (const auto finding = judge(hasher_, subject, word)) return finding;
  return chain_.add_link(subject, word.previous_hash);
}

void AuditSampler::keep(Kept kept) {
  kept.doubt.reset();
  if (settled_.size() < kKeptMax) {
    settled_.push_back(std::move(kept));
  } else {
    settled_[draw(settled_.size())] = std::move(kept);
  }
}

std::optional<AuditSampler::Found> AuditSampler::on_answer(const Answer& answer,
                                                           std::int64_t now_ns,
                                                           std::int64_t wall_ns) {
  if (!asked_) return std::nullopt;
  Kept kept = std::move(*asked_);
  asked_.reset();
  const ServiceWord word = reader_.word(answer);
  if (word.kind == ServiceWord::Kind::kNothing) {
    const bool limited = answer.reach == Reach::kAnswered && answer.status == 429;
    const nanoseconds wait =
        limited ? answers_.read(answer, wall_ns).wait : nanoseconds(kAfterNoAnswer);
    next_boot_ns_ = std::max(next_boot_ns_, now_ns + ns(wait));
    (kept.doubt ? doubted_ : waiting_).push_back(std::move(kept));
    return std::nullopt;
  }
  ++audits_;
  const std::optional<AuditFinding> finding = look(kept.subject, word);
  if (!finding) {
    keep(std::move(kept));
    return std::nullopt;
  }
  if (kept.doubt == finding->kind) {
    return Found{*finding, kept.subject.sequence, kept.leaf_hash};
  }
  kept.doubt = finding->kind;
  doubted_.push_back(std::move(kept));
  second_look_boot_ns_ = now_ns + ns(kSecondLookAfter);
  return std::nullopt;
}

}  // namespace xased
