// What tests ask of a ledger's verification.
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <utility>

#include "daemon/ledger/verify.hpp"

namespace xased::test {

inline VerifyReport verify(const std::string& state_dir, const VerifyOptions& wanted = {}) {
  VerifyOptions options = wanted;
  options.patience = std::chrono::milliseconds(0);
  auto report = verify_ledger(system_file_system(), state_dir, options);
  if (!report.ok()) {
    ADD_FAILURE() << report.status().message();
    return {};
  }
  return std::move(*report);
}

inline std::string describe(const VerifyReport& report) {
  std::string text = report.malformed;
  for (const VerifyPropertyReport& property : report.properties) {
    text += std::string(verify_property_name(property.property)) + " " +
            std::string(verify_verdict_name(property.verdict)) + ": " + property.text + "\n";
  }
  return text;
}

inline VerifyVerdict verdict(const VerifyReport& report, VerifyProperty property) {
  return report.property(property).verdict;
}

// Rings, as LedgerWriter::ring() numbers them.
inline constexpr int kA = 1;
inline constexpr int kB = 2;

inline void expect_sound(const VerifyReport& report) {
  EXPECT_EQ(report.exit_code(), 0) << describe(report);
  EXPECT_EQ(report.first_bad_sequence(), 0U);
  EXPECT_TRUE(report.findings.empty());
}

}  // namespace xased::test
