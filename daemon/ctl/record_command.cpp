#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <ctime>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <thread>
#include <xase/xase.hpp>

#include "daemon/ctl/command.hpp"
#include "daemon/ctl/line_reader.hpp"
#include "daemon/ctl/new_ids.hpp"
#include "daemon/ctl/record_line.hpp"
#include "daemon/ctl/terminal.hpp"

namespace xased::ctl {
namespace {

constexpr std::uint64_t kProblemsShownMax = 100;

struct RecordOptions {
  std::string file = "-";
  bool ack = false;
  bool wait = false;
  xase::Until until = xase::Until::kCommitted;
  double timeout_seconds = 60;
  double room_timeout_seconds = 30;
  std::uint64_t repeat = 1;
  std::string id_prefix;
  double per_second = 0;
};

xase::Record to_record(const RecordLine& line) {
  xase::Record record;
  record.policy = line.policy;
  record.input = line.input;
  record.output = line.output;
  record.context = line.context;
  record.explanation = line.explanation;
  record.policy_version = line.policy_version;
  record.transaction_id = line.transaction_id;
  record.decision_type = line.decision_type;
  record.idempotency_key = line.idempotency_key;
  record.model_id = line.model_id;
  record.model_version = line.model_version;
  record.model_hash = line.model_hash;
  record.feature_schema_hash = line.feature_schema_hash;
  record.confidence = line.confidence;
  if (line.processing_time_ms) {
    record.processing_time = std::chrono::duration<double, std::milli>(*line.processing_time_ms);
  }
  record.store_payload = line.store_payload;
  return record;
}

// True where the next line would fare no better.
bool ends_all(xase::Error error) {
  switch (error) {
    case xase::Error::kQueueFull:
    case xase::Error::kQueueClosed:
    case xase::Error::kRunDirUnavailable:
    case xase::Error::kOutOfMemory:
    case xase::Error::kSystemError:
      return true;
    default:
      return false;
  }
}

// Keeps to a rate over the whole run, not from one record to the next: a pause is caught up with.
class RateLimit {
 public:
  explicit RateLimit(double per_second) : per_second_(per_second) {}
  void before_record() {
    if (per_second_ <= 0) return;
    const std::chrono::duration<double> due(static_cast<double>(count_++) / per_second_);
    std::this_thread::sleep_until(
        begin_ + std::chrono::duration_cast<std::chrono::steady_clock::duration>(due));
  }

 private:
  const double per_second_;
  const std::chrono::steady_clock::time_point begin_ = std::chrono::steady_clock::now();
  std::uint64_t count_ = 0;
};

// One run over the input.
class Recorder {
 public:
  Recorder(xase::Client& client, const RecordOptions& options, int fd)
      : client_(client),
        options_(options),
        lines_(fd, RecordLineParser::kLineBytesMax, RecordLineParser::kPaddingBytes),
        new_ids_(options.id_prefix),
        rate_(options.per_second) {}

  // Reads all of it. Not ok: it ended before the input did.
  Status run() {
    for (std::uint64_t round = 1; round <= options_.repeat; ++round) {
      if (round > 1) {
        if (Status status = lines_.rewind(); !status.ok()) return status;
      }
      if (Status status = run_round(round); !status.ok()) return status;
      lines_before_ += lines_.line_number();
    }
    if (problems_ > kProblemsShownMax) {
      tell("and " + with_commas(problems_ - kProblemsShownMax) + " other lines");
    }
    return {};
  }

  std::uint64_t committed() const { return committed_; }
  std::uint64_t problems() const { return problems_; }
  bool acks_lost() const { return acks_lost_; }

 private:
  Status run_round(std::uint64_t round) {
    while (true) {
      const Result<LineReader::Step> step = lines_.next();
      if (!step.ok()) return step.status();
      if (*step == LineReader::Step::kEnd) return {};
      if (*step == LineReader::Step::kTooLong) {
        report({"RECORD_TOO_LARGE", "longer than 16 MiB"});
        continue;
      }
      std::string_view line = lines_.line();
      if (lines_.line_number() == 1 && line.starts_with("\xef\xbb\xbf")) line.remove_prefix(3);
      if (line.find_first_not_of(" \t\r") == std::string_view::npos) continue;
      if (Status status = take(line, round); !status.ok()) return status;
    }
  }

