#include "daemon/ledger/verify_findings.hpp"

namespace xased {

void VerifyFindings::refute(VerifyProperty property, std::uint64_t sequence, std::string text) {
  Of& of = of_[static_cast<std::size_t>(property)];
  ++of.count;
  ++total_;
  if (of.first_bad == 0 || sequence < of.first_bad) {
    of.first_bad = sequence;
    of.text = text;
  }
  if (kept_.size() < kept_max_) {
    kept_.push_back({property, sequence, segment_, position_, std::move(text)});
  }
}

}  // namespace xased
