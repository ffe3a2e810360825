#include "daemon/ledger/tree/pkcs11_keys.hpp"

#include <openssl/crypto.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "daemon/platform/sha256.hpp"

namespace xased {

using std::chrono::milliseconds;
using std::chrono::steady_clock;
using xase::proto::Bytes;
using xase::proto::Hash;
using xase::proto::VerifierKey;

namespace {

constexpr milliseconds kBackoffMin{100};
constexpr milliseconds kBackoffMax{10'000};
constexpr milliseconds kSlowAfter{10'000};
constexpr milliseconds kStopPatience{2'000};
constexpr std::size_t kJobsMax = 16;

Hash digest_of(Bytes bytes) {
  Sha256 sha;
  sha.start();
  sha.add(bytes);
  return sha.finish();
}

}  // namespace

// What the thread and the others share; lives as long as either.
class Pkcs11Keys::Worker : public std::enable_shared_from_this<Worker> {
 public:
  Worker(Pkcs11Options options, std::string name)
      : options_(std::move(options)), name_(std::move(name)) {}

  void run();
  void stop();
  Result<std::shared_ptr<Signer>> wanted() const;
  std::shared_ptr<Signer> find(const VerifierKey& key) const;
  Status trouble() const;
  Result<std::vector<std::byte>> sign(const VerifierKey& key, Bytes message);

 private:
  // The one that VerifierKey is asked of; holds on to the worker.
  class KeySigner;
  struct Job {
    VerifierKey key;
    std::vector<std::byte> message;
    std::optional<std::vector<std::byte>> signature;
  };

  bool connect();
  Status try_to_connect();
  void publish(const std::vector<Pkcs11Module::Key>& keys);
  bool serve();
  void set_trouble(Status status);
  bool pause(milliseconds pause);
  Job* next_job();

  const Pkcs11Options options_;
  const std::string name_;
  // The thread's alone.
  std::unique_ptr<Pkcs11Module> module_;
  std::vector<Pkcs11Module::Key> keys_;
  std::optional<Hash> refused_pin_;  // digest of the PIN that the token refused

  mutable std::mutex mutex_;  // guards what follows; never held while the module is called
  std::condition_variable wake_;
  bool stops_ = false;
  bool has_ended_ = false;
  Status trouble_{Code::kTimeout, "the PKCS#11 module has not answered yet"};
  std::optional<steady_clock::time_point> busy_since_;
  std::vector<std::shared_ptr<Signer>> signers_;
  std::shared_ptr<Signer> wanted_;
  std::string why_not_wanted_;  // where it is null
  std::deque<Job> jobs_;        // the oldest make room
};

class Pkcs11Keys::Worker::KeySigner final : public Signer {
 public:
  KeySigner(std::shared_ptr<Worker> worker, VerifierKey key)
      : worker_(std::move(worker)), key_(std::move(key)) {}
  const VerifierKey& verifier_key() const override { return key_; }
  Result<std::vector<std::byte>> sign(Bytes message) override {
    return worker_->sign(key_, message);
  }

 private:
  const std::shared_ptr<Worker> worker_;
  const VerifierKey key_;
};

void Pkcs11Keys::Worker::run() {
  while (connect() && serve()) {
  }
  module_.reset();
  const std::scoped_lock lock(mutex_);
  has_ended_ = true;
  wake_.notify_all();
}

void Pkcs11Keys::Worker::stop() {
  std::unique_lock lock(mutex_);
  stops_ = true;
  wake_.notify_all();
  (void)wake_.wait_for(lock, kStopPatience, [&] { return has_ended_; });
  // They hold on to this.
  signers_.clear();
  wanted_.reset();
}

// False: it is to end.
bool Pkcs11Keys::Worker::connect() {
  milliseconds backoff = kBackoffMin;
  for (;;) {
    {
      const std::scoped_lock lock(mutex_);
      if (stops_) return false;
      busy_since_ = steady_clock::now();
    }
    Status status = try_to_connect();
    const bool is_connected = status.ok();
    if (!is_connected && module_ != nullptr) module_->log_out();
    set_trouble(std::move(status));
    if (is_connected) return true;
    if (!pause(backoff)) return false;
    backoff = std::min(backoff * 2, kBackoffMax);
  }
}

Status Pkcs11Keys::Worker::try_to_connect() {
  if (module_ == nullptr) {
    auto loaded = Pkcs11Module::load(options_.module);
    if (!loaded.ok()) return loaded.status();
    module_ = std::move(*loaded);
  }
  auto pin = read_pin(options_.pin_file);
  if (!pin.ok()) return pin.status();
  const Hash digest = digest_of(xase::proto::as_bytes(*pin));
  Status status(Code::kDenied,
                "token \"" + options_.token + "\" refused the PIN in " + options_.pin_file +
                    "; it is not tried again, lest the token be locked: put the right one there");
  if (refused_pin_ != digest) {
    status = module_->log_in(options_.token, *pin);
    if (status.code() == Code::kDenied) refused_pin_ = digest;
  }
  OPENSSL_cleanse(pin->data(), pin->size());
  if (!status.ok()) return status;
  auto keys = module_->find_keys();
  if (!keys.ok()) return keys.status();
  keys_ = std::move(*keys);
  publish(keys_);
  return {};
}

// What the token holds. The wanted key must be there once, by its label.
void Pkcs11Keys::Worker::publish(const std::vector<Pkcs11Module::Key>& keys) {
  std::vector<std::shared_ptr<Signer>> signers;
  std::shared_ptr<Signer> wanted;
  std::size_t matches = 0;
  for (const Pkcs11Module::Key& key : keys) {
    VerifierKey public_half{name_, xase::proto::KeyAlgorithm::kEcdsaP256, key.public_key};
    signers.push_back(std::make_shared<KeySigner>(shared_from_this(), std::move(public_half)));
    if (key.label != options_.key) continue;
    ++matches;
    wanted = signers.back();
  }
  const std::scoped_lock lock(mutex_);
  signers_ = std::move(signers);
  wanted_ = matches == 1 ? wanted : nullptr;
  why_not_wanted_ = "token \"" + options_.token + "\" holds " +
                    (matches == 0 ? "no P-256 key with both halves" : "several P-256 keys") +
                    " labelled \"" + options_.key + "\"";
}

// Signs what is asked for. False: it is to end; true: the module is to be connected anew.
bool Pkcs11Keys::Worker::serve() {
  for (;;) {
    VerifierKey wanted;
    std::vector<std::byte> message;
    {
      std::unique_lock lock(mutex_);
      busy_since_.reset();
      const auto has_work = [&] { return stops_ || next_job() != nullptr; };
      if (wanted_ != nullptr) {
        wake_.wait(lock, has_work);
      } else if (!wake_.wait_for(lock, kBackoffMax, has_work)) {
        return true;  // it may have been made meanwhile
      }
      if (stops_) return false;
      const Job& job = *next_job();
      wanted = job.key;
      message = job.message;
      busy_since_ = steady_clock::now();
    }
    const auto key = std::find_if(keys_.begin(), keys_.end(), [&](const auto& known) {
      return known.public_key == wanted.key;
    });
    Result<std::vector<std::byte>> signature =
        Status(Code::kNotFound, "token \"" + options_.token + "\" does not hold the key any more");
    if (key != keys_.end()) signature = module_->sign(*key, message);
    if (!signature.ok()) {
      set_trouble(signature.status());
      return true;
    }
    const std::scoped_lock lock(mutex_);
    for (Job& job : jobs_) {
      if (job.key == wanted && job.message == message) job.signature = *signature;
    }
  }
}

Pkcs11Keys::Worker::Job* Pkcs11Keys::Worker::next_job() {
  for (Job& job : jobs_) {
    if (!job.signature) return &job;
  }
  return nullptr;
}

void Pkcs11Keys::Worker::set_trouble(Status status) {
  const std::scoped_lock lock(mutex_);
  trouble_ = std::move(status);
  busy_since_.reset();
  // Who asks again finds out whether it works now.
  if (!trouble_.ok()) std::erase_if(jobs_, [](const Job& job) { return !job.signature; });
}

// False: it is to end.
bool Pkcs11Keys::Worker::pause(milliseconds pause) {
  std::unique_lock lock(mutex_);
  return !wake_.wait_for(lock, pause, [&] { return stops_; });
}

Result<std::shared_ptr<Signer>> Pkcs11Keys::Worker::wanted() const {
  const std::scoped_lock lock(mutex_);
  if (wanted_ != nullptr) return wanted_;
  if (!trouble_.ok()) return trouble_;
  return Status(Code::kNotFound, why_not_wanted_);
}

std::shared_ptr<Signer> Pkcs11Keys::Worker::find(const VerifierKey& key) const {
  const std::scoped_lock lock(mutex_);
  for (const auto& signer : signers_) {
    if (signer->verifier_key() == key) return signer;
  }
  return nullptr;
}

Status Pkcs11Keys::Worker::trouble() const {
  const std::scoped_lock lock(mutex_);
  if (trouble_.ok() && busy_since_ && steady_clock::now() - *busy_since_ > kSlowAfter) {
    return {Code::kIo, "the PKCS#11 module does not answer"};
  }
  return trouble_;
}

Result<std::vector<std::byte>> Pkcs11Keys::Worker::sign(const VerifierKey& key, Bytes message) {
  const std::scoped_lock lock(mutex_);
  for (const Job& job : jobs_) {
    if (job.key != key ||
        !std::equal(job.message.begin(), job.message.end(), message.begin(), message.end())) {
      continue;
    }
    if (job.signature) return *job.signature;
    return Status(Code::kTimeout, "the PKCS#11 module is signing");
  }
  if (!trouble_.ok()) return Status(Code::kIo, trouble_.message());
  if (jobs_.size() == kJobsMax) jobs_.pop_front();
  jobs_.push_back({key, {message.begin(), message.end()}, std::nullopt});
  wake_.notify_all();
  return Status(Code::kTimeout, "the PKCS#11 module is signing");
}

Pkcs11Keys::Pkcs11Keys(Pkcs11Options options, std::string name)
    : worker_(std::make_shared<Worker>(std::move(options), std::move(name))) {
  std::thread([worker = worker_] { worker->run(); }).detach();
}

Pkcs11Keys::~Pkcs11Keys() { worker_->stop(); }

Result<std::shared_ptr<Signer>> Pkcs11Keys::wanted() const { return worker_->wanted(); }

std::shared_ptr<Signer> Pkcs11Keys::find(const VerifierKey& key) const {
  return worker_->find(key);
}

Status Pkcs11Keys::trouble() const { return worker_->trouble(); }

}  // namespace xased
