#include "daemon/app/daemon.hpp"

#include <malloc.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <ctime>
#include <nlohmann/json.hpp>
#include <utility>

#include "daemon/app/version.hpp"
#include "daemon/ledger/keys_in_force.hpp"
#include "daemon/ledger/segment_names.hpp"
#include "daemon/platform/this_thread.hpp"
#include "proto/run_dir.hpp"

namespace xased {

using std::chrono::milliseconds;
using std::chrono::nanoseconds;
using xase::proto::to_hex;

namespace {

constexpr milliseconds kPollInterval{5};
// After the drain: for the answers that are under way.
constexpr milliseconds kStopGrace{1000};

std::string journal_directory(const Config& config) {
  return config.state_dir + "/" + std::string(kJournalFolder);
}

DeliveryOptions delivery_options(const Config& config) {
  DeliveryOptions options;
  options.enabled = config.delivery.enabled;
  options.base_url = config.api.base_url;
  options.key_source = config.api.key_source;
  options.getenv = [](const char* name) { return std::getenv(name); };
  options.timeout = config.api.timeout;
  options.connect_timeout = config.api.connect_timeout;
  options.max_in_flight = config.api.max_in_flight;
  options.ordered = config.api.ordered;
  options.ca_file = config.api.ca_file.value_or("");
  options.tls_insecure_skip_verify = config.api.tls_insecure_skip_verify;
  options.backoff_min = config.delivery.backoff_min;
  options.backoff_max = config.delivery.backoff_max;
  options.probe_interval = config.delivery.probe_interval;
  options.refusals_pause_after = config.delivery.refusals_pause_after;
  options.key_memory = config.delivery.key_memory;
  options.only_writer = config.api.only_writer;
  options.anchor_always = config.anchor.always;
  options.anchor_interval = config.anchor.interval;
  options.anchor_after = config.anchor.after;
  options.audit_one_in = config.audit.one_in;
  options.audit_max_per_minute = config.audit.max_per_minute;
  return options;
}

std::string describe_self(const Config& config) {
  std::array<char, 32> time{};
  const std::time_t now = std::time(nullptr);
  std::tm utc{};
  gmtime_r(&now, &utc);
  (void)std::strftime(time.data(), time.size(), "%Y-%m-%dT%H:%M:%SZ", &utc);
  return "pid " + std::to_string(::getpid()) + ", run_dir " + config.run_dir + ", state_dir " +
         config.state_dir + ", since " + time.data();
}

// The loop around a stage: a step, and a wait that any ring ends.
template <class Stage>
void run_stage(const std::stop_token& stop, const char* name, Stage& stage, Wake& wake) {
  name_this_thread(name);
  while (!stop.stop_requested()) {
    const std::uint32_t ticket = wake.ticket();
    const nanoseconds wait = stage.step();
    if (wait > nanoseconds(0)) wake.wait(ticket, wait);
  }
}

void stop_thread(std::jthread& thread, Wake& wake) {
  if (!thread.joinable()) return;
  thread.request_stop();
  wake.ring();
  thread.join();
}

}  // namespace

Daemon::Daemon(const Config& config)
    : config_(config), started_wall_ns_(system_clock().wall_ns()) {}

Result<std::unique_ptr<Daemon>> Daemon::start(const Config& config,
                                              std::function<Status()> reload) {
  std::unique_ptr<Daemon> daemon(new Daemon(config));
  if (Status status = daemon->open_directories(); !status.ok()) return status;
  if (Status status = daemon->open_ledger(); !status.ok()) return status;
  if (Status status = daemon->start_stages(std::move(reload)); !status.ok()) return status;
  daemon->keep_run_dir();
  return daemon;
}

Status Daemon::open_directories() {
  FileSystem& fs = system_file_system();
  constexpr unsigned kPrivate = 0700;
  if (Status status = make_directories(config_.state_dir, kPrivate); !status.ok()) return status;
  const std::string self = describe_self(config_);
  auto state = DirectoryLock::take(fs, config_.state_dir + "/lock", self);
  if (!state.ok()) return state.status();
  state_lock_ = std::move(*state);
  system_random().fill(api_key_salt_);
  run_dir_ = std::make_unique<RunDir>(fs, config_.run_dir, config_.ring.bytes, self);
  if (Status status = run_dir_->take(); !status.ok()) return status;
  return make_directories(journal_directory(config_), kPrivate);
}

Status Daemon::open_ledger() {
  const Clock& clock = system_clock();
  FileSystem& fs = system_file_system();
  LedgerOptions options;
  options.state_dir = config_.state_dir;
  options.origin = config_.ledger.origin;
  options.version = kVersion;
  options.journal.directory = journal_directory(config_);
  options.journal.segment_bytes = config_.journal.segment_bytes;
  options.journal.max_bytes = config_.journal.max_bytes;
  options.journal.reserve_bytes = config_.journal.reserve_bytes;
  preparer_ = std::make_unique<SegmentPreparer>(fs, options.journal.directory + "/next.tmp",
                                                options.journal.segment_bytes);
  sync_ = std::make_unique<SyncStage>(clock, positions_, *preparer_, sync_wake_, intake_wake_,
                                      config_.journal.sync_interval);
  sync_->also_wake(upkeep_wake_);
  options.open_keys = [this](const ChainState& recovered) { return open_keys(recovered); };
  Recovery recovery;
  auto ledger =
      Ledger::open(fs, clock, system_random(), options, positions_, *preparer_, *sync_, recovery);
  if (!ledger.ok()) return ledger.status();
  ledger_ = std::move(*ledger);
  if (recovery.torn_bytes != 0) {
    log_warn("ledger", "the last write was cut short; its bytes are set aside",
             {{"bytes", recovery.torn_bytes}, {"saved_as", recovery.torn_saved_as}});
  }
  for (const JournalDamage& damage : recovery.damage) {
    log_error("ledger", "entries can no longer be read",
              {{"first", damage.first},
               {"last", damage.last},
               {"segment", damage.segment},
               {"what", damage.what}});
  }
  for (const std::string& name : recovery.set_aside) {
    log_error("ledger", "a segment that does not go on from the ledger is set aside",
              {{"file", name}});
  }
  log_info("ledger", recovery.is_new ? "a new ledger begins" : "ledger recovered",
           {{"log_id", to_hex(ledger_->state().log_id)},
            {"last_sequence", ledger_->state().last_sequence},
            {"clean", recovery.is_new || recovery.was_clean}});
  for (const std::string& what : key_files_->set_aside()) {
    log_error("keys", "a key file that cannot be read is set aside", {{"what", what}});
    ledger_->append_opening(xase::proto::EntryType::kRecovered,
                            nlohmann::json{{"event", "key_file_damaged"}, {"what", what}}.dump());
  }
  if (Status status = open_tree(); !status.ok()) return status;
  open_stages(recovery);
  return {};
}

Status Daemon::open_keys(const ChainState& recovered) {
  FileSystem& fs = system_file_system();
  KeyFiles::Options options;
  options.directory = config_.state_dir + "/keys";
  options.configured_origin = config_.ledger.origin;
  options.log_id = recovered.log_id;
  options.makes_file_key = config_.ledger.signers != LedgerSigners::kPkcs11;
  options.in_force_by_journal = [this, &fs, last = recovered.last_sequence] {
    return keys_in_force(fs, config_.state_dir, last);
  };
  auto files = KeyFiles::open(fs, std::move(options));
  if (!files.ok()) return files.status();
  key_files_ = std::move(*files);
  keys_ = std::make_unique<LedgerKeys>(key_files_->name());
  epoch_keys_ = std::make_unique<EpochKeys>(fs, config_.state_dir + "/keys", keys_->name());
  const Config::Ledger& ledger = config_.ledger;
  if (!ledger.pkcs11_module) return {};
  // Also where a file's key alone is wanted: the module's may be in force still.
  module_ = std::make_unique<Pkcs11Keys>(
      Pkcs11Options{*ledger.pkcs11_module, ledger.pkcs11_token.value_or(""),
                    ledger.pkcs11_key.value_or(""), ledger.pkcs11_pin_file.value_or("")},
      keys_->name());
  return {};
}

Status Daemon::open_tree() {
  TreeOptions options;
  options.state_dir = config_.state_dir;
  options.epoch_keys = epoch_keys_.get();
  options.known = key_files_->known();
  auto opened = TreeKeeper::open(system_file_system(), system_clock(), positions_, *keys_, options);
  if (!opened.ok()) return opened.status();
  tree_ = std::move(opened->keeper);
  upkeep_.also_do(*tree_);
  index_ = std::make_unique<IndexKeeper>(system_file_system(), system_clock(), positions_,
                                         config_.state_dir);
  upkeep_.also_do(*index_);
  if (opened->disagreement.empty()) return {};
  log_error("tree", "the ledger is not the one that was signed; its old head is in quarantine",
            {{"why", opened->disagreement}});
  ledger_->append_opening(
      xase::proto::EntryType::kRecovered,
      nlohmann::json{{"event", "head_does_not_fit"}, {"what", opened->disagreement}}.dump());
  return {};
}

// How many rings may be attached, whatever apps make.
std::uint64_t Daemon::rings_max() const {
  // Each ring costs a PRODUCER entry at the head of every segment: they must fit.
  constexpr std::uint64_t kSegmentBytesPerRing = 8192;
  // And a descriptor. The journal, the API and the stats socket need theirs all the same.
  constexpr std::uint64_t kOtherDescriptors = 1024;
  rlimit descriptors{};
  std::uint64_t for_rings = UINT64_MAX;
  if (::getrlimit(RLIMIT_NOFILE, &descriptors) == 0 && descriptors.rlim_cur != RLIM_INFINITY) {
    const std::uint64_t all = descriptors.rlim_cur;
    for_rings = std::max<std::uint64_t>(1, all - std::min(kOtherDescriptors, all / 2));
  }
  const std::uint64_t wanted = std::min<std::uint64_t>(
      config_.ring.rings_max, config_.journal.segment_bytes / kSegmentBytesPerRing);
  if (for_rings < wanted) {
    log_warn("intake",
             "the limit on open files (LimitNOFILE, ulimit -n) bounds how many rings are served",
             {{"rings", for_rings}, {"wanted", wanted}});
  }
  return std::min(wanted, for_rings);
}

void Daemon::open_stages(Recovery& recovery) {
  const Clock& clock = system_clock();
  FileSystem& fs = system_file_system();
  std::vector<SequenceRange> damage;
  for (const JournalDamage& part : recovery.all_damage) damage.push_back({part.first, part.last});
  delivery_ = std::make_unique<DeliveryStage>(
      DeliverySurroundings{fs, clock, system_random(), config_.state_dir, positions_, handbacks_,
                           intake_wake_, std::move(damage)},
      delivery_options(config_));
  IntakeOptions intake;
  intake.run_dir = config_.run_dir;
  intake.rings_max = rings_max();
  intake_ = std::make_unique<IntakeStage>(
      intake,
      IntakeStage::Peers{clock, positions_, *sync_, handbacks_, intake_wake_, delivery_->wake()},
      *ledger_, std::move(recovery.rings));
  SealOptions seals;
  seals.epoch = config_.ledger.epoch;
  seals.interval = config_.ledger.seal_interval;
  key_keeper_ = std::make_unique<KeyKeeper>(
      KeyKeeper::Peers{clock, positions_, *ledger_, *key_files_, *keys_, module_.get(),
                       tree_->counters().checkpoint_size},
      KeyOptions{config_.ledger.signers != LedgerSigners::kPkcs11,
                 config_.ledger.signers != LedgerSigners::kFile});
  intake_->keep_keys(*key_keeper_);
  seals_ = std::make_unique<Seals>(
      clock, *ledger_, *epoch_keys_, [this] { return key_keeper_->signers(); }, seals);
  intake_->keep_epochs(*seals_, recovery.epoch);
  const std::uint64_t begin = recovery.tail.segments.empty() ? 1 : recovery.tail.segments.front();
  retention_ = std::make_unique<Retention>(
      Retention::Peers{fs, clock, positions_, delivery_->counters().removable_through,
                       tree_->counters().checkpoint_size, intake_wake_,
                       [this](std::uint64_t through) { return index_->forget(through); }},
      journal_directory(config_), begin - 1, config_.journal.keep_payloads);
  intake_->keep_within(*retention_, upkeep_wake_);
  upkeep_.also_do(*retention_);
  cache_release_ = std::make_unique<CacheRelease>(fs, clock, journal_directory(config_),
                                                  tree_->counters().size, index_->indexed());
  upkeep_.also_do(*cache_release_);
  memory_release_ =
      std::make_unique<MemoryRelease>(clock, positions_, [] { (void)::malloc_trim(0); });
  upkeep_.also_do(*memory_release_);
  tap_ = std::make_unique<JournalTap>(fs, journal_directory(config_), positions_);
}

Status Daemon::start_stages(std::function<Status()> reload) {
  sync_thread_ = std::jthread(
      [this](const std::stop_token& stop) { run_stage(stop, "sync", *sync_, sync_wake_); });
  upkeep_thread_ = std::jthread([this](const std::stop_token& stop) {
    // Nobody waits for it; where records come faster than all of it gets done, it comes behind.
    let_other_threads_go_first();
    run_stage(stop, "upkeep", upkeep_, upkeep_wake_);
  });
  intake_thread_ = std::jthread(
      [this](const std::stop_token& stop) { run_stage(stop, "intake", *intake_, intake_wake_); });
  if (Status status = delivery_->start(); !status.ok()) return status;
  ControlOptions options;
  options.mode = config_.control.socket_mode;
  options.group = config_.control.socket_group;
  auto control = ControlServer::start(config_.run_dir, options, control_hooks(std::move(reload)));
  if (!control.ok()) return control.status();
  control_ = std::move(*control);
  return {};
}

Daemon::~Daemon() {
  // Where start() failed half-way; after stop() none of this does anything.
  if (control_ != nullptr) control_->stop();
  if (delivery_ != nullptr) delivery_->stop(nanoseconds(0));
  stop_thread(intake_thread_, intake_wake_);
  stop_thread(sync_thread_, sync_wake_);
  stop_thread(upkeep_thread_, upkeep_wake_);
}

Config Daemon::config() const {
  const std::scoped_lock lock(config_mutex_);
  return config_;
}

void Daemon::reconfigure(const Config& config) {
  delivery_->reconfigure(delivery_options(config));
  sync_->set_interval(config.journal.sync_interval);
  retention_->set_keep_payloads(config.journal.keep_payloads);
  const std::scoped_lock lock(config_mutex_);
  config_ = config;
}

void Daemon::keep_run_dir() {
  bool made = false;
  const Status status = run_dir_->keep(made);
  // Another daemon that came meanwhile has the rings there.
  intake_->use_folder(status.code() != Code::kExists);
  if (status.ok()) tell_apps();
  const std::string trouble = status.ok() ? "" : status.message();
  if (made) {
    log_warn("main", "the runtime directory, or a part of it, was removed; it is made again",
             {{"run_dir", run_dir_->path()}});
  }
  if (std::exchange(run_dir_trouble_, trouble) == trouble || trouble.empty()) return;
  log_error("main",
            "the runtime directory was removed and cannot be made again: apps that start now find "
            "no daemon; make it with its owner and mode as they were, the rest follows",
            {{"run_dir", run_dir_->path()}, {"error", trouble}});
}

void Daemon::tell_apps() {
  const std::string fingerprint = delivery_->api_key_fingerprint();
  if (fingerprint != api_key_told_) {
    api_key_check_ = delivery_->api_key_check(api_key_salt_);
    api_key_told_ = fingerprint;
  }
  const auto line = [](std::string_view name, const std::string& value) {
    return value.empty() ? "" : std::string(name) + "=" + value + "\n";
  };
  const Status told = run_dir_->tell(line(xase::proto::kSettingBaseUrl, config().api.base_url) +
                                     line(xase::proto::kSettingApiKeyCheck, api_key_check_));
  const std::string trouble = told.ok() ? "" : told.message();
  if (std::exchange(telling_trouble_, trouble) == trouble || trouble.empty()) return;
  log_error("main", "apps cannot be told which key and address are in use", {{"error", trouble}});
}

bool Daemon::stop(const std::function<bool()>& cut_short) {
  const Clock& clock = system_clock();
  stopping_.store(true, std::memory_order_relaxed);
  intake_->stop_taking();
  intake_wake_.ring();
  const auto wait_for = [&](const std::function<bool()>& done, nanoseconds timeout) {
    const std::int64_t end = clock.boot_ns() + timeout.count();
    while (!done() && !cut_short() && clock.boot_ns() < end) {
      std::this_thread::sleep_for(kPollInterval);
    }
  };
  wait_for([&] { return intake_->failed() || intake_->counters().drained.load(); },
           std::chrono::seconds(5));
  delivery_->begin_drain();
  wait_for([&] { return intake_->failed() || delivery_->drained(); },
           config().delivery.drain_timeout);
  delivery_->stop(cut_short() ? nanoseconds(0) : nanoseconds(kStopGrace));
  stop_thread(intake_thread_, intake_wake_);
  intake_->finish();
  stop_thread(sync_thread_, sync_wake_);
  stop_thread(upkeep_thread_, upkeep_wake_);
  if (Status status = tree_->finish(); !status.ok()) {
    log_error("tree", "the last checkpoint could not be written; the next start makes it",
              {{"error", status.message()}});
  }
  control_->stop();
  return !intake_->failed();
}

bool Daemon::is_live() const {
  return liveness_.check({intake_->counters().steps.load(std::memory_order_relaxed),
                          sync_->counters().steps.load(std::memory_order_relaxed), upkeep_.steps(),
                          delivery_->counters().steps.load(std::memory_order_relaxed)},
                         system_clock().boot_ns());
}

}  // namespace xased
