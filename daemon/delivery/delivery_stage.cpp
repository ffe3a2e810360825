#include "daemon/delivery/delivery_stage.hpp"

#include <algorithm>
#include <atomic>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>

#include "daemon/config/log.hpp"
#include "daemon/delivery/delivery_core.hpp"
#include "daemon/delivery/http_transport.hpp"
#include "daemon/delivery/worker_pool.hpp"

namespace xased {

using std::chrono::nanoseconds;

namespace {

constexpr std::size_t kAskedMax = 1024;
constexpr std::int64_t kLookAtKeyEveryNs = 1'000'000'000;
// After the requests were cut off: for their results to come in.
constexpr std::int64_t kCutOffNs = 250'000'000;

bool same_destination(const DeliveryOptions& a, const DeliveryOptions& b) {
  return a.base_url == b.base_url && a.timeout == b.timeout &&
         a.connect_timeout == b.connect_timeout && a.ca_file == b.ca_file &&
         a.tls_insecure_skip_verify == b.tls_insecure_skip_verify;
}

}  // namespace

struct DeliveryStage::Impl {
  Impl(const DeliverySurroundings& with, const DeliveryOptions& first, TransportFactory factory)
      : surroundings(with),
        options(first),
        injected(std::move(factory)),
        key(std::make_shared<ApiKeyHolder>()),
        wake(std::make_shared<Wake>()),
        dead_letters(with.fs, with.state_dir + "/delivery/dead_letters.idx"),
        pool(with.clock, wake),
        core(with, first, pool, dead_letters, counters) {}

  Status use_transports();
  void look_at_key(std::int64_t now_ns);
  void take_wishes();
  void run(const std::stop_token& stop);
  void finish();

  const DeliverySurroundings surroundings;
  DeliveryOptions options;  // the owner's
  const TransportFactory injected;
  const std::shared_ptr<ApiKeyHolder> key;
  const std::shared_ptr<Wake> wake;
  DeadLetters dead_letters;
  DeliveryCounters counters;
  WorkerPool pool;
  DeliveryCore core;
  std::int64_t key_looked_at_boot_ns = INT64_MIN / 2;
  std::string transport_problem;

  std::mutex mutex;  // guards the two that follow; held to move them in or out
  std::optional<DeliveryOptions> wished_options;
  std::vector<std::uint64_t> wished_retries;

