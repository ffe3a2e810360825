// How long it takes to verify a ledger, against hashing the same bytes once:
//
//   bench-verify DECISIONS.jsonl [RECORDS] [RUNS]
//
// The ledger is of that many of these decisions and of an answer to each, made in the directory for
// temporary files and removed at the end. It is verified as an auditor does, under a pinned key.
// Both read the journal's segments from the page cache, in turns, so that a busy machine slows
// both; what counts is the ratio. Prints a line of JSON for each run, and the medians.
#include <sys/utsname.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "daemon/ledger/segment_names.hpp"
#include "daemon/ledger/verify.hpp"
#include "daemon/platform/sha256.hpp"
#include "tests/bench/real_ledger.hpp"

namespace xased::bench {
namespace {

using Seconds = std::chrono::duration<double>;

template <class Work>
double seconds_of(const Work& work) {
  const auto begin = std::chrono::steady_clock::now();
  work();
  return Seconds(std::chrono::steady_clock::now() - begin).count();
}

struct Pass {
  std::uint64_t bytes = 0;
  xase::proto::Hash hash{};
};

Pass hash_all(const std::string& journal) {
  constexpr std::size_t kPieceBytes = std::size_t{256} << 10;
  std::vector<std::byte> piece(kPieceBytes);
  Pass pass;
  Sha256 sha;
  sha.start();
  for (const auto& file : std::filesystem::directory_iterator(journal)) {
    std::ifstream in(file.path(), std::ios::binary);
    while (
        in.read(reinterpret_cast<char*>(piece.data()), static_cast<std::streamsize>(kPieceBytes)),
        in.gcount() > 0) {
      const auto got = static_cast<std::size_t>(in.gcount());
      sha.add({piece.data(), got});
      pass.bytes += got;
    }
  }
  pass.hash = sha.finish();
  return pass;
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

int run(const std::string& data, std::uint64_t records, int runs) {
  const RealLedger ledger(data, records);
  const std::string& state_dir = ledger.dir.path();
  VerifyOptions options;
  options.keys = {ledger.key->verifier_key()};
  const std::string journal = state_dir + "/" + std::string(kJournalFolder);
  std::vector<double> ratios;
  std::vector<double> verifies;
  std::vector<double> passes;
  std::uint64_t entries = 0;
  for (int i = 0; i < runs; ++i) {
    Pass pass;
    passes.push_back(seconds_of([&] { pass = hash_all(journal); }));
    int code = 0;
    verifies.push_back(seconds_of([&] {
      const auto report = verify_ledger(system_file_system(), state_dir, options);
      code = report.ok() ? report->exit_code() : 3;
      entries = report.ok() ? report->counts.entries : 0;
    }));
    if (code != 0) {
      std::fprintf(stderr, "bench-verify: the ledger in %s does not verify\n", state_dir.c_str());
      return 1;
    }
    ratios.push_back(verifies.back() / passes.back());
    std::printf(
        "{\"entries\":%llu,\"bytes\":%llu,\"verify_s\":%.3f,\"sha256_s\":%.3f,\"ratio\":%.2f}\n",
        static_cast<unsigned long long>(entries), static_cast<unsigned long long>(pass.bytes),
        verifies.back(), passes.back(), ratios.back());
  }
  utsname machine{};
  uname(&machine);
  const auto [least, most] = std::minmax_element(ratios.begin(), ratios.end());
  std::printf(
      "%s: %llu entries: verify %.3f s, one SHA-256 pass %.3f s, ratio %.2f (%.2f to %.2f)\n",
      machine.nodename, static_cast<unsigned long long>(entries), median(verifies), median(passes),
      median(ratios), *least, *most);
  return 0;
}

}  // namespace
}  // namespace xased::bench

int main(int argc, char** argv) {
  try {
    if (argc < 2 || argc > 4) {
      std::fputs("usage: bench-verify DECISIONS.jsonl [RECORDS] [RUNS]\n", stderr);
      return 2;
    }
    const std::uint64_t records = argc > 2 ? std::stoull(argv[2]) : 500'000;
    return xased::bench::run(argv[1], records, argc > 3 ? std::max(1, std::stoi(argv[3])) : 5);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "bench-verify: %s\n", error.what());
    return 1;
  }
}
