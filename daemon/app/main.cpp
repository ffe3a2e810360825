// xased: command line, signals, and word to the service manager.
#include <sys/prctl.h>
#include <sys/resource.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <exception>

#include "daemon/app/daemon.hpp"
#include "daemon/app/dev_mode.hpp"
#include "daemon/app/options.hpp"
#include "daemon/app/version.hpp"
#include "daemon/config/config.hpp"
#include "daemon/config/log.hpp"

namespace xased {
namespace {

constexpr int kExitFailed = 1;
constexpr int kExitConfig = 78;

// Blocked in every thread, so that sigtimedwait() alone gets them.
sigset_t our_signals() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGINT);
  sigaddset(&set, SIGHUP);
  return set;
}

// The next of our signals; 0: none came within `timeout_ns`.
int next_signal(const sigset_t& set, std::int64_t timeout_ns) {
  // The kernel hands out SIGHUP first: one who asks for reloads without end must not keep us here.
  sigset_t ending;
  sigemptyset(&ending);
  sigaddset(&ending, SIGTERM);
  sigaddset(&ending, SIGINT);
  const timespec now{};
  if (const int signal = sigtimedwait(&ending, nullptr, &now); signal > 0) return signal;
  constexpr std::int64_t kNsPerSecond = 1'000'000'000;
  const timespec timeout{timeout_ns / kNsPerSecond, timeout_ns % kNsPerSecond};
  const int signal = sigtimedwait(&set, nullptr, &timeout);
  return signal > 0 ? signal : 0;
}

// Configuration as it is now, by the same rules at start and at a reload.
class Configuration {
 public:
  Configuration(Options options, const DevMode* dev) : options_(std::move(options)), dev_(dev) {}

  Result<Config> load() const {
    ConfigSource source = process_config_source();
    source.file = options_.config_file;
    if (dev_ != nullptr) {
      // A host's own configuration is not for trying out.
      source.default_file.clear();
      source.overrides = dev_->overrides;
    }
    source.overrides.insert(source.overrides.end(), options_.overrides.begin(),
                            options_.overrides.end());
    return load_config(source);
  }

 private:
  Options options_;
  const DevMode* dev_;
};

void log_warnings(const Config& config) {
  for (const std::string& warning : config.warnings) log_warn("config", warning);
}

// Swaps the whole configuration, or keeps the old.
Status reload(const Configuration& source, Daemon& daemon, Config& current) {
  (void)sd_notify(0, "RELOADING=1");
  auto loaded = source.load();
  (void)sd_notify(0, "READY=1");
  if (!loaded.ok()) {
    log_error("config", "the configuration is not taken; the old one stays in force",
              {{"error", loaded.status().message()}});
    return loaded.status();
  }
  log_warnings(*loaded);
  for (const ConfigChange& change : diff_config(current, *loaded)) {
    log_info("config", "changed",
             {{"key", change.key}, {"before", change.before}, {"after", change.after}});
  }
  init_log(loaded->log.level, loaded->log.format, "xased");
  daemon.reconfigure(*loaded);
  current = *loaded;
  return {};
}

void greet(const DevMode& dev, const Config& config) {
  std::fprintf(stderr,
               "xased %s in dev mode: for trying out, not for evidence that must last.\n"
               "  run directory    %s\n"
               "  ledger           %s\n"
               "  API (stand-in)   %s\n"
               "Try:  xasectl --run-dir %s status\n",
               kVersion, config.run_dir.c_str(), config.state_dir.c_str(),
               dev.api->base_url().c_str(), config.run_dir.c_str());
}

// Tells the service manager that all is well, twice in each period that it allows.
class Watchdog {
 public:
  Watchdog() {
    std::uint64_t period_us = 0;
    if (sd_watchdog_enabled(0, &period_us) > 0) period_ns_ = std::int64_t(period_us) * 1000 / 2;
  }
  void feed(const Daemon& daemon, std::int64_t now_boot_ns) {
    const bool live = daemon.is_live();
    if (period_ns_ == 0 || now_boot_ns < due_boot_ns_ || !live) return;
    due_boot_ns_ = now_boot_ns + period_ns_;
    (void)sd_notify(0, "WATCHDOG=1");
  }