  std::atomic<bool> draining{false};
  std::atomic<bool> is_drained{false};
  std::atomic<std::int64_t> stop_by_boot_ns{0};  // not 0: stop() was called
  std::jthread owner;
};

// Requests from now on go where the options say.
Status DeliveryStage::Impl::use_transports() {
  if (injected) {
    pool.use(injected);
    return {};
  }
  auto url = parse_base_url(options.base_url);
  if (!url.ok()) return url.status();
  HttpOptions http;
  http.url = *url;
  http.timeout = options.timeout;
  http.connect_timeout = options.connect_timeout;
  http.ca_file = options.ca_file;
  http.tls_insecure_skip_verify = options.tls_insecure_skip_verify;
  auto transports = make_http_transports(http, key, surroundings.clock);
  if (!transports.ok()) return transports.status();
  pool.use(std::move(*transports));
  if (options.tls_insecure_skip_verify) {
    log_warn("delivery",
             "TLS is not verified: anyone on the way can read the key and forge receipts");
  }
  return {};
}

void DeliveryStage::Impl::look_at_key(std::int64_t now_ns) {
  if (injected || now_ns - key_looked_at_boot_ns < kLookAtKeyEveryNs) return;
  key_looked_at_boot_ns = now_ns;
  if (key->refresh(core.wants_key())) core.on_new_key(key->generation());
  core.set_key_missing(!key->get().has_value());
}

void DeliveryStage::Impl::take_wishes() {
  std::optional<DeliveryOptions> wished;
  std::vector<std::uint64_t> retries;
  {
    const std::scoped_lock lock(mutex);
    wished.swap(wished_options);
    retries.swap(wished_retries);
  }
  for (const std::uint64_t sequence : retries) core.request_retry(sequence);
  if (!wished) return;
  const bool same = same_destination(options, *wished);
  options = *wished;
  key->set_source(options.key_source, options.getenv);
  key_looked_at_boot_ns = INT64_MIN / 2;
  core.configure(options, same);
  if (same) return;
  if (Status status = use_transports(); !status.ok()) {
    log_error("delivery", "the new address cannot be used; the old one stays",
              {{"error", status.message()}});
  }
}

void DeliveryStage::Impl::run(const std::stop_token& stop) {
  while (!stop.stop_requested()) {
    const std::uint32_t ticket = wake->ticket();
    take_wishes();
    look_at_key(surroundings.clock.boot_ns());
    // What was written before the drain began must be durable, and so be seen by this step.
    const bool is_asked = draining.load(std::memory_order_acquire);
    const Positions& positions = surroundings.positions;
    const bool sees_all = positions.durable.load(std::memory_order_acquire) >=
                          positions.journaled.load(std::memory_order_acquire);
    const nanoseconds wait = core.step(true);
    if (is_asked && sees_all) is_drained.store(core.drained(), std::memory_order_release);
    if (wait > nanoseconds(0)) wake->wait(ticket, wait);
  }
  finish();
}

// Waits for answers and receipts until the time is over, then cuts off what is left.
void DeliveryStage::Impl::finish() {
  const auto go_on = [this](std::int64_t until_ns) {
    while (!core.quiet() && surroundings.clock.boot_ns() < until_ns) {
      const std::uint32_t ticket = wake->ticket();
      const nanoseconds wait = core.step(false);
      const nanoseconds left(until_ns - surroundings.clock.boot_ns());
      if (wait > nanoseconds(0)) wake->wait(ticket, std::min(wait, left));
    }
  };
  go_on(stop_by_boot_ns.load(std::memory_order_acquire));
  pool.abort();
  go_on(surroundings.clock.boot_ns() + kCutOffNs);
  core.store_cursor();
}

DeliveryStage::DeliveryStage(const DeliverySurroundings& surroundings,
                             const DeliveryOptions& options, TransportFactory transports)
    : impl_(std::make_unique<Impl>(surroundings, options, std::move(transports))) {}

DeliveryStage::~DeliveryStage() { stop(nanoseconds(0)); }

Status DeliveryStage::start() {
  Impl& impl = *impl_;
  constexpr mode_t kPrivate = 0700;
  FileSystem& fs = impl.surroundings.fs;
  const std::string directory = impl.surroundings.state_dir + "/delivery";
  if (Status status = fs.make_directory(directory, kPrivate); !status.ok()) return status;
  if (Status status = fs.sync_directory(impl.surroundings.state_dir); !status.ok()) return status;
  impl.key->set_source(impl.options.key_source, impl.options.getenv);
  if (Status status = impl.use_transports(); !status.ok()) return status;
  if (Status status = impl.core.start(); !status.ok()) return status;
  impl.owner = std::jthread([&impl](const std::stop_token& stop) { impl.run(stop); });
  return {};
}

Wake& DeliveryStage::wake() { return *impl_->wake; }

void DeliveryStage::reconfigure(const DeliveryOptions& options) {
  {
    const std::scoped_lock lock(impl_->mutex);
    impl_->wished_options = options;
  }
  impl_->wake->ring();
}

void DeliveryStage::begin_drain() {
  impl_->draining.store(true, std::memory_order_release);
  impl_->wake->ring();
}

bool DeliveryStage::drained() const { return impl_->is_drained.load(std::memory_order_acquire); }

void DeliveryStage::stop(nanoseconds grace) {
  if (!impl_->owner.joinable()) return;
  impl_->stop_by_boot_ns.store(impl_->surroundings.clock.boot_ns() + grace.count(),
                               std::memory_order_release);
  impl_->owner.request_stop();
  impl_->wake->ring();
  impl_->owner.join();
}

Status DeliveryStage::request_retry(std::uint64_t record_sequence) {
  const std::string name = "record " + std::to_string(record_sequence);
  const auto letter = impl_->dead_letters.find(record_sequence);
  if (!letter.ok()) return letter.status();
  if (!letter->has_value() || (*letter)->event == DeadLetterEvent::kDelivered) {
    return {Code::kNotFound, name + " is not set aside; see xasectl deadletter list"};
  }
  if ((*letter)->event == DeadLetterEvent::kRetryRequested) {
    return {Code::kExists, name + " is already being tried again"};
  }
  {
    const std::scoped_lock lock(impl_->mutex);
    auto& wished = impl_->wished_retries;
    if (std::find(wished.begin(), wished.end(), record_sequence) != wished.end()) {
      return {Code::kExists, name + " is already being tried again"};
    }
    if (wished.size() >= kAskedMax) {
      return {Code::kNoSpace, "too many retries wait; ask again in a moment"};
    }
    wished.push_back(record_sequence);
  }
  impl_->wake->ring();
  return {};
}

const DeadLetters& DeliveryStage::dead_letters() const { return impl_->dead_letters; }

const DeliveryCounters& DeliveryStage::counters() const { return impl_->counters; }

std::string DeliveryStage::api_key_masked() const { return impl_->key->masked(); }

std::string DeliveryStage::api_key_fingerprint() const { return impl_->key->fingerprint(); }

std::string DeliveryStage::api_key_check(const xase::proto::Id& salt) const {
  return impl_->key->check_value(salt);
}

}  // namespace xased
