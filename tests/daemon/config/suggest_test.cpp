#include "daemon/config/suggest.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace xased {
namespace {

TEST(EditDistance, CountsEachKindOfEditOnce) {
  EXPECT_EQ(edit_distance("", ""), 0U);
  EXPECT_EQ(edit_distance("level", "level"), 0U);
  EXPECT_EQ(edit_distance("", "level"), 5U);
  EXPECT_EQ(edit_distance("level", "levl"), 1U);
  EXPECT_EQ(edit_distance("level", "levels"), 1U);
  EXPECT_EQ(edit_distance("level", "lebel"), 1U);
  EXPECT_EQ(edit_distance("level", "leevl"), 1U);
  EXPECT_EQ(edit_distance("level", "format"), edit_distance("format", "level"));
}

TEST(Nearest, IsTheOneWithTheFewestEdits) {
  const std::vector<std::string> names{"api.timeout", "api.connect_timeout", "log.level"};
  EXPECT_EQ(nearest("api.timeot", names), "api.timeout");
  EXPECT_EQ(nearest("api.connecttimeout", names), "api.connect_timeout");
}

TEST(Nearest, IsNothingWhenNoNameIsNear) {
  const std::vector<std::string> names{"api.timeout", "log.level"};
  EXPECT_EQ(nearest("frobnicate", names), std::nullopt);
  EXPECT_EQ(nearest(std::string(5000, 'x'), names), std::nullopt);
  EXPECT_EQ(nearest("x", {}), std::nullopt);
}

}  // namespace
}  // namespace xased
