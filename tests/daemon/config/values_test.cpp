#include "daemon/config/values.hpp"

#include <gtest/gtest.h>

#include <cstdint>
#include <string>

namespace xased {
namespace {

using std::chrono::milliseconds;

milliseconds duration(std::string_view text) {
  const auto parsed = parse_duration(text);
  EXPECT_TRUE(parsed.ok()) << text;
  return parsed.ok() ? *parsed : milliseconds(-1);
}

std::string duration_problem(std::string_view text) {
  const auto parsed = parse_duration(text);
  return parsed.ok() ? "(no error)" : parsed.status().message();
}

std::uint64_t bytes(std::string_view text) {
  const auto parsed = parse_bytes(text);
  EXPECT_TRUE(parsed.ok()) << text;
  return parsed.ok() ? *parsed : UINT64_MAX;
}

std::string bytes_problem(std::string_view text) {
  const auto parsed = parse_bytes(text);
  return parsed.ok() ? "(no error)" : parsed.status().message();
}

TEST(Duration, ReadsEveryUnit) {
  EXPECT_EQ(duration("5ms"), milliseconds(5));
  EXPECT_EQ(duration("30s"), milliseconds(30000));
  EXPECT_EQ(duration("15m"), milliseconds(900000));
  EXPECT_EQ(duration("24h"), milliseconds(86400000));
  EXPECT_EQ(duration("30d"), milliseconds(2592000000));
}

TEST(Duration, AddsUnitsInFallingOrder) {
  EXPECT_EQ(duration("1m30s"), milliseconds(90000));
  EXPECT_EQ(duration("1d2h3m4s5ms"), milliseconds(93784005));
  EXPECT_EQ(duration("1m5ms"), milliseconds(60005));
}

TEST(Duration, ZeroNeedsNoUnit) {
  EXPECT_EQ(duration("0"), milliseconds(0));
  EXPECT_EQ(duration("0s"), milliseconds(0));
}

TEST(Duration, AsksForAMissingUnit) {
  EXPECT_EQ(duration_problem("5"), "\"5\" has no unit: write \"5ms\" or \"5s\"");
  EXPECT_EQ(duration_problem("1m30"), "\"1m30\" has no unit: write \"1m30ms\" or \"1m30s\"");
}

TEST(Duration, RefusesWhatIsNoDuration) {
  for (const char* text : {"", " ", "s", "5 s", "-5s", "+5s", "1.5s", "5us", "5S", "5sec", "30s1m",
                           "1s1s", "5s ", "5s-", "0x5s", "5\xc2\xb5s"}) {
    EXPECT_NE(duration_problem(text).find("is not a duration"), std::string::npos)
        << text << ": " << duration_problem(text);
  }
}

TEST(Duration, RefusesWhatWouldOverflow) {
  for (const char* text :
       {"99999999999999999999s", "9223372036854775807d", "36601d", "36600d1ms"}) {
    EXPECT_NE(duration_problem(text).find("longer than any"), std::string::npos) << text;
  }
  EXPECT_EQ(duration("36600d"), milliseconds(std::chrono::hours(24 * 36600)));
}

TEST(Duration, IsWrittenAsPeopleWriteIt) {
  EXPECT_EQ(format_duration(milliseconds(0)), "0s");
  EXPECT_EQ(format_duration(milliseconds(5)), "5ms");
  EXPECT_EQ(format_duration(milliseconds(60000)), "1m");
  EXPECT_EQ(format_duration(milliseconds(90000)), "1m30s");
  EXPECT_EQ(format_duration(milliseconds(86400000)), "24h");
  EXPECT_EQ(format_duration(milliseconds(2592000000)), "30d");
}

TEST(Duration, ReadsBackWhatItWrites) {
  for (std::int64_t ms = 1; ms < 3'000'000'000'000; ms = ms * 3 + 7) {
    EXPECT_EQ(duration(format_duration(milliseconds(ms))).count(), ms);
  }
}

TEST(Bytes, ReadsPlainNumbersAndBinaryUnits) {
  EXPECT_EQ(bytes("0"), 0U);
  EXPECT_EQ(bytes("4194304"), 4194304U);
  EXPECT_EQ(bytes("512KiB"), 524288U);
  EXPECT_EQ(bytes("64MiB"), 67108864U);
  EXPECT_EQ(bytes("1GiB"), 1073741824U);
  EXPECT_EQ(bytes("2TiB"), 2199023255552U);
}

TEST(Bytes, SuggestsTheBinaryUnit) {
  EXPECT_EQ(bytes_problem("64MB"),
            "\"64MB\" has a unit that is not known here: did you mean \"64MiB\"?");
  EXPECT_EQ(bytes_problem("1g"),
            "\"1g\" has a unit that is not known here: did you mean \"1GiB\"?");
  EXPECT_EQ(bytes_problem("8 MiB"), "\"8 MiB\" is not a size: its unit must be KiB, MiB or GiB");
}

TEST(Bytes, RefusesWhatIsNoSize) {
  for (const char* text : {"", "MiB", "-1", "+1", "1.5MiB", "64bytes", "0x40", "64MiB "}) {
    EXPECT_FALSE(parse_bytes(text).ok()) << text;
  }
}

TEST(Bytes, RefusesWhatWouldOverflow) {
  for (const char* text : {"18446744073709551616", "9223372036854775808", "9007199254740992KiB"}) {
    EXPECT_NE(bytes_problem(text).find("larger than any"), std::string::npos) << text;
  }
}

TEST(Bytes, AreWrittenInTheLargestUnitThatDividesThem) {
  EXPECT_EQ(format_bytes(0), "0");
  EXPECT_EQ(format_bytes(1000), "1000");
  EXPECT_EQ(format_bytes(1536), "1536");
  EXPECT_EQ(format_bytes(4U << 20U), "4MiB");
  EXPECT_EQ(format_bytes(1025ULL << 20U), "1025MiB");
}

TEST(Mode, IsOctal) {
  ASSERT_TRUE(parse_mode("0660").ok());
  EXPECT_EQ(*parse_mode("0660"), 0660U);
  EXPECT_EQ(*parse_mode("600"), 0600U);
  for (const char* text : {"", "0888", "rw-rw----", "00660", "-660", "0o660"}) {
    EXPECT_FALSE(parse_mode(text).ok()) << text;
  }
  EXPECT_EQ(format_mode(0660), "0660");
}

TEST(Count, IsAWholeNumber) {
  ASSERT_TRUE(parse_count("1_000").ok());
  EXPECT_EQ(*parse_count("1_000"), 1000U);
  for (const char* text : {"", "_", "1.0", "-1", "1e3", "18446744073709551616", "1 "}) {
    EXPECT_FALSE(parse_count(text).ok()) << text;
  }
}

}  // namespace
}  // namespace xased
