// What a person sees who wrote something wrong: where, what is allowed, and the likely meaning.
#include <sys/stat.h>
#include <unistd.h>

#include "tests/daemon/config/config_fixture.hpp"

namespace xased {
namespace {

using ConfigErrors = ConfigFixture;

TEST_F(ConfigErrors, NameTheNearestKeyWithFileLineAndColumn) {
  EXPECT_EQ(problem("# comment\n[journal]\nsync_intervall = \"5ms\"\n"),
            "xased.toml:3:1: unknown key \"journal.sync_intervall\"; did you mean "
            "\"journal.sync_interval\"?");
  EXPECT_EQ(problem("rundir = \"/r\"\n"),
            "xased.toml:1:1: unknown key \"rundir\"; did you mean \"run_dir\"?");
}

TEST_F(ConfigErrors, NameTheSectionThatAKeyBelongsTo) {
  EXPECT_EQ(problem("base_url = \"http://localhost\"\n"),
            "xased.toml:1:1: unknown key \"base_url\"; did you mean \"api.base_url\"?");
  EXPECT_EQ(problem("[delivery]\nmax_in_flight = 3\n"),
            "xased.toml:2:1: unknown key \"delivery.max_in_flight\"; did you mean "
            "\"api.max_in_flight\"?");
}

TEST_F(ConfigErrors, MakeNoSuggestionThatIsFarOff) {
  EXPECT_EQ(problem("zzzzzzzzzz = 1\n"), "xased.toml:1:1: unknown key \"zzzzzzzzzz\"");
}

TEST_F(ConfigErrors, ReportAnUnknownSectionOnce) {
  EXPECT_EQ(problem("[jurnal]\nsync_interval = \"5ms\"\nfoo = 1\n[jurnal.deep]\nx = 1\n"),
            "xased.toml:1:2: unknown section \"jurnal\"; did you mean \"journal\"?");
}

TEST_F(ConfigErrors, AModuleNeedsAllOfItsKeys) {
  const std::string some =
      "[ledger]\npkcs11_module = \"/lib/m.so\"\npkcs11_token = \"t\"\npkcs11_key = \"k\"\n";
  EXPECT_EQ(problem(some),
            "ledger.pkcs11_pin_file must be set where one of the other pkcs11 keys is");
  EXPECT_NE(problem(some + "signers = \"both\"\n")
                .find("ledger.pkcs11_pin_file must be set for ledger.signers (both, "),
            std::string::npos);
  EXPECT_EQ(problem("[ledger]\nsigners = \"hsm\"\n"),
            "xased.toml:2:11: ledger.signers: \"hsm\" is unknown: must be one of \"file\", "
            "\"pkcs11\", \"both\"");
}

TEST_F(ConfigErrors, TellSectionsFromKeys) {
  EXPECT_EQ(problem("journal = 3\n"),
            "xased.toml:1:1: \"journal\" is a section: write [journal] and its keys below");
  EXPECT_EQ(problem("[[journal]]\n"),
            "xased.toml:1:3: \"journal\" is a section: write [journal] and its keys below");
  EXPECT_EQ(problem("[run_dir]\nx = 1\n"),
            "xased.toml:1:2: run_dir: must be a path, as a string, not a section");
}

TEST_F(ConfigErrors, SayWhichTypeIsWanted) {
  EXPECT_EQ(problem("[api]\nmax_in_flight = \"32\"\n"),
            "xased.toml:2:17: api.max_in_flight: must be a whole number, not a string");
  EXPECT_EQ(problem("[api]\nordered = 1\n"),
            "xased.toml:2:11: api.ordered: must be true or false, not a number");
  EXPECT_EQ(problem("[api]\ntimeout = true\n"),
            "xased.toml:2:11: api.timeout: must be a duration such as \"30s\", not a boolean");
  EXPECT_EQ(problem("[api]\ntimeout = 1.5\n"),
            "xased.toml:2:11: api.timeout: must be a duration such as \"30s\", not a number with a "
            "fraction");
  EXPECT_EQ(problem("[api]\nbase_url = [\"a\"]\n"),
            "xased.toml:2:12: api.base_url: must be a URL, as a string, not an array");
  EXPECT_EQ(problem("[ring]\nbytes = 2026-01-01\n"),
            "xased.toml:2:9: ring.bytes: must be a size such as \"64MiB\", or a number of bytes, "
            "not a date or a time");
  EXPECT_EQ(problem("[control]\nsocket_mode = 0o660\n"),
            "xased.toml:2:15: control.socket_mode: must be permission bits in octal, as a string "
            "such as \"0660\", not a number");
}

TEST_F(ConfigErrors, AskForAUnit) {
  EXPECT_EQ(problem("[journal]\nsync_interval = 5\n"),
            "xased.toml:2:17: journal.sync_interval: \"5\" has no unit: write \"5ms\" or \"5s\"");
}

TEST_F(ConfigErrors, SayWhichRangeIsAllowed) {
  EXPECT_EQ(problem("[api]\nmax_in_flight = 0\n"),
            "xased.toml:2:17: api.max_in_flight: 0 is out of range: 1 to 256 is allowed");
  EXPECT_EQ(problem("[api]\nmax_in_flight = 257\n"),
            "xased.toml:2:17: api.max_in_flight: 257 is out of range: 1 to 256 is allowed");
  EXPECT_EQ(problem("[api]\nmax_in_flight = -1\n"),
            "xased.toml:2:17: api.max_in_flight: \"-1\" is not a whole number");
  EXPECT_EQ(problem("[api]\ntimeout = \"2h\"\n"),
            "xased.toml:2:11: api.timeout: 2h is out of range: 1ms to 1h is allowed");
  EXPECT_EQ(problem("[ring]\nbytes = \"32KiB\"\n"),
            "xased.toml:2:9: ring.bytes: 32KiB is out of range: 64KiB to 1GiB is allowed");
  EXPECT_EQ(problem("[control]\nsocket_mode = \"0066\"\n"),
            "xased.toml:2:15: control.socket_mode: 0066 is out of range: 0600 to 0777 is allowed");
}

TEST_F(ConfigErrors, NameThePowersOfTwoAround) {
  EXPECT_EQ(problem("[ring]\nbytes = \"3MiB\"\n"),
            "xased.toml:2:9: ring.bytes: 3MiB is not a power of two: 2MiB or 4MiB would be");
}

TEST_F(ConfigErrors, ListTheChoices) {
  EXPECT_EQ(problem("[log]\nlevel = \"warning\"\n"),
            "xased.toml:2:9: log.level: \"warning\" is unknown: must be one of \"trace\", "
            "\"debug\", \"info\", \"warn\", \"error\"");
}

TEST_F(ConfigErrors, RefuseUrlsThatCannotWork) {
  const auto url = [this](const std::string& text) {
    return problem("[api]\nbase_url = \"" + text + "\"\n");
  };
  EXPECT_NE(url("ftp://h/").find("does not begin with http://"), std::string::npos);
  EXPECT_NE(url("localhost:3000").find("does not begin with http://"), std::string::npos);
  EXPECT_NE(url("http://h/?a=b").find("neither a query"), std::string::npos);
  for (const char* text : {"http://", "http:///v1", "http://:80/", "http://h:0/", "http://h:70000/",
                           "http://h:x/", "http://[::1", "http://[]/", "http://[::1]x/"}) {
    EXPECT_NE(url(text).find("no valid host and port"), std::string::npos) << text << url(text);
  }
  EXPECT_NE(url("").find("must not be empty"), std::string::npos);
}

TEST_F(ConfigErrors, RepeatNoSecret) {
  const std::string digits(48, 'e');
  const std::string key = "xase_pk_" + digits;
  const std::string in_file = problem("[api]\nkey = \"" + key + "\"\n");
  EXPECT_EQ(in_file.rfind("xased.toml:2:1: api.key: the key itself must not be in this file", 0),
            0U);
  EXPECT_NE(in_file.find("api.key_file"), std::string::npos);
  const std::string as_path = problem("[api]\nkey_file = \"" + key + "\"\n");
  EXPECT_NE(as_path.find("looks like an API key"), std::string::npos);
  const std::string in_url = problem("[api]\nbase_url = \"https://u:" + key + "@h/\"\n");
  EXPECT_NE(in_url.find("must hold no credentials"), std::string::npos);
  const std::string as_level = problem("[log]\nlevel = \"" + key + "\"\n");
  EXPECT_NE(as_level.find("log.level: \"xase_pk_...\" is unknown"), std::string::npos) << as_level;
  const std::string as_name = problem("[log]\n" + key + " = 1\n");
  EXPECT_NE(as_name.find("unknown key \"log.xase_pk_...\""), std::string::npos) << as_name;
  environment_["XASED_API_KEY"] = key;
  const std::string in_variable = problem("");
  EXPECT_NE(in_variable.find("XASED_API_KEY_FILE"), std::string::npos);
  for (const std::string& message : {in_file, as_path, in_url, as_level, as_name, in_variable}) {
    EXPECT_EQ(message.find(digits), std::string::npos) << message;
  }
}

TEST_F(ConfigErrors, CompareKeysThatDependOnEachOther) {
  environment_["XASED_JOURNAL_SEGMENT_BYTES"] = "1GiB";
  EXPECT_EQ(problem("[journal]\nmax_bytes = \"2GiB\"\n"),
            "journal.max_bytes (2GiB, xased.toml:2) must hold at least three times "
            "journal.segment_bytes (1GiB, environment XASED_JOURNAL_SEGMENT_BYTES) beside "
            "journal.reserve_bytes (8MiB, default), rounded up to whole segments");
  environment_.clear();
  EXPECT_EQ(problem("[delivery]\nbackoff_min = \"5m\"\n"),
            "delivery.backoff_max (1m, default) must be at least delivery.backoff_min (5m, "
            "xased.toml:2)");
}

TEST_F(ConfigErrors, NameTheVariable) {
  environment_["XASED_JOURNAL_SYNC_INTERVAL"] = "5";
  EXPECT_EQ(problem(""),
            "environment XASED_JOURNAL_SYNC_INTERVAL: journal.sync_interval: \"5\" has no unit: "
            "write \"5ms\" or \"5s\"");
  environment_.clear();
  environment_["XASED_JOURNAL_SYNC_INTERVALL"] = "5ms";
  EXPECT_EQ(problem(""),
            "environment \"XASED_JOURNAL_SYNC_INTERVALL\" is unknown; did you mean "
            "\"XASED_JOURNAL_SYNC_INTERVAL\"?");
}

TEST_F(ConfigErrors, NameTheFlag) {
  flags_ = {{"journal.sync_intervall", "1ms"}, {"log.level", "loud"}};
  EXPECT_EQ(problem(""),
            "command line: unknown key \"journal.sync_intervall\"; did you mean "
            "\"journal.sync_interval\"?\n"
            "command line: log.level: \"loud\" is unknown: must be one of \"trace\", \"debug\", "
            "\"info\", \"warn\", \"error\"");
}

TEST_F(ConfigErrors, AreReportedTogetherInTheFilesOrder) {
  environment_["XASED_FOO"] = "1";
  flags_ = {{"bar", "1"}};
  EXPECT_EQ(problem("zeta = 1\n[log]\nlevel = 3\n[api]\nordered = \"yes\"\n"),
            "xased.toml:1:1: unknown key \"zeta\"\n"
            "xased.toml:3:9: log.level: must be one of \"trace\", \"debug\", \"info\", \"warn\", "
            "\"error\", not a number\n"
            "xased.toml:5:11: api.ordered: must be true or false, not a string\n"
            "environment \"XASED_FOO\" is unknown\n"
            "command line: unknown key \"bar\"");
}

TEST_F(ConfigErrors, StopAtFifty) {
  std::string text;
  for (int i = 0; i < 60; i++) text += "unknown_number_" + std::to_string(i) + " = 1\n";
  const std::string message = problem(text);
  EXPECT_NE(message.find("unknown_number_49\""), std::string::npos);
  EXPECT_EQ(message.find("unknown_number_50\""), std::string::npos);
  EXPECT_TRUE(message.ends_with("\nand 10 more")) << message;
}

TEST_F(ConfigErrors, KeepAHostileNameOnItsLine) {
  const std::string message = problem("\"a\\nb\\u001b[31m\" = 1\n");
  EXPECT_EQ(message, "xased.toml:1:1: unknown key \"a?b?[31m\"");
  EXPECT_NE(problem("[log]\nlevel = \"a\\tb\\u001b[31m\"\n").find("\"a?b?[31m\" is unknown"),
            std::string::npos);
  EXPECT_LT(problem(std::string(5000, 'k') + " = 1\n").size(), 300U);
}

TEST_F(ConfigErrors, ShowWhereTheSyntaxBreaks) {
  EXPECT_EQ(problem("[log]\nlevel = \"info\n").rfind("xased.toml:2:", 0), 0U);
  EXPECT_EQ(problem("[log]\nlevel = \"info\"\nlevel = \"warn\"\n").rfind("xased.toml:3:", 0), 0U);
  // What the parser quotes stays on its line, and off the terminal.
  const std::string message = problem("ordered = tru\033e\n");
  EXPECT_TRUE(message.starts_with("xased.toml:1:")) << message;
  EXPECT_EQ(message.find('\033'), std::string::npos);
  // What else is wrong is said as well.
  flags_ = {{"bar", "1"}};
  EXPECT_NE(problem("= 1\n").find("unknown key \"bar\""), std::string::npos);
}

TEST_F(ConfigErrors, SurviveFilesThatAreNoConfiguration) {
  EXPECT_FALSE(load(std::string("\0\xff\xfe", 3)).ok());
  EXPECT_FALSE(load(std::string(2000, '[')).ok());
  EXPECT_FALSE(load("a = " + std::string(100000, '[')).ok());
  const auto large = load(std::string(2 * kMiB, '#'));
  ASSERT_FALSE(large.ok());
  EXPECT_NE(large.status().message().find("larger than 1048576 bytes"), std::string::npos);
}

TEST_F(ConfigErrors, SayThatTheNamedFileIsMissing) {
  ConfigSource from = source();
  from.file = path("missing.toml");
  const auto config = load_config(from);
  ASSERT_FALSE(config.ok());
  EXPECT_EQ(config.status().code(), Code::kNotFound);
  EXPECT_NE(config.status().message().find(path("missing.toml")), std::string::npos);
}

TEST_F(ConfigErrors, NeverWaitForAFifo) {
  ASSERT_EQ(::mkfifo(path("default.toml").c_str(), 0600), 0);
  const auto config = load_config(source());
  ASSERT_FALSE(config.ok());
  EXPECT_NE(config.status().message().find("not a regular file"), std::string::npos);
}

}  // namespace
}  // namespace xased
