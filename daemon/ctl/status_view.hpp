// The daemon's state, drawn for people.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "daemon/control/snapshot.hpp"
#include "daemon/ctl/terminal.hpp"

namespace xased::ctl {

// Per second.
struct Rates {
  double committed = 0;
  double journaled = 0;
  double durable = 0;
  double delivered = 0;
  double attempts = 0;
};

// Lines without newlines, at most `style.columns` wide where a terminal shows them. `now_wall_ns`
// is the time to which "for 4m" counts. With rates, those stand beside the numbers.
std::vector<std::string> status_lines(const Snapshot& snapshot, std::int64_t now_wall_ns,
                                      const Style& style, const std::optional<Rates>& rates = {});

// Why delivery waits, in a sentence, and what to do about it. Of a name that this build does not
// know: the name, and nothing to do.
struct PauseWords {
  std::string why;
  std::string what_to_do;
};
PauseWords pause_words(const std::string& reason);

// The rings that matter, fullest first: a table of at most `rows_max` rows.
std::vector<std::string> ring_lines(const Snapshot& snapshot, const Style& style,
                                    std::size_t rows_max);

}  // namespace xased::ctl
