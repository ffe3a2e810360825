#include "daemon/ctl/status_view.hpp"

#include <algorithm>
#include <string_view>
#include <utility>

#include "proto/leaf.hpp"

namespace xased::ctl {
namespace {

constexpr std::size_t kLabelWidth = 13;

double fraction(std::uint64_t part, std::uint64_t whole) {
  return whole == 0 ? 0 : static_cast<double>(part) / static_cast<double>(whole);
}

std::string percent(double share) {
  const int whole = static_cast<int>(share * 100);
  if (share > 0 && whole == 0) return "<1 %";
  return std::to_string(whole) + " %";
}

std::string plural(std::uint64_t count, std::string_view one, std::string_view many) {
  return with_commas(count).append(" ").append(count == 1 ? one : many);
}

// Draws one snapshot.
class View {
 public:
  View(const Snapshot& s, std::int64_t now_wall_ns, const Style& style,
       const std::optional<Rates>& rates)
      : s_(s), now_(now_wall_ns), style_(style), rates_(rates) {}

  std::vector<std::string> take() {
    head();
    line("");
    records();
    line("");
    delivery();
    ledger();
    producers();
    trouble();
    hints();
    return std::move(lines_);
  }

 private:
  std::string dot() const { return style_.unicode ? " · " : " | "; }
  std::string ink(Ink color, std::string_view text) const { return paint(style_, color, text); }

  void line(std::string text) {
    if (style_.terminal && shown_width(text) > static_cast<std::size_t>(style_.columns)) {
      text = clipped(text, static_cast<std::size_t>(style_.columns));
    }
    lines_.push_back(std::move(text));
  }
  void labelled(std::string_view label, std::string_view text) {
    line(ink(Ink::kDim, left(label, kLabelWidth)).append(text));
  }
  double seconds_since(std::int64_t wall_ns) const {
    return wall_ns == 0 ? 0 : static_cast<double>(now_ - wall_ns) / 1e9;
  }

  void head() {
    std::string state;
    if (s_.stopping) {
      state = ink(Ink::kYellow, "stopping");
    } else if (!s_.live) {
      state = ink(Ink::kRed, "NOT LIVE");
    } else if (!s_.ready) {
      state = ink(Ink::kRed, "NOT READY");
    } else {
      state = ink(Ink::kGreen, "ready");
    }
    std::string text = ink(Ink::kBold, "xased " + printable(s_.version)) + "  " + state;
    text += dot() + "up " + short_seconds(seconds_since(s_.started_wall_ns));
    text += dot() + "pid " + std::to_string(s_.pid) + dot() + printable(s_.run_dir);
    line(text);
    if (!s_.ready && !s_.not_ready_reason.empty()) {
      labelled("", ink(Ink::kRed, printable(s_.not_ready_reason)));
    }
  }

  void point(std::string_view name, std::uint64_t count, std::uint64_t before, double rate,
             const std::string& note) {
    const std::size_t number = std::max<std::size_t>(with_commas(s_.committed).size(), 9);
    std::string text = left(name, kLabelWidth);
    text += ink(Ink::kBold, right(with_commas(count), number));
    if (rates_) text += right(short_rate(rate) + "/s", 11);
    if (style_.terminal) {
      const auto room = static_cast<std::size_t>(std::clamp(style_.columns - 70, 0, 30));
      if (room >= 8) {
        const double share = s_.committed == 0 ? 1.0 : fraction(count, s_.committed);
        const Ink color = count >= before ? Ink::kGreen : Ink::kCyan;
        text += "  " + ink(color, bar(style_, share, room));
      }
    }
    if (!note.empty()) text += "  " + note;
    line(text);
  }

  void records() {
    const auto behind = [](std::uint64_t before, std::uint64_t count) {
      return before > count ? before - count : 0;
    };
    const Rates rates = rates_.value_or(Rates{});
    const std::uint64_t in_rings = behind(s_.committed, s_.journaled);
    const std::uint64_t unsynced = behind(s_.journaled, s_.durable);
    point("committed", s_.committed, s_.committed, rates.committed, "");
    point("journaled", s_.journaled, s_.committed, rates.journaled,
          in_rings == 0 ? "" : with_commas(in_rings) + " still in rings");
    point("durable", s_.durable, s_.journaled, rates.durable,
          unsynced == 0 ? "" : with_commas(unsynced) + " being synced");
    std::string waiting;
    if (s_.undelivered != 0) {
      waiting = with_commas(s_.undelivered) + " to go";
      if (s_.oldest_undelivered_seconds > 0) {
        waiting += ", oldest " + short_seconds(s_.oldest_undelivered_seconds);
      }
    }
    point("delivered", s_.delivered, s_.durable, rates.delivered, waiting);
    if (s_.dead_letter != 0) {
      const std::size_t number = std::max<std::size_t>(with_commas(s_.committed).size(), 9);
      line(ink(Ink::kYellow, left("set aside", kLabelWidth) +
                                 right(with_commas(s_.dead_letter), number) +
                                 "  refused by the API, kept as dead letters"));
    }
  }

