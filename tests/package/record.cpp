// Records one decision in the runtime directory that is its argument. Exits 0 when the library took
// it and refused one that lacks a policy.
#include <cstdio>
#include <xase/xase.hpp>

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: record_cpp RUN_DIR\n");
    return 2;
  }
  xase::Options options;
  options.run_dir = argv[1];
  auto client = xase::Client::open(options);
  if (!client) {
    std::fprintf(stderr, "record_cpp: open: %s\n", client.message().c_str());
    return 1;
  }

  xase::Record record;
  record.input = R"({"amount":1169})";
  record.output = R"({"decision":"APPROVED"})";
  record.confidence = 0.93;
  if (const auto error = client->record(record); error != xase::Error::kMissingPolicy) {
    std::fprintf(stderr, "record_cpp: a record without a policy: %s\n", xase::name(error));
    return 1;
  }
  record.policy = "package_test_cpp";
  if (const auto error = client->record(record); !ok(error)) {
    std::fprintf(stderr, "record_cpp: a record: %s: %s\n", xase::name(error),
                 xase::last_error_message());
    return 1;
  }
  if (const auto committed = client->stats().committed; committed != 1) {
    std::fprintf(stderr, "record_cpp: %llu records are committed, not 1\n",
                 static_cast<unsigned long long>(committed));
    return 1;
  }
  return 0;
}
