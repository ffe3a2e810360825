// The entries that a report shows, read from journal and tree.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "daemon/ledger/entry.hpp"
#include "daemon/ledger/journal_reader.hpp"
#include "daemon/report/report.hpp"
#include "proto/checkpoint.hpp"

namespace xased {

// One entry, its bytes owned.
struct ReportEntry {
  std::uint64_t sequence = 0;
  // Nothing where neither journal nor tree holds it.
  std::optional<std::array<std::byte, xase::proto::kLeafBytes>> leaf;
  // Leaf from the tree alone: the journal no longer has the entry, or has something else there.
  bool is_from_tree = false;
  // Of what the journal holds; empty where the payload was dropped.
  std::vector<std::byte> erasable;
  // To the signed head's root; nothing where it is not covered or the tree's files lack it.
  std::optional<std::vector<xase::proto::Hash>> path;
  std::string path_problem;  // why there is no path although the head covers it
  std::vector<std::string> faults;
};

struct ReportContents {
  std::uint64_t from = 0;
  std::uint64_t to = 0;
  std::uint64_t journal_first = 0;
  std::uint64_t last = 0;  // of the ledger
  std::uint64_t records = 0;
  bool has_earlier = false;
  std::string origin;  // of the last START entry met
  std::string note;    // the signed head as it was read
  std::string note_problem;
  std::optional<xase::proto::Checkpoint> checkpoint;
  std::vector<ReportEntry> entries;    // ascending
  std::vector<JournalDamage> damages;  // cut to the range
};

Result<ReportContents> collect_report(FileSystem& fs, const std::string& state_dir,
                                      const ReportOptions& options);

}  // namespace xased