  void delivery() {
    if (s_.paused) {
      const PauseWords words = pause_words(*s_.paused);
      std::string text = ink(Ink::kRed, "WAITS: " + words.why);
      if (s_.paused_http_status != 0) text += " (" + std::to_string(s_.paused_http_status) + ")";
      if (s_.paused_since_wall_ns != 0) {
        text += " for " + short_seconds(seconds_since(s_.paused_since_wall_ns));
      }
      if (s_.next_probe_seconds > 0) {
        text += dot() + "next try in " + short_seconds(s_.next_probe_seconds);
      }
      labelled("delivery", text);
    } else if (s_.undelivered == 0) {
      labelled("delivery", ink(Ink::kGreen, "nothing to deliver"));
    } else {
      std::string text = ink(Ink::kGreen, "delivering") + dot() + std::to_string(s_.in_flight) +
                         " of " + std::to_string(s_.in_flight_max) + " requests under way";
      if (rates_) text += dot() + short_rate(rates_->attempts) + " attempts/s";
      labelled("delivery", text);
    }
    std::string to = printable(s_.base_url) + dot();
    to += s_.api_key_masked.empty() ? "no key" : "key " + printable(s_.api_key_masked);
    labelled("", to);
    answers();
  }

  void answers() {
    std::string text;
    const auto add = [&](std::uint64_t count, std::string_view name, Ink color = Ink::kPlain) {
      if (count == 0) return;
      if (!text.empty()) text += dot();
      text += ink(color, with_commas(count).append(" ").append(name));
    };
    add(s_.answers_created, "created");
    add(s_.answers_replayed, "replayed", Ink::kYellow);
    add(s_.answers_refused, "refused", Ink::kYellow);
    add(s_.answers_limited, "rate limited");
    add(s_.answers_paused, "not served");
    add(s_.answers_failed, "failed");
    add(s_.no_answer, "unanswered");
    if (!text.empty()) labelled("", "answers: " + text);
    if (!s_.no_answer_why.empty()) {
      labelled("", ink(Ink::kYellow, "no answer: " + printable(s_.no_answer_why)));
    }
  }

  void ledger() {
    std::string text = "entry " + with_commas(s_.last_sequence);
    if (!s_.head.empty()) text += dot() + "head " + printable(s_.head).substr(0, 16);
    if (s_.syncs != 0) {
      text += dot() + "sync " + short_seconds(s_.sync_seconds / static_cast<double>(s_.syncs));
    }
    labelled("ledger", text);
    signed_head();
    const double share = fraction(s_.journal_bytes, s_.journal_bytes_max);
    text = plural(s_.segments, "segment", "segments") + dot() + short_bytes(s_.journal_bytes);
    if (s_.journal_bytes_max != 0) {
      text += " of " + short_bytes(s_.journal_bytes_max) + " (" +
              ink(share > 0.85 ? Ink::kYellow : Ink::kPlain, percent(share)) + ")";
    }
    text += dot() + printable(s_.state_dir);
    labelled("", text);
    if (s_.disk_full) {
      labelled("", ink(Ink::kRed, "the disk is full: apps are refused until there is room"));
    }
  }

  void signed_head() {
    if (s_.checkpoint_size != 0) {
      std::string text = "signed up to entry " + with_commas(s_.checkpoint_size);
      const std::uint64_t behind =
          s_.last_sequence > s_.checkpoint_size ? s_.last_sequence - s_.checkpoint_size : 0;
      if (behind != 0) text += dot() + with_commas(behind) + " not yet";
      labelled("", text);
    }
    if (s_.anchored_size != 0) {
      labelled("", "anchored up to " + with_commas(s_.anchored_size) + dot() +
                       short_seconds(seconds_since(s_.anchored_wall_ns)) + " ago");
    }
    if (s_.tree_stalled) {
      labelled("", ink(Ink::kRed,
                       "no further checkpoints: leaves that were signed over are lost; the log "
                       "names them"));
    }
    if (s_.tree_lost != 0) {
      labelled("", ink(Ink::kRed, plural(s_.tree_lost, "entry", "entries") +
                                      " lost before being signed; the log says which"));
    }
    if (!s_.keys_trouble.empty()) labelled("", ink(Ink::kRed, printable(s_.keys_trouble)));
    if (s_.checkpoint_waits) {
      labelled("", ink(Ink::kYellow, "a checkpoint waits for the signature of a key"));
    }
    if (s_.head_disagreed) {
      labelled("", ink(Ink::kRed, "this is not the ledger that was signed; its head is in " +
                                      printable(s_.state_dir) + "/quarantine"));
    }
  }

  void producers() {
    std::string text = plural(s_.producers, "ring", "rings");
    double fullest = 0;
    for (const RingSnapshot& ring : s_.rings) {
      fullest = std::max(fullest, fraction(ring.used_bytes, ring.capacity_bytes));
    }
    if (s_.producers != 0 && !s_.rings.empty()) {
      text +=
          dot() + "fullest " + ink(fullest > 0.5 ? Ink::kYellow : Ink::kPlain, percent(fullest));
    }
    if (s_.rings_waiting != 0) {
      text +=
          dot() + ink(Ink::kRed, with_commas(s_.rings_waiting) + " waiting: more than rings_max");
    }
    if (s_.rings_condemned != 0) {
      text += dot() + ink(Ink::kRed, with_commas(s_.rings_condemned) + " condemned");
    }
    labelled("producers", text);
  }

