// Reading the journal from outside the stages: for `tap` and for what is known of one record.
#pragma once

#include <cstdint>
#include <functional>
#include <list>
#include <mutex>
#include <string>

#include "daemon/ledger/journal_reader.hpp"
#include "daemon/ledger/positions.hpp"

namespace xased {

// Any thread. Keeps a few readers at the places where the last calls ended, so that following the
// journal does not start over each time.
class JournalTap {
 public:
  JournalTap(FileSystem& fs, std::string directory, const Positions& positions)
      : fs_(fs), directory_(std::move(directory)), positions_(positions) {}

  // Calls `visit` for each entry behind `after`, as far as they are journaled, until it says false.
  // Damaged places are passed over. Gives the sequence up to which all was visited.
  Result<std::uint64_t> for_each(std::uint64_t after,
                                 const std::function<bool(const Entry&)>& visit);

 private:
  static constexpr std::size_t kReadersMax = 4;

  FileSystem& fs_;
  const std::string directory_;
  const Positions& positions_;
  std::mutex mutex_;  // guards idle_; held to take or give back a reader
  std::list<JournalReader> idle_;
};

}  // namespace xased
