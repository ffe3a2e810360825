#include "daemon/delivery/service_audit.hpp"

namespace xased {

using xase::proto::AuditKind;
using xase::proto::Hash;

std::optional<AuditFinding> judge(ServiceHasher& hasher, const AuditSubject& subject,
                                  const ServiceWord& word) {
  switch (word.kind) {
    case ServiceWord::Kind::kNothing:
      return std::nullopt;
    case ServiceWord::Kind::kUnknown:
      return AuditFinding{AuditKind::kLost, 0};
    case ServiceWord::Kind::kTampered:
      return AuditFinding{AuditKind::kTampered, 0};
    case ServiceWord::Kind::kRecord:
      break;
  }
  if (word.record_hash != subject.record_hash) return AuditFinding{AuditKind::kHashDiffers, 0};
  if (subject.hashes &&
      hasher.record_hash(word.previous_hash, *subject.hashes) != word.record_hash) {
    return AuditFinding{AuditKind::kNotOurBytes, 0};
  }
  if (!word.is_valid) return AuditFinding{AuditKind::kTampered, 0};
  return std::nullopt;
}

std::optional<ServiceChain::Place> ServiceChain::Places::put(const Hash& at, Place place,
                                                             std::size_t places_max) {
  const auto [found, is_new] = places_.emplace(at, place);
  if (!is_new) return found->second;
  if (places_max == std::numeric_limits<std::size_t>::max()) return std::nullopt;
  order_.push_back(at);
  if (order_.size() > places_max) {
    places_.erase(order_.front());
    order_.pop_front();
  }
  return std::nullopt;
}

std::optional<ServiceChain::Place> ServiceChain::Places::find(const Hash& at) const {
  const auto found = places_.find(at);
  if (found == places_.end()) return std::nullopt;
  return found->second;
}

void ServiceChain::add_receipt(const AuditSubject& subject) {
  (void)by_hash_.put(subject.record_hash, {subject.sequence, subject.answered_at}, records_max_);
}

std::optional<AuditFinding> ServiceChain::add_link(const AuditSubject& subject,
                                                   const std::optional<Hash>& previous) {
  if (previous) {
    const std::optional<Place> before = by_hash_.find(*previous);
    if (before && before->sequence > subject.answered_at) {
      return AuditFinding{AuditKind::kGoesBack, before->sequence};
    }
  }
  const auto other = by_previous_.put(previous.value_or(Hash{}),
                                      {subject.sequence, subject.answered_at}, records_max_);
  if (!other || other->sequence == subject.sequence) return std::nullopt;
  const bool one_by_one =
      subject.sequence > other->answered_at || other->sequence > subject.answered_at;
  const AuditKind kind = !one_by_one ? AuditKind::kRace
                         : previous  ? AuditKind::kFork
                                     : AuditKind::kGoesBack;
  return AuditFinding{kind, other->sequence};
}

}  // namespace xased
