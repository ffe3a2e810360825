#include <cstdio>
#include <set>
#include <sstream>

#include "client/src/version.hpp"
#include "proto/error_code.hpp"
#include "tests/client/fake_daemon.hpp"

extern "C" int xase_abi_c99_record(const char* run_dir, xase_counts* counts);

namespace xase::test {
namespace {

std::string output_of(const std::string& command) {
  FILE* pipe = popen(command.c_str(), "r");  // NOLINT(cert-env33-c): a fixed command
  std::string text;
  char buffer[512];
  while (pipe != nullptr && fgets(buffer, sizeof buffer, pipe) != nullptr) text += buffer;
  if (pipe != nullptr) pclose(pipe);
  return text;
}

TEST(Abi, ExportsExactlyTheFunctionsOfTheHeader) {
  std::set<std::string> exported;
  std::istringstream lines(output_of(XASE_NM " -D --defined-only " XASE_LIBRARY));
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    std::string address;
    std::string type;
    std::string name;
    words >> address >> type >> name;
    if (type != "A") exported.insert(name.substr(0, name.find('@')));
  }
  EXPECT_EQ(exported,
            (std::set<std::string>{
                "xase_client_open", "xase_client_close", "xase_client_free", "xase_record",
                "xase_record_sync", "xase_receipt_free", "xase_record_tracked", "xase_reserve",
                "xase_commit", "xase_cancel", "xase_look_at_daemon", "xase_flush", "xase_poll",
                "xase_stats", "xase_error_name", "xase_last_error_message", "xase_version"}));
}

TEST(Abi, TheSonameIsThatOfTheFirstVersion) {
  EXPECT_STREQ(XASE_SONAME, "libxase.so.1");
  const std::string dynamic = output_of(XASE_READELF " -dW " XASE_LIBRARY);
  EXPECT_NE(dynamic.find("Library soname: [libxase.so.1]"), dynamic.npos);
  EXPECT_EQ(dynamic.find("libboost"), dynamic.npos);
  EXPECT_EQ(dynamic.find("libssl"), dynamic.npos);
}

TEST(Abi, SizesAndOffsetsOfTheFirstVersionStay) {
  if (sizeof(void*) != 8) FAIL() << "64-bit only";
  EXPECT_EQ(sizeof(xase_client_options), 88U);
  EXPECT_EQ(offsetof(xase_client_options, on_success), 56U);
  EXPECT_EQ(sizeof(xase_record_fields), 240U);
  EXPECT_EQ(offsetof(xase_record_fields, input), 32U);
  EXPECT_EQ(offsetof(xase_record_fields, feature_schema_hash), 224U);
  EXPECT_EQ(sizeof(xase_receipt), 184U);
  EXPECT_EQ(offsetof(xase_receipt, sequence), 32U);
  EXPECT_EQ(sizeof(xase_counts), 96U);
  EXPECT_EQ(sizeof(xase_ticket), 56U);
  EXPECT_EQ(sizeof(xase_daemon_facts), 2064U);
}

TEST(Abi, AC99ProgramRecords) {
  const TempDir dir;
  xase_counts counts = XASE_COUNTS_INIT;
  EXPECT_EQ(xase_abi_c99_record(dir.path().c_str(), &counts), XASE_OK) << xase_last_error_message();
  EXPECT_EQ(counts.committed, 2U);
}

TEST(Abi, NamesAreThoseOfTheSdks) {
  EXPECT_STREQ(xase_error_name(XASE_QUEUE_FULL), "QUEUE_FULL");
  EXPECT_STREQ(xase_error_name(XASE_MISSING_POLICY), "MISSING_POLICY");
  EXPECT_STREQ(xase_error_name(static_cast<xase_error>(4711)), "UNKNOWN_ERROR");
  EXPECT_STREQ(xase_version(), client::kVersion);
}

// A structure of another version of the header: ours, cut or with `extra` bytes behind it.
template <class T>
struct Versioned {
  T known;
  unsigned char extra[16] = {};
};

TEST(Abi, AnOlderAndSmallerRecordIsTaken) {
  const TempDir dir;
  const ClientPtr client = open_client(dir.path());
  xase_record_fields fields = some_record();
  fields.size = offsetof(xase_record_fields, model_id);
  fields.model_id = xase_str("beyond the end");
  ASSERT_EQ(xase_record(client.get(), &fields), XASE_OK);
  FakeRing ring(ring_paths(dir.path()).at(0));
  EXPECT_EQ(ring.read().at(0).text(proto::Span::kModelId), "");
}

TEST(Abi, OlderAndSmallerOptionsMeanTheDefaultsForTheRest) {
  const TempDir dir;
  xase_client_options options = XASE_CLIENT_OPTIONS_INIT;
  options.size = offsetof(xase_client_options, results_bytes);
  options.run_dir = dir.path().c_str();
  options.ring_bytes = 128 << 10;
  // Beyond what the caller's header has: whatever lies there is not looked at.
  options.results_bytes = 1;
  options.on_full = static_cast<xase_on_full>(77);
  options.env = reinterpret_cast<const char*>(1);
  options.result_thread = 1;
  xase_client* opened = nullptr;
  ASSERT_EQ(xase_client_open(&options, &opened), XASE_OK) << xase_last_error_message();
  const ClientPtr client(opened);
  const xase_record_fields fields = some_record();
  ASSERT_EQ(xase_record(client.get(), &fields), XASE_OK);
  FakeRing ring(ring_paths(dir.path()).at(0));
  EXPECT_EQ(ring.identity().data_bytes, 128U << 10);
  EXPECT_EQ(ring.identity().results_bytes, 64U << 10);
  EXPECT_EQ(ring.read().size(), 1U);
}

TEST(Abi, AStructureThatUsesWhatIsNotKnownIsAClearError) {
  const TempDir dir;
  const ClientPtr client = open_client(dir.path());
  Versioned<xase_record_fields> record{some_record()};
  record.known.size = sizeof record;
  record.extra[15] = 1;
  ASSERT_EQ(xase_record(client.get(), &record.known), XASE_INVALID_ARGUMENT);
  EXPECT_NE(
      std::string(xase_last_error_message()).find("this version of the library does not know"),
      std::string::npos);
  EXPECT_EQ(counts_of(client).committed, 0U);
}

TEST(Abi, ANewerAndLargerStructureIsTakenWhereItsNewPartIsUnused) {
  const TempDir dir;
  const ClientPtr client = open_client(dir.path());
  Versioned<xase_record_fields> record{some_record()};
  record.known.size = sizeof record;
  EXPECT_EQ(xase_record(client.get(), &record.known), XASE_OK);
  record.extra[15] = 1;
  EXPECT_EQ(xase_record(client.get(), &record.known), XASE_INVALID_ARGUMENT);

  Versioned<xase_client_options> options{XASE_CLIENT_OPTIONS_INIT};
  options.known.run_dir = dir.path().c_str();
  options.known.size = sizeof options;
  xase_client* opened = nullptr;
  EXPECT_EQ(xase_client_open(&options.known, &opened), XASE_OK);
  xase_client_free(opened);
  options.extra[0] = 1;
  EXPECT_EQ(xase_client_open(&options.known, &opened), XASE_INVALID_ARGUMENT);
  EXPECT_EQ(opened, nullptr);
}

TEST(Abi, OutputsStayWithinTheCallersSize) {
  const TempDir dir;
  const ClientPtr client = open_client(dir.path());
  const xase_record_fields fields = some_record();
  Versioned<xase_receipt> receipt{XASE_RECEIPT_INIT};
  receipt.known.size = offsetof(xase_receipt, answer);
  receipt.known.answer = xase_str("untouched");
  ASSERT_EQ(xase_record_sync(client.get(), &fields, XASE_COMMITTED, 0, &receipt.known), XASE_OK);
  EXPECT_STREQ(receipt.known.answer.data, "untouched");
  EXPECT_EQ(receipt.known.size, offsetof(xase_receipt, answer));
  xase_receipt_free(&receipt.known);
  EXPECT_STREQ(receipt.known.answer.data, "untouched");

  Versioned<xase_counts> counts{XASE_COUNTS_INIT};
  counts.known.size = sizeof counts;
  counts.extra[0] = 7;
  ASSERT_EQ(xase_stats(client.get(), &counts.known), XASE_OK);
  EXPECT_EQ(counts.known.committed, 1U);
  EXPECT_EQ(counts.extra[0], 0) << "what we do not know is nothing";
  counts.known.size = offsetof(xase_counts, refused);
  counts.known.refused = 77;
  ASSERT_EQ(xase_stats(client.get(), &counts.known), XASE_OK);
  EXPECT_EQ(counts.known.refused, 77U);
}

TEST(Abi, NonsenseArgumentsAreErrorsAndNoCrash) {
  const TempDir dir;
  const ClientPtr client = open_client(dir.path());
  xase_record_fields fields = some_record();
  EXPECT_EQ(xase_record(nullptr, &fields), XASE_INVALID_ARGUMENT);
  EXPECT_EQ(xase_record(client.get(), nullptr), XASE_INVALID_ARGUMENT);
  EXPECT_EQ(xase_record_sync(client.get(), &fields, static_cast<xase_until>(9), 0, nullptr),
            XASE_INVALID_ARGUMENT);
  EXPECT_EQ(xase_flush(client.get(), static_cast<xase_until>(UINT32_MAX), 0),
            XASE_INVALID_ARGUMENT);
  EXPECT_EQ(xase_flush(nullptr, XASE_DURABLE, 0), XASE_INVALID_ARGUMENT);
  EXPECT_EQ(xase_stats(client.get(), nullptr), XASE_INVALID_ARGUMENT);
  EXPECT_EQ(xase_poll(nullptr, 0), 0U);
  xase_client_close(nullptr);
  xase_client_free(nullptr);
  xase_receipt_free(nullptr);
  for (const std::size_t size : {std::size_t{0}, std::size_t{7}, SIZE_MAX}) {
    fields.size = size;
    EXPECT_EQ(xase_record(client.get(), &fields), XASE_INVALID_ARGUMENT) << size;
  }
  xase_client_options options = XASE_CLIENT_OPTIONS_INIT;
  xase_client* opened = nullptr;
  EXPECT_EQ(xase_client_open(&options, nullptr), XASE_INVALID_ARGUMENT);
  options.ring_bytes = 1;
  EXPECT_EQ(xase_client_open(&options, &opened), XASE_INVALID_ARGUMENT);
  options = XASE_CLIENT_OPTIONS_INIT;
  options.results_bytes = 1;
  EXPECT_EQ(xase_client_open(&options, &opened), XASE_INVALID_ARGUMENT);
  options = XASE_CLIENT_OPTIONS_INIT;
  options.on_full = static_cast<xase_on_full>(5);
  EXPECT_EQ(xase_client_open(&options, &opened), XASE_INVALID_ARGUMENT);
  options = XASE_CLIENT_OPTIONS_INIT;
  options.result_thread = 1;
  EXPECT_EQ(xase_client_open(&options, &opened), XASE_INVALID_ARGUMENT);
}

}  // namespace
}  // namespace xase::test
