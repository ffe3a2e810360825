// What verification refutes, collected.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "daemon/ledger/verify.hpp"

namespace xased {

// One thread. Findings are few or the ledger is hopeless: then they are counted and no longer kept.
class VerifyFindings {
 public:
  explicit VerifyFindings(std::size_t kept_max) : kept_max_(kept_max) {}

  // Where the findings that follow were made.
  void move_to_segment(std::string name) { segment_ = std::move(name); }
  void move_to(std::uint64_t position) { position_ = position; }
  const std::string& segment() const { return segment_; }

  void refute(VerifyProperty property, std::uint64_t sequence, std::string text);

  bool refuted(VerifyProperty property) const { return of(property).count != 0; }
  std::uint64_t count(VerifyProperty property) const { return of(property).count; }
  std::uint64_t first_bad(VerifyProperty property) const { return of(property).first_bad; }
  // The text of the finding with the lowest sequence.
  const std::string& first_text(VerifyProperty property) const { return of(property).text; }
  std::uint64_t total() const { return total_; }
  std::vector<VerifyFinding> take() { return std::move(kept_); }

 private:
  struct Of {
    std::uint64_t count = 0;
    std::uint64_t first_bad = 0;
    std::string text;
  };
  const Of& of(VerifyProperty property) const { return of_[static_cast<std::size_t>(property)]; }

  const std::size_t kept_max_;
  std::string segment_;
  std::uint64_t position_ = 0;
  std::array<Of, kVerifyProperties> of_{};
  std::uint64_t total_ = 0;
  std::vector<VerifyFinding> kept_;
};

}  // namespace xased