  Status take(std::string_view line, std::uint64_t round) {
    RecordLine parsed;
    if (const LineProblem problem = parser_.parse(line, parsed); !problem.ok()) {
      report(problem);
      return {};
    }
    if (!options_.id_prefix.empty()) new_ids_.apply(round, lines_.line_number(), parsed);
    rate_.before_record();
    const xase::Error error = client_.record(to_record(parsed));
    if (ok(error)) {
      ++committed_;
      acknowledge();
      return {};
    }
    if (!ends_all(error)) {
      report({xase::name(error), xase::last_error_message()});
      return {};
    }
    std::string message = "line " + std::to_string(number()) + ": " + xase::name(error) + ": " +
                          xase::last_error_message();
    if (error == xase::Error::kQueueFull) {
      message += "; the ring stayed full for " + short_seconds(options_.room_timeout_seconds) +
                 ": is the daemon running? xasectl status";
    }
    return {error == xase::Error::kRunDirUnavailable ? Code::kTimeout : Code::kIo, message};
  }

  std::uint64_t number() const { return lines_before_ + lines_.line_number(); }

  // One write for one record, at once: whoever counts these must never have to wait for the next.
  void acknowledge() {
    if (!options_.ack || acks_lost_) return;
    acks_lost_ = !write_all(STDOUT_FILENO, std::to_string(number()) + "\n");
    if (acks_lost_) tell("nobody reads the acknowledgements any more; recording goes on");
  }

  void report(const LineProblem& problem) {
    if (++problems_ > kProblemsShownMax) return;
    tell("line " + std::to_string(number()) + ": " + problem.code + ": " + problem.message);
  }

  xase::Client& client_;
  const RecordOptions& options_;
  LineReader lines_;
  RecordLineParser parser_;
  NewIds new_ids_;
  RateLimit rate_;
  std::uint64_t lines_before_ = 0;
  std::uint64_t committed_ = 0;
  std::uint64_t problems_ = 0;
  bool acks_lost_ = false;
};

class Input {
 public:
  explicit Input(const std::string& file)
      : fd_(file == "-" ? STDIN_FILENO : open(file.c_str(), O_RDONLY | O_CLOEXEC)), error_(errno) {}
  ~Input() {
    if (fd_ > STDIN_FILENO) close(fd_);
  }
  Input(const Input&) = delete;
  Input& operator=(const Input&) = delete;
  int fd() const { return fd_; }
  int error() const { return error_; }

