#include "daemon/ledger/verify.hpp"

#include <algorithm>

#include "daemon/ledger/segment_names.hpp"
#include "daemon/ledger/verify_heads.hpp"
#include "daemon/ledger/verify_walk.hpp"

namespace xased {

namespace {

std::string number(std::uint64_t value) { return std::to_string(value); }

std::string count_of(std::uint64_t count, std::string_view one, std::string_view many) {
  return number(count) + " " + std::string(count == 1 ? one : many);
}

// Draws the verdicts from what was met.
class Judge {
 public:
  Judge(LedgerWalk::Facts facts, const VerifyFindings& findings, const VerifyHeads& heads,
        const VerifySeals& seals, const VerifyAnchors& anchors, const VerifyRetention& retention,
        const VerifyOptions& options)
      : facts_(std::move(facts)),
        findings_(findings),
        heads_(heads),
        seals_(seals),
        anchors_(anchors),
        retention_(retention),
        options_(options) {}

  VerifyReport judge();

 private:
  VerifyPropertyReport judge_one(VerifyProperty property) const;
  void judge_sound(VerifyPropertyReport& report) const;
  void judge_content(VerifyPropertyReport& report) const;
  bool is_required(VerifyProperty property) const;
  bool starts_at_one() const {
    return facts_.report.first_sequence == 1 ||
           findings_.first_bad(VerifyProperty::kComplete) == 1 ||
           findings_.first_bad(VerifyProperty::kFrames) == 1;
  }
  const VerifyCounts& counts() const { return facts_.report.counts; }

