#include "daemon/report/page.hpp"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "daemon/platform/sha256.hpp"
#include "proto/base64.hpp"

namespace xased {
namespace {

TEST(Page, TextThatEndsAScriptElementCannotStandInTheData) {
  const std::string escaped = escape_for_script(R"({"a":"</script><!--&amp;]]>"})");
  EXPECT_EQ(escaped.find_first_of("<>&"), std::string::npos);
  EXPECT_EQ(nlohmann::json::parse(escaped)["a"], "</script><!--&amp;]]>");
}

TEST(Page, WhatThePageRunsIsBoundByItsHashAndNothingElseRuns) {
  const std::string page = put_into_page("{}");
  const auto hash_of = [](std::string_view text) {
    Sha256 sha;
    return "'sha256-" + xase::proto::encode_base64(sha.of(xase::proto::as_bytes(text))) + "'";
  };
  EXPECT_NE(page.find("default-src 'none'; script-src " + hash_of(kPageScript) + "; style-src " +
                      hash_of(kPageCss)),
            std::string::npos);
  EXPECT_NE(page.find("<script>" + std::string(kPageScript) + "</script>"), std::string::npos);
  EXPECT_NE(page.find("<style>" + std::string(kPageCss) + "</style>"), std::string::npos);
  EXPECT_EQ(kPageScript.find("</script"), std::string_view::npos);
  EXPECT_EQ(page.find("unsafe"), std::string::npos);
}

TEST(Page, DataThatLooksLikeAPlaceOfTheTemplateStaysData) {
  const std::string page = put_into_page(R"({"a":"{{script}}"})");
  EXPECT_NE(page.find(R"(id="data">{"a":"{{script}}"}</script>)"), std::string::npos);
}

TEST(Page, NamesNothingOnTheNetwork) {
  const std::string page = put_into_page("{}");
  for (std::size_t at = page.find("http"); at != std::string::npos;
       at = page.find("http", at + 1)) {
    const std::string_view rest = std::string_view(page).substr(at);
    EXPECT_TRUE(rest.starts_with("http-equiv") || rest.starts_with("http://www.w3.org/2000/svg"))
        << rest.substr(0, 60);
  }
}

}  // namespace
}  // namespace xased