 private:
  std::int64_t period_ns_ = 0;
  std::int64_t due_boot_ns_ = 0;
};

int run(const Options& options, const DevMode* dev) {
  const Configuration source(options, dev);
  auto loaded = source.load();
  if (!loaded.ok()) {
    std::fprintf(stderr, "xased: the configuration cannot be used:\n%s\n",
                 loaded.status().message().c_str());
    return kExitConfig;
  }
  Config config = *loaded;
  if (options.check_config) {
    for (const std::string& warning : config.warnings) {
      std::fprintf(stderr, "warning: %s\n", warning.c_str());
    }
    std::printf("configuration is sound%s%s\n", config.file ? ": " : " (no file)",
                config.file ? config.file->c_str() : "");
    return 0;
  }
  init_log(config.log.level, config.log.format, "xased");
  log_warnings(config);
  const sigset_t signals = our_signals();
  // Asked for over the stats socket, done by the main thread like SIGHUP.
  auto daemon = Daemon::start(config, [] {
    return ::kill(::getpid(), SIGHUP) == 0 ? Status() : os_status("reload", errno);
  });
  if (!daemon.ok()) {
    log_error("main", "cannot start", {{"error", daemon.status().message()}});
    std::fprintf(stderr, "xased: %s\n", daemon.status().message().c_str());
    return kExitFailed;
  }
  if (dev != nullptr) greet(*dev, config);
  log_info("main", "ready",
           {{"version", kVersion}, {"run_dir", config.run_dir}, {"state_dir", config.state_dir}});
  (void)sd_notify(0, "READY=1\nSTATUS=Taking records");

  constexpr std::int64_t kTickNs = 1'000'000'000;
  Watchdog watchdog;
  bool asked = false;
  while (!asked && !(*daemon)->has_failed()) {
    const int signal = next_signal(signals, kTickNs);
    if (signal == SIGHUP) (void)reload(source, **daemon, config);
    asked = signal == SIGTERM || signal == SIGINT;
    (*daemon)->keep_run_dir();
    watchdog.feed(**daemon, system_clock().boot_ns());
  }
  (void)sd_notify(0, "STOPPING=1\nSTATUS=Draining");
  log_info("main", asked ? "stopping: draining rings and delivering what can be delivered"
                         : "stopping after a failure");
  bool second = false;
  const bool well = (*daemon)->stop([&] {
    const int signal = next_signal(signals, 0);
    second = second || signal == SIGTERM || signal == SIGINT;
    watchdog.feed(**daemon, system_clock().boot_ns());
    return second;
  });
  log_info("main", "stopped", {{"last_sequence", (*daemon)->snapshot().last_sequence}});
  return well ? 0 : kExitFailed;
}

}  // namespace

int start(int argc, char** argv) {
  const Options options = parse_options(argc, argv);
  // Payloads and keys must not end up in a core. The limit alone is not enough: a handler that
  // reads cores from a pipe is not bound by it. Not dumpable also keeps other processes of this
  // user away from our memory and environment.
  const rlimit no_core{0, 0};
  (void)setrlimit(RLIMIT_CORE, &no_core);
  (void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
  // A ring costs a descriptor, and what a shell or a container gives at first is soon used up.
  rlimit descriptors{};
  if (getrlimit(RLIMIT_NOFILE, &descriptors) == 0) {
    descriptors.rlim_cur = descriptors.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &descriptors);
  }
  // Before the first thread, so that all inherit it.
  const sigset_t signals = our_signals();
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  std::signal(SIGPIPE, SIG_IGN);
  if (!options.dev || options.check_config) return run(options, nullptr);
  auto dev = start_dev_mode(options);
  if (!dev.ok()) {
    std::fprintf(stderr, "xased: %s\n", dev.status().message().c_str());
    return kExitFailed;
  }
  return run(options, &*dev);
}

}  // namespace xased

int main(int argc, char** argv) {
  try {
    return xased::start(argc, argv);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "xased: %s\n", error.what());
    return xased::kExitFailed;
  }
}
