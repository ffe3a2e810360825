// A report that a person can read: one HTML file that opens without a network, shows a range of the
// ledger's records, and verifies them again in the reader's browser.
//
// The page proves what its data block lets it prove, by the reader's own browser: that each part
// that is disclosed is what its entry commits to, that each entry is in the tree of the signed
// head, that the entries are chained, and that the key signed that head. What was found amiss at
// the making and cannot be shown there, since the part is withheld or cannot be read, is told as
// such.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "daemon/platform/file_system.hpp"
#include "proto/verifier_key.hpp"

namespace xased {

// What of a record is shown. All else that says what a record holds stays a commitment. Policy,
// model, confidence and ids are always stated; they share one commitment with the explanation, so
// they can be verified by the reader where that is disclosed or where there is none.
struct ReportDisclosure {
  bool input = false;
  bool output = false;
  bool context = false;
  bool explanation = false;

  bool all() const { return input && output && context && explanation; }
};

// "input,output", "all" or "none"; nothing where a word is none of these.
std::optional<ReportDisclosure> parse_disclosure(std::string_view text);

struct ReportOptions {
  // Sequences of the ledger, both included; 0: by default the last records, up to the last entry.
  std::uint64_t from = 0;
  std::uint64_t to = 0;
  ReportDisclosure disclose;
  // Pinned: known from elsewhere than the ledger. Else the page takes the one that lies beside the
  // ledger, and says that this shows nothing about whose ledger it is.
  std::optional<xase::proto::VerifierKey> key;
  std::string program;                   // that made it, with its version
  std::int64_t made_wall_ns = 0;         // since the epoch
  std::uint64_t default_records = 1000;  // how many the last ones are
  std::uint64_t records_max = 50'000;    // more than browsers bear
  // Entries read of entries to read; now and then, in the caller's thread.
  std::function<void(std::uint64_t done, std::uint64_t total)> progress;
};

struct Report {
  std::string html;
  std::uint64_t from = 0;
  std::uint64_t to = 0;
  std::uint64_t records = 0;  // shown
  std::uint64_t faults = 0;   // entries that cannot be read or do not fit, as far as seen here
  bool has_earlier = false;   // there are records before `from` that the default leaves out
  bool has_key = false;
  bool has_checkpoint = false;
};

// Reads only; a daemon may be writing meanwhile. Damage inside the range is shown, and fails
// nothing. Memory: that of the report, several times over.
// Errors: what the file system says; kNotFound where there is no journal, kInvalid where the range
// holds nothing or more than records_max records.
Result<Report> make_report(FileSystem& fs, const std::string& state_dir,
                           const ReportOptions& options);

}  // namespace xased