  LedgerWalk::Facts facts_;
  const VerifyFindings& findings_;
  const VerifyHeads& heads_;
  const VerifySeals& seals_;
  const VerifyAnchors& anchors_;
  const VerifyRetention& retention_;
  const VerifyOptions& options_;
};

void establish(VerifyPropertyReport& report, bool is_proven, std::string text) {
  report.verdict = is_proven ? VerifyVerdict::kProven : VerifyVerdict::kNotEstablished;
  report.text = std::move(text);
}

VerifyReport Judge::judge() {
  VerifyReport& report = facts_.report;
  for (std::size_t i = 0; i < kVerifyProperties; ++i) {
    report.properties.push_back(judge_one(static_cast<VerifyProperty>(i)));
  }
  if (counts().entries == 0 && facts_.sound_headers == 0 && counts().segments != 0) {
    report.malformed = "none of the " + count_of(counts().segments, "segment", "segments") +
                       " can be read: this is no ledger, or nothing is left of it";
  }
  return std::move(report);
}

bool Judge::is_required(VerifyProperty property) const {
  if (std::find(options_.required.begin(), options_.required.end(), property) !=
      options_.required.end()) {
    return true;
  }
  switch (property) {
    // Retention removes what these two follow from.
    case VerifyProperty::kLogId:
    case VerifyProperty::kTotals:
      return starts_at_one() || counts().entries == 0;
    case VerifyProperty::kCheckpoint:
    case VerifyProperty::kSigner:
      return !options_.keys.empty();
    case VerifyProperty::kSeals:
      return !options_.keys.empty() && seals_.has_any();
    case VerifyProperty::kExtends:
      return !options_.earlier.empty();
    case VerifyProperty::kWitnesses:
      return options_.witnesses.asks();
    case VerifyProperty::kAnchors:
      return !options_.anchors.empty();
    default:
      return property < VerifyProperty::kTotals;
  }
}

VerifyPropertyReport Judge::judge_one(VerifyProperty property) const {
  VerifyPropertyReport report;
  report.property = property;
  report.required = is_required(property);
  report.findings = findings_.count(property);
  if (findings_.refuted(property)) {
    report.verdict = VerifyVerdict::kRefuted;
    report.first_bad_sequence = findings_.first_bad(property);
    report.text = findings_.first_text(property);
    // Others are about files beside the journal.
    if (property <= VerifyProperty::kBeginning) {
      report.text = "at entry " + number(report.first_bad_sequence) + ": " + report.text;
    }
    if (report.findings > 1) {
      report.text += " (and " + count_of(report.findings - 1, "place", "places") + " more)";
    }
  } else if (property == VerifyProperty::kAnchors) {
    anchors_.judge(report);
  } else if (property > VerifyProperty::kBeginning) {
    heads_.judge(report);
  } else if (property == VerifyProperty::kBeginning) {
    retention_.judge(report);
  } else if (counts().entries == 0) {
    report.text = "there is no entry to tell it from";
  } else if (property == VerifyProperty::kSeals) {
    seals_.judge(report, heads_);
  } else if (property >= VerifyProperty::kLogId) {
    judge_content(report);
  } else {
    judge_sound(report);
  }
  return report;
}

void Judge::judge_sound(VerifyPropertyReport& report) const {
  switch (report.property) {
    case VerifyProperty::kSegments:
      establish(report, true,
                count_of(counts().segments, "segment", "segments") +
                    ", each going on where the one before it ended");
      break;
    case VerifyProperty::kFrames: {
      std::string text = "every frame's checksum holds, and outside of frames there are zeros";
      if (facts_.report.unfinished_bytes != 0) {
        text += "; the last " + number(facts_.report.unfinished_bytes) +
                " bytes are of an entry that is not wholly written, and count for nothing";
      }
      if (facts_.given_up != 0) {
        text += "; " + count_of(facts_.given_up, "place", "places") +
                " behind a failed sync cannot be read, and all that counts was written again";
      }
      if (facts_.left_behind_bytes != 0) {
        text += "; " + number(facts_.left_behind_bytes) +
                " bytes of torn writes lie between entries, as START entries tell";
      }
      establish(report, true, std::move(text));
      break;
    }
    case VerifyProperty::kComplete:
      establish(report, true,
                "entries " + number(facts_.report.first_sequence) + " to " +
                    number(facts_.report.last_sequence) + " are all there");
      break;
    default:
      establish(report, facts_.holes == 0,
                facts_.holes == 0 ? count_of(counts().entries, "leaf", "leaves") +
                                        " hashed again, each the one that the next names"
                                  : "the leaves that are there fit each other, but not across " +
                                        count_of(facts_.holes, "hole", "holes"));
      break;
  }
}

void Judge::judge_content(VerifyPropertyReport& report) const {
  const bool has_holes = facts_.holes != 0;
  const std::string holes = has_holes ? "; what cannot be read may say otherwise" : "";
  switch (report.property) {
    case VerifyProperty::kLogId:
      establish(report, facts_.log_id_is_derived,
                facts_.log_id_is_derived ? "it follows from origin and nonce of the first entry"
                                         : "the first entry, from which it follows, is not there");
      break;
    case VerifyProperty::kCommitments: {
      std::string text = count_of(facts_.commitments, "entry has", "entries have") +
                         " beside the leaf what the leaf commits to";
      if (counts().erased != 0) {
        text += "; not established for " + number(counts().erased) + " whose payload was erased";
      }
      establish(report, facts_.commitments != 0, std::move(text));
      break;
    }
    case VerifyProperty::kProducers:
      establish(report, !has_holes,
                "the records of " + count_of(counts().producers, "producer", "producers") +
                    " follow each other without a hole that no gap entry tells of" + holes);
      break;
    case VerifyProperty::kReceipts: {
      std::string text = count_of(facts_.matched_receipts, "answer belongs", "answers belong") +
                         " to an earlier record, and no record has two receipts";
      if (counts().unmatched_receipts != 0) {
        text += "; not established for " + number(counts().unmatched_receipts) +
                " whose record is not there";
      }
      establish(report, !has_holes, text + holes);
      break;
    }
    default: {
      std::string text = "what " +
                         count_of(facts_.totals_compared, "segment says", "segments say") +
                         " of all before them is what was counted";
      if (facts_.totals_unknown != 0) {
        text += "; not established for " + number(facts_.totals_unknown) +
                ", with entries before them that are not there";
      }
      establish(report, facts_.totals_compared != 0, std::move(text));
      break;
    }
  }
}

}  // namespace

std::string_view verify_verdict_name(VerifyVerdict verdict) {
  switch (verdict) {
    case VerifyVerdict::kProven:
      return "PROVEN";
    case VerifyVerdict::kRefuted:
      return "REFUTED";
    case VerifyVerdict::kNotEstablished:
      return "NOT ESTABLISHED";
  }
  return "NOT ESTABLISHED";
}

std::string_view verify_property_name(VerifyProperty property) {
  constexpr std::array<std::string_view, kVerifyProperties> kNames{
      "segments",  "frames",   "complete", "chain",     "log_id",    "commitments",
      "producers", "receipts", "totals",   "seals",     "beginning", "checkpoint",
      "signer",    "end",      "extends",  "witnesses", "anchors",   "tiles"};
  return kNames[static_cast<std::size_t>(property)];
}

std::optional<VerifyProperty> verify_property_of(std::string_view name) {
  for (std::size_t i = 0; i < kVerifyProperties; ++i) {
    const auto property = static_cast<VerifyProperty>(i);
    if (verify_property_name(property) == name) return property;
  }
  return std::nullopt;
}

std::uint64_t VerifyReport::first_bad_sequence() const {
  std::uint64_t first = 0;
  for (const VerifyPropertyReport& report : properties) {
    if (report.first_bad_sequence == 0) continue;
    if (first == 0 || report.first_bad_sequence < first) first = report.first_bad_sequence;
  }
  return first;
}

int VerifyReport::exit_code() const {
  constexpr int kSound = 0;
  constexpr int kRefuted = 1;
  constexpr int kNotEnough = 2;
  constexpr int kMalformed = 3;
  if (!malformed.empty()) return kMalformed;
  const auto has = [this](VerifyVerdict verdict, bool required_only) {
    return std::any_of(properties.begin(), properties.end(), [&](const auto& report) {
      return report.verdict == verdict && (report.required || !required_only);
    });
  };
  if (has(VerifyVerdict::kRefuted, false)) return kRefuted;
  return has(VerifyVerdict::kNotEstablished, true) ? kNotEnough : kSound;
}

Result<VerifyReport> verify_ledger(FileSystem& fs, const std::string& state_dir,
                                   const VerifyOptions& options) {
  const std::string directory = state_dir + "/" + std::string(kJournalFolder);
  if (!fs.exists(directory)) {
    return Status(Code::kNotFound, "no journal in " + state_dir +
                                       ": give the state directory of a daemon, the one that "
                                       "state_dir in its configuration names");
  }
  LedgerWalk walk(fs, state_dir, options);
  if (Status status = walk.run(); !status.ok()) return status;
  LedgerWalk::Facts facts = walk.take_facts();
  return Judge(std::move(facts), walk.findings(), walk.heads(), walk.seals(), walk.anchors(),
               walk.retention(), options)
      .judge();
}

}  // namespace xased
