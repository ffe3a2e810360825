#include "daemon/ledger/seals.hpp"

#include <utility>

#include "daemon/ledger/tree/sign_note.hpp"
#include "proto/verifier_key.hpp"

namespace xased {

using std::chrono::nanoseconds;
using xase::proto::EntryType;
using xase::proto::SealBody;
using xase::proto::SealEvent;

namespace {

constexpr std::int64_t kRetryNs = 1'000'000'000;
// Until a module has signed.
constexpr std::int64_t kLookAgainNs = 5'000'000;
constexpr std::int64_t kWaitNs = 8'000'000'000;

}  // namespace

Seals::Seals(const Clock& clock, Ledger& ledger, EpochKeys& keys, SignersNow log_keys,
             const SealOptions& options)
    : clock_(clock),
      ledger_(ledger),
      keys_(keys),
      log_keys_(std::move(log_keys)),
      options_(options) {}

void Seals::begin(const std::optional<EpochState>& found, const Producers& producers) {
  const std::uint64_t open = found && found->is_open ? found->epoch : 0;
  erase_others(open);
  began_boot_ns_ = clock_.boot_ns();
  if (found) epoch_ = found->epoch;
  if (open != 0) {
    auto key = keys_.load(open);
    if (key.ok()) {
      key_ = std::move(*key);
      certificate_ = found->certificate;
    } else {
      // The seals that follow show it: an epoch that was never closed by its own key.
      complain("cannot close the epoch that the last run left open", key.status());
    }
  }
  auto next = prepare(producers);
  if (!next.ok()) return put_off(next.status());
  if (key_ != nullptr) {
    ledger_.append_opening(EntryType::kSeal, xase::proto::seal_bytes_max(producers.size()),
                           closing(producers));
  }
  is_opening_ = true;
  ledger_.append_opening(EntryType::kSeal, xase::proto::seal_bytes_max(producers.size()),
                         std::move(*next));
}

// Keys of epochs that are closed, where the last run ended before it erased them, and of openings
// that never became an entry.
void Seals::erase_others(std::uint64_t open) {
  const auto epochs = keys_.list();
  if (!epochs.ok()) return complain("cannot look for old keys", epochs.status());
  for (const std::uint64_t epoch : *epochs) {
    if (epoch == open) continue;
    if (Status status = keys_.erase(epoch); !status.ok()) {
      complain("cannot erase the key of an epoch that is closed", status);
    }
  }
}

bool Seals::is_due() const {
  const std::int64_t now = clock_.boot_ns();
  if (is_opening_ || now < retry_boot_ns_) return false;
  return key_ == nullptr || now >= epoch_ends_boot_ns_ || now >= next_interval_boot_ns_;
}

bool Seals::asks_to_wait() const {
  return key_ == nullptr && !is_opening_ && clock_.boot_ns() - began_boot_ns_ < kWaitNs;
}

// A key in a module takes its time; one that does not answer is somebody else's to complain of.
void Seals::put_off(const Status& status) {
  const bool is_module = status.code() == Code::kTimeout || status.code() == Code::kNotFound;
  retry_boot_ns_ = clock_.boot_ns() + (is_module ? kLookAgainNs : kRetryNs);
  if (!is_module) complain("cannot open an epoch", status);
}

bool Seals::append_due(const Producers& producers) {
  const std::int64_t now = clock_.boot_ns();
  retry_boot_ns_ = now + kRetryNs;
  if (key_ != nullptr && now < epoch_ends_boot_ns_) {
    const auto make = [&](const ChainState& before) {
      return encode(body(SealEvent::kInterval, before, producers));
    };
    if (!append(producers, make)) return false;
    next_interval_boot_ns_ = now + options_.interval.count();
    retry_boot_ns_ = 0;
    return true;
  }
  // The next one's key first: what can fail does so while the epoch is still open.
  auto next = prepare(producers);
  if (!next.ok()) {
    put_off(next.status());
    return false;
  }
  if (key_ != nullptr && !close(producers)) return false;
  if (!append(producers, *next)) return true;
  retry_boot_ns_ = 0;
  return true;
}

bool Seals::append(const Producers& producers, const Ledger::MadeBody& make) {
  return ledger_.append_made(EntryType::kSeal, xase::proto::seal_bytes_max(producers.size()),
                             make) != 0;
}

bool Seals::start_segment(const Producers& producers) {
  if (key_ == nullptr) return epoch_ == 0;
  return append(producers, [&](const ChainState& before) {
    SealBody seal = body(SealEvent::kSegment, before, producers);
    seal.note = certificate_;
    return encode(seal);
  });
}

bool Seals::close(const Producers& producers) {
  return key_ == nullptr || append(producers, closing(producers));
}

// Makes the next epoch's key, and gives the entry that opens it.
Result<Ledger::MadeBody> Seals::prepare(const Producers& producers) {
  const std::uint64_t epoch = epoch_ + 1;
  const auto signers = log_keys_();
  if (!signers.ok()) return signers.status();
  if (!next_ || next_->epoch != epoch) {
    auto made = keys_.create(epoch);
    if (!made.ok()) return made.status();
    next_ = Next{epoch, std::move(*made)};
  }
  const std::shared_ptr<Ed25519Key> key = next_->key;
  std::vector<Signer*> pointers;
  for (const auto& signer : *signers) pointers.push_back(signer.get());
  Sha256 sha;
  const auto certificate =
      sign_note(xase::proto::epoch_text(keys_.name(), ledger_.state().log_id, epoch,
                                        xase::proto::format_verifier_key(sha, key->verifier_key())),
                pointers);
  if (!certificate.ok()) return certificate.status();
  return Ledger::MadeBody(
      [this, epoch, key, producers, note = *certificate](const ChainState& before) {
        epoch_ = epoch;
        key_ = key;
        certificate_ = note;
        is_opening_ = false;
        next_.reset();
        const std::int64_t now = clock_.boot_ns();
        epoch_ends_boot_ns_ = now + options_.epoch.count();
        next_interval_boot_ns_ = now + options_.interval.count();
        SealBody seal = body(SealEvent::kOpen, before, producers);
        seal.note = note;
        return encode(seal);
      });
}

// The entry that closes the epoch which is open when it is appended.
Ledger::MadeBody Seals::closing(const Producers& producers) {
  return [this, producers](const ChainState& before) {
    SealBody seal = body(SealEvent::kClose, before, producers);
    auto note = sign_note(xase::proto::closing_text(keys_.name(), before.log_id, epoch_,
                                                    before.last_sequence + 1, before.head),
                          *key_);
    if (note.ok()) {
      seal.note = std::move(*note);
    } else {
      complain("cannot sign the closing seal", note.status());
    }
    key_.reset();
    certificate_.clear();
    return encode(seal);
  };
}

SealBody Seals::body(SealEvent event, const ChainState& state, const Producers& producers) const {
  return SealBody{epoch_, event, state.totals, producers, {}};
}

void Seals::complain(const char* what, const Status& status) {
  log_.log(LogLevel::kError, what, what, {{"error", status.message()}},
           nanoseconds(clock_.boot_ns()));
}

}  // namespace xased