 private:
  const int fd_;
  const int error_;
};

std::string level_text(xase::Until until) {
  switch (until) {
    case xase::Until::kCommitted:
      return "committed";
    case xase::Until::kJournaled:
      return "journaled";
    case xase::Until::kDurable:
      return "durable";
    case xase::Until::kDelivered:
      break;
  }
  return "delivered";
}

// What the waiting came to.
int wait_for_all(xase::Client& client, const RecordOptions& options) {
  if (!options.wait || options.until == xase::Until::kCommitted) return kExitOk;
  const xase::Error error = client.flush(options.until, seconds_option(options.timeout_seconds));
  if (!ok(error)) {
    const xase::Stats stats = client.stats();
    return fail(kExitNo, "not all " + level_text(options.until) + " within " +
                             short_seconds(options.timeout_seconds) + " (" + xase::name(error) +
                             "): " + with_commas(stats.pending) + " of " +
                             with_commas(stats.committed) +
                             " records are under way, nothing is lost; see: xasectl status");
  }
  if (const std::uint64_t failed = client.stats().failed; failed != 0) {
    return fail(kExitNo, with_commas(failed) + (failed == 1 ? " record was" : " records were") +
                             " refused; see: xasectl deadletter list, xasectl tap");
  }
  return kExitOk;
}

void report(const Globals& globals, const RecordOptions& options, const Recorder& recorder,
            xase::Client& client, double seconds) {
  const std::uint64_t committed = recorder.committed();
  if (globals.json) {
    const xase::Stats stats = client.stats();
    const nlohmann::ordered_json json{
        {"committed", committed},   {"failed", recorder.problems()}, {"journaled", stats.journaled},
        {"durable", stats.durable}, {"delivered", stats.delivered},  {"seconds", seconds}};
    write_all(STDOUT_FILENO, json.dump() + "\n");
    return;
  }
  std::string text = with_commas(committed) + (committed == 1 ? " record " : " records ");
  text += options.wait ? level_text(options.until) : "committed";
  if (recorder.problems() != 0)
    text += ", " + with_commas(recorder.problems()) + " lines not taken";
  if (seconds > 0.1) {
    text += " in " + short_seconds(seconds) + " (" +
            short_rate(static_cast<double>(committed) / seconds) + "/s)";
  }
  tell(text);
}

int run_record(const Globals& globals, RecordOptions options) {
  if (globals.json && options.ack) {
    return fail(kExitUsage, "--ack and --json both want stdout: choose one");
  }
  if (options.repeat > 1 && options.id_prefix.empty()) {
    options.id_prefix = "run" + std::to_string(std::time(nullptr));
  }
  const Result<std::string> run_dir = resolve_run_dir(globals);
  if (!run_dir.ok()) return fail(kExitConfig, run_dir.status().message());
  const Input input(options.file);
  if (input.fd() < 0) {
    return fail(kExitMalformed, os_status("cannot open " + options.file, input.error()).message());
  }
  xase::Options client_options;
  client_options.run_dir = *run_dir;
  client_options.on_full = xase::OnFull::kBlock;
  client_options.block_timeout = seconds_option(options.room_timeout_seconds);
  client_options.runtime = "xasectl";
  xase::Result<xase::Client> client = xase::Client::open(client_options);
  if (!client) {
    return fail(client.error() == xase::Error::kRunDirUnavailable ? kExitUnavailable : kExitNo,
                std::string(xase::name(client.error())) + ": " + client.message());
  }
  const auto begin = std::chrono::steady_clock::now();
  Recorder recorder(*client, options, input.fd());
  const Status status = recorder.run();
  int code = status.ok() ? kExitOk : fail(status);
  if (code == kExitOk) code = wait_for_all(*client, options);
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
  if (code != kExitOk) options.wait = false;  // the summary then claims no more than is so
  report(globals, options, recorder, *client, took.count());
  if (code == kExitOk && (recorder.problems() != 0 || recorder.acks_lost())) code = kExitNo;
  return code;
}

const std::map<std::string, xase::Until>& until_names() {
  static const std::map<std::string, xase::Until> kNames{{"committed", xase::Until::kCommitted},
                                                         {"journaled", xase::Until::kJournaled},
                                                         {"durable", xase::Until::kDurable},
                                                         {"delivered", xase::Until::kDelivered}};
  return kNames;
}

}  // namespace

void add_record_command(CLI::App& app, Globals& globals) {
  CLI::App* command =
      app.add_subcommand("record", "Record decisions from JSON lines: a producer like any other");
  command->footer(
      "\nEach line is a JSON object with policy, input and output, and any of confidence, "
      "context,\n"
      "transaction_id, policy_version, decision_type, processing_time, store_payload,\n"
      "idempotency_key, model_id, model_version, model_hash, feature_schema_hash, explanation.\n"
      "A bad line is told and skipped, and the exit code is then 1. Works without a daemon, for "
      "as\n"
      "long as the ring has room.");
  auto options = std::make_shared<RecordOptions>();
  command->add_option("FILE", options->file, "JSON lines; - or nothing: stdin");
  command->add_flag("--ack", options->ack, "Print each line's number once its record is committed");
  CLI::Option* wait =
      command
          ->add_option("--wait", options->until,
                       "Then wait until all are committed, journaled, durable or delivered")
          ->transform(quiet(CLI::CheckedTransformer(until_names())))
          ->type_name("LEVEL");
  command->add_option("--timeout", options->timeout_seconds, "Of --wait; default 60")
      ->type_name("SECONDS")
      ->check(quiet(CLI::NonNegativeNumber));
  command
      ->add_option("--room-timeout", options->room_timeout_seconds,
                   "How long a full ring is waited for; default 30")
      ->type_name("SECONDS")
      ->check(quiet(CLI::PositiveNumber));
  command->add_option("--repeat", options->repeat, "Record the file so many times, with new ids")
      ->type_name("N")
      ->check(quiet(CLI::Range(std::uint64_t{1}, std::uint64_t{1'000'000'000})));
  command
      ->add_option("--id-prefix", options->id_prefix,
                   "New transaction ids \"<prefix>-<round>-<id>\", and new idempotency keys")
      ->type_name("TEXT");
  command->add_option("--rate", options->per_second, "At most so many a second")
      ->type_name("N")
      ->check(quiet(CLI::PositiveNumber));
  command->callback([&globals, options, wait] {
    options->wait = wait->count() > 0;
    globals.exit_code = run_record(globals, *options);
  });
}

}  // namespace xased::ctl
