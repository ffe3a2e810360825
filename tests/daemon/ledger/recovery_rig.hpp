// A ledger that is recovered again and again.
#pragma once

#include "tests/support/ledger_rig.hpp"

namespace xased {

class RecoveryTest : public testing::Test {
 protected:
  test::LedgerRig rig_;

  void SetUp() override { rig_.must_start(); }

  void stop_cleanly() {
    ASSERT_NE(rig_.ledger->append_text(xase::proto::EntryType::kStop, "{}"), 0U);
    ASSERT_TRUE(rig_.ledger->flush().ok());
    rig_.run_sync();
    rig_.settle();
    rig_.stop();
  }
  Recovery recover() {
    rig_.stop();
    auto recovered = recover_ledger(rig_.fs, test::LedgerRig::kState);
    EXPECT_TRUE(recovered.ok()) << recovered.status().message();
    return recovered.ok() ? std::move(*recovered) : Recovery{};
  }
  std::string last_segment() const { return rig_.segments().back(); }
  // Offset of the `n`th frame from the end that is an entry, 1 being the last.
  test::LedgerRig::FramePlace entry_from_end(const std::string& path, std::size_t n) const {
    const auto frames = rig_.frames(path);
    for (auto at = frames.rbegin(); at != frames.rend(); ++at) {
      if (!at->is_mark && --n == 0) return *at;
    }
    ADD_FAILURE() << "no such entry";
    return {};
  }
};

}  // namespace xased