  void trouble() {
    if (s_.gaps != 0) {
      labelled("gaps", ink(Ink::kRed, plural(s_.gaps, "gap", "gaps") + ", " +
                                          plural(s_.missing, "record", "records") + " missing"));
    } else {
      labelled("gaps", ink(Ink::kGreen, "none"));
    }
    if (s_.rejected != 0) {
      labelled("rejected", ink(Ink::kYellow, plural(s_.rejected, "record", "records") +
                                                 " refused for what they hold"));
    }
    if (s_.replayed != 0 || s_.possible_duplicates != 0) {
      labelled("doubtful",
               ink(Ink::kYellow, with_commas(s_.replayed) + " replayed, " +
                                     with_commas(s_.possible_duplicates) + " possible duplicates"));
    }
    if (s_.audit_failures != 0) {
      labelled("witness", ink(Ink::kRed, "the API does not stand by " +
                                             plural(s_.audit_failures, "receipt", "receipts") +
                                             " of " + with_commas(s_.audits) + " asked about"));
    } else if (s_.audits != 0) {
      labelled("witness", ink(Ink::kGreen, "the API stands by its receipts") + dot() +
                              with_commas(s_.audits) + " asked about");
    }
    if (s_.alarms != 0) {
      labelled("alarms", ink(Ink::kYellow, with_commas(s_.alarms) + " logged"));
    }
  }

  void hints() {
    std::vector<std::string> hints;
    if (s_.paused) {
      if (std::string todo = pause_words(*s_.paused).what_to_do; !todo.empty()) {
        hints.push_back(std::move(todo));
      }
    }
    if (s_.dead_letter != 0 && s_.paused != "refusals") {
      hints.emplace_back("see what the API said: xasectl deadletter list");
    }
    if (s_.audit_failures != 0) hints.emplace_back("ask about all of them: xasectl audit");
    if (s_.disk_full) hints.push_back("free space on the disk of " + printable(s_.state_dir));
    if (s_.rings_condemned != 0 || s_.alarms != 0) {
      hints.emplace_back("read the log: journalctl -u xased -p warning");
    }
    if (hints.empty()) return;
    line("");
    for (const std::string& hint : hints) {
      line(ink(Ink::kCyan, style_.unicode ? "→ " : "> ") + hint);
    }
  }

  const Snapshot& s_;
  const std::int64_t now_;
  const Style& style_;
  const std::optional<Rates>& rates_;
  std::vector<std::string> lines_;
};

}  // namespace

std::vector<std::string> status_lines(const Snapshot& snapshot, std::int64_t now_wall_ns,
                                      const Style& style, const std::optional<Rates>& rates) {
  return View(snapshot, now_wall_ns, style, rates).take();
}

std::vector<std::string> ring_lines(const Snapshot& snapshot, const Style& style,
                                    std::size_t rows_max) {
  std::vector<const RingSnapshot*> rings;
  rings.reserve(snapshot.rings.size());
  for (const RingSnapshot& ring : snapshot.rings) rings.push_back(&ring);
  const std::size_t rows = std::min(rings.size(), rows_max);
  std::partial_sort(rings.begin(), rings.begin() + static_cast<std::ptrdiff_t>(rows), rings.end(),
                    [](const RingSnapshot* a, const RingSnapshot* b) {
                      return std::pair(a->used_bytes, a->journaled) >
                             std::pair(b->used_bytes, b->journaled);
                    });
  std::vector<std::string> lines;
  if (rows == 0) return lines;
  lines.push_back(paint(style, Ink::kDim,
                        left("ring", 10) + right("pid", 9) + right("uid", 7) +
                            right("journaled", 14) + right("refused", 10) + "  full"));
  for (std::size_t i = 0; i < rows; ++i) {
    const RingSnapshot& ring = *rings[i];
    const double share = fraction(ring.used_bytes, ring.capacity_bytes);
    std::string text = left(printable(ring.ring_id).substr(0, 8), 10);
    const bool has_uid = ring.uid != xase::proto::kNoUid;
    text += right(std::to_string(ring.pid), 9);
    text += right(has_uid ? std::to_string(ring.uid) : "-", 7);
    text += right(with_commas(ring.journaled), 14);
    text += paint(style, ring.refused == 0 ? Ink::kPlain : Ink::kRed,
                  right(with_commas(ring.refused), 10));
    text += "  " + paint(style, share > 0.5 ? Ink::kYellow : Ink::kGreen, bar(style, share, 12));
    text += right(percent(share), 6);
    if (!ring.owned) text += paint(style, Ink::kDim, "  its app has gone");
    lines.push_back(std::move(text));
  }
  if (rings.size() > rows) {
    lines.push_back(
        paint(style, Ink::kDim, "and " + plural(rings.size() - rows, "other ring", "other rings")));
  }
  return lines;
}

}  // namespace xased::ctl
