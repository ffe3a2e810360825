#include "daemon/devapi/store.hpp"

#include <algorithm>
#include <charconv>
#include <string_view>

#include "daemon/devapi/digest.hpp"
#include "daemon/devapi/rules.hpp"

namespace xased::devapi {
namespace {

constexpr std::string_view kIdPrefix = "txn_";

std::uint64_t hex64(std::string_view digits) {
  std::uint64_t value = 0;
  std::from_chars(digits.data(), digits.data() + digits.size(), value, 16);
  return value;
}

std::string id_text(std::uint64_t high, std::uint64_t low) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string text(kIdPrefix);
  for (const std::uint64_t half : {high, low}) {
    for (int shift = 60; shift >= 0; shift -= 4) {
      text += kDigits[(half >> static_cast<unsigned>(shift)) & 0xFU];
    }
  }
  return text;
}

}  // namespace

std::string payload_hash(std::string_view json) { return "sha256:" + sha256_hex(json); }

std::string chain_hash(std::string_view previous_hash, const RecordHashes& hashes) {
  return sha256_hex({previous_hash, hashes.input, hashes.output, hashes.context});
}

Store::Store(StoreOptions options) : options_(std::move(options)), hash_seed_(random_hex(16)) {}

Result<std::unique_ptr<Store>> Store::open(StoreOptions options) {
  std::unique_ptr<Store> store(new Store(std::move(options)));
  auto log = GroupLog::open(store->options_.dir, [&](std::uint64_t offset, std::string_view text) {
    return store->on_line(offset, text);
  });
  if (!log.ok()) return log.status();
  store->log_ = std::move(*log);
  return store;
}

Status Store::on_line(std::uint64_t offset, std::string_view text) {
  Result<LogLine> line = decode(text);
  if (!line.ok()) return line.status();
  const Place place{offset, static_cast<std::uint32_t>(text.size() + 1)};
  const std::scoped_lock lock(mutex_);
  if (const auto* record = std::get_if<StoredRecord>(&*line)) {
    if (!is_transaction_id(record->transaction_id)) {
      return {Code::kCorrupt, "a record without a transaction id"};
    }
    constexpr std::int64_t kMemoryMs = std::chrono::milliseconds(kKeyMemory).count();
    const bool is_young = options_.now_unix_ms() - record->timestamp_unix_ms < kMemoryMs;
    index(*record, place, is_young && !options_.forget_keys);
    return {};
  }
  const auto& intervention = std::get<StoredIntervention>(*line);
  if (const auto number = number_of(intervention.transaction_id)) {
    interventions_[*number].push_back(place);
    ++intervention_count_;
  }
  return {};
}

void Store::index(const StoredRecord& record, Place place, bool remember_key) {
  const auto digits = std::string_view(record.transaction_id).substr(kIdPrefix.size());
  Entry entry;
  entry.id_high = hex64(digits.substr(0, 16));
  entry.id_low = hex64(digits.substr(16));
  entry.offset = place.offset;
  entry.size = place.size;
  entries_.push_back(entry);
  const auto number = static_cast<std::uint32_t>(entries_.size());
  by_transaction_.add(entry.id_high, number);
  if (remember_key && !record.idempotency_key.empty()) {
    by_key_.add(key_hash(record.tenant, record.idempotency_key), number);
  }
  Tenant& tenant = tenants_[record.tenant];
  if (tenant.last != 0) entries_[tenant.last - 1].next = number;
  tenant.last = number;
  tenant.before_head = record.previous_hash;
  tenant.head = record.record_hash;
  ++tenant.records;
}

std::uint64_t Store::key_hash(std::string_view tenant, std::string_view idempotency_key) const {
  return hex64(std::string_view(sha256_hex({hash_seed_, tenant, idempotency_key})).substr(0, 16));
}

std::vector<std::uint32_t> Store::numbers_of_key(std::uint64_t hash) const {
  std::vector<std::uint32_t> numbers;
  by_key_.find(hash, [&](std::uint32_t number) {
    numbers.push_back(number);
    return false;
  });
  return numbers;
}

std::optional<std::uint32_t> Store::number_of(std::string_view transaction_id) const {
  if (!is_transaction_id(transaction_id)) return std::nullopt;
  const auto digits = transaction_id.substr(kIdPrefix.size());
  const std::uint64_t high = hex64(digits.substr(0, 16));
  const std::uint64_t low = hex64(digits.substr(16));
  std::optional<std::uint32_t> found;
  by_transaction_.find(high, [&](std::uint32_t number) {
    const Entry& entry = entries_[number - 1];
    if (entry.id_high != high || entry.id_low != low) return false;
    found = number;
    return true;
  });
  return found;
}

Result<LogLine> Store::read(Place place) const {
  Result<std::string> text = log_->read(place.offset, place.size);
  if (!text.ok()) return text.status();
  return decode(std::string_view(*text).substr(0, text->size() - 1));
}

bool Store::is_remembered(const StoredRecord& record, const std::string& tenant,
                          const std::string& idempotency_key) const {
  constexpr std::int64_t kMemoryMs = std::chrono::milliseconds(kKeyMemory).count();
  return record.tenant == tenant && record.idempotency_key == idempotency_key &&
         options_.now_unix_ms() - record.timestamp_unix_ms < kMemoryMs;
}

Result<std::optional<StoredRecord>> Store::find_by_key(const std::string& tenant,
                                                       const std::string& idempotency_key) {
  const std::uint64_t hash = key_hash(tenant, idempotency_key);
  std::vector<Place> places;
  {
    const std::scoped_lock lock(mutex_);
    for (const std::uint32_t number : numbers_of_key(hash)) {
      places.push_back({entries_[number - 1].offset, entries_[number - 1].size});
    }
  }
  for (const Place place : places) {
    // It may have been made by a request that is still waiting for its sync.
    if (Status status = log_->wait_durable(place.offset + place.size); !status.ok()) return status;
    Result<LogLine> line = read(place);
    if (!line.ok()) return line.status();
    auto* record = std::get_if<StoredRecord>(&*line);
    if (record != nullptr && is_remembered(*record, tenant, idempotency_key)) {
      return std::optional<StoredRecord>(std::move(*record));
    }
  }
  return std::optional<StoredRecord>();
}

// Gives the record its place in the chain and in the log. Nothing when another submission with the
// same key came in between (one that is not in `known`), or when the quota is used up.
Result<std::optional<Store::Place>> Store::reserve(StoredRecord& record,
                                                   const std::vector<std::uint32_t>& known,
                                                   bool forks, Outcome& outcome) {
  const std::scoped_lock lock(mutex_);
  if (!record.idempotency_key.empty() &&
      numbers_of_key(key_hash(record.tenant, record.idempotency_key)) != known) {
    return std::optional<Place>();
  }
  const auto tenant = tenants_.find(record.tenant);
  if (tenant == tenants_.end() && tenants_.size() >= kTenantsMax) {
    return Status(Code::kNoSpace, "too many API keys have been used with this directory");
  }
  if (entries_.size() >= HashIndex::kNumberMax) {
    return Status(Code::kNoSpace, "the directory holds all the records that it can");
  }
  outcome.usage = tenant == tenants_.end() ? 0 : tenant->second.records;
  if (options_.quota != 0 && outcome.usage >= options_.quota) {
    outcome.kind = Outcome::Kind::kOverQuota;
    return std::optional<Place>();
  }
  ++outcome.usage;
  record.previous_hash = tenant == tenants_.end() ? ""
                         : forks                  ? tenant->second.before_head
                                                  : tenant->second.head;
  record.record_hash = chain_hash(record.previous_hash,
                                  {record.input_hash, record.output_hash, record.context_hash});
  record.timestamp_unix_ms = options_.now_unix_ms();
  const std::string line = encode(record);
  const Result<std::uint64_t> offset = log_->append(line);
  if (!offset.ok()) return offset.status();
  const Place place{*offset, static_cast<std::uint32_t>(line.size())};
  index(record, place, true);
  return std::optional<Place>(place);
}

Result<Store::Outcome> Store::submit(Submission submission) {
  StoredRecord record;
  record.transaction_id = std::string(kIdPrefix) + random_hex(16);
  record.tenant = std::move(submission.tenant);
  record.idempotency_key = std::move(submission.idempotency_key);
  record.input_hash = std::move(submission.hashes.input);
  record.output_hash = std::move(submission.hashes.output);
  record.context_hash = std::move(submission.hashes.context);
  record.receipt_url = submission.receipt_url_base + record.transaction_id;
  record.body = std::move(submission.body);

  Outcome outcome;
  for (;;) {
    std::vector<std::uint32_t> known;  // records of this key that no longer count
    if (!record.idempotency_key.empty()) {
      {
        const std::scoped_lock lock(mutex_);
        known = numbers_of_key(key_hash(record.tenant, record.idempotency_key));
      }
      auto earlier = find_by_key(record.tenant, record.idempotency_key);
      if (!earlier.ok()) return earlier.status();
      if (earlier->has_value()) {
        outcome.kind = Outcome::Kind::kReplayed;
        outcome.record = std::move(**earlier);
        return outcome;
      }
    }
    const auto place = reserve(record, known, submission.forks, outcome);
    if (!place.ok()) return place.status();
    if (outcome.kind == Outcome::Kind::kOverQuota) return outcome;
    if (!place->has_value()) continue;
    if (Status status = log_->wait_durable((*place)->offset + (*place)->size); !status.ok()) {
      return status;
    }
    outcome.record = std::move(record);
    return outcome;
  }
}

std::optional<Store::Found> Store::find(const std::string& transaction_id) {
  const std::uint64_t durable_end = log_->durable_end();
  Place place;
  std::vector<Place> intervention_places;
  Found found;
  {
    const std::scoped_lock lock(mutex_);
    const auto number = number_of(transaction_id);
    if (!number) return std::nullopt;
    const Entry& entry = entries_[*number - 1];
    if (entry.offset + entry.size > durable_end) return std::nullopt;
    place = {entry.offset, entry.size};
    found.number = *number;
    if (entry.next != 0) {
      const Entry& next = entries_[entry.next - 1];
      if (next.offset + next.size <= durable_end) {
        found.next_transaction_id = id_text(next.id_high, next.id_low);
      }
    }
    const auto interventions = interventions_.find(*number);
    if (interventions != interventions_.end()) intervention_places = interventions->second;
  }
  Result<LogLine> line = read(place);
  if (!line.ok()) {
    found.record = line.status();
  } else if (auto* record = std::get_if<StoredRecord>(&*line)) {
    found.record = std::move(*record);
  } else {
    found.record = Status(Code::kCorrupt, "another line lies where the record was");
  }
  for (const Place at : intervention_places) {
    if (at.offset + at.size > durable_end) continue;
    Result<LogLine> text = read(at);
    if (!text.ok()) continue;
    if (auto* item = std::get_if<StoredIntervention>(&*text)) {
      found.interventions.push_back(std::move(*item));
    }
  }
  return found;
}

Result<StoredIntervention> Store::intervene(const std::string& transaction_id,
                                            const std::string& tenant, std::string body) {
  if (!find(transaction_id)) return Status(Code::kNotFound, "no such record");
  StoredIntervention intervention;
  intervention.intervention_id = "int_" + random_hex(16);
  intervention.transaction_id = transaction_id;
  intervention.tenant = tenant;
  intervention.timestamp_unix_ms = options_.now_unix_ms();
  intervention.body = std::move(body);
  const std::string line = encode(intervention);
  std::uint64_t end = 0;
  {
    const std::scoped_lock lock(mutex_);
    const Result<std::uint64_t> offset = log_->append(line);
    if (!offset.ok()) return offset.status();
    end = *offset + line.size();
    interventions_[*number_of(transaction_id)].push_back(
        {*offset, static_cast<std::uint32_t>(line.size())});
    ++intervention_count_;
  }
  if (Status status = log_->wait_durable(end); !status.ok()) return status;
  return intervention;
}

Result<std::vector<std::pair<std::uint64_t, StoredRecord>>> Store::list(std::uint64_t after,
                                                                        std::size_t limit,
                                                                        std::size_t bytes_max) {
  const std::uint64_t durable_end = log_->durable_end();
  std::vector<Place> places;
  {
    const std::scoped_lock lock(mutex_);
    std::size_t bytes = 0;
    for (std::uint64_t i = after; i < entries_.size() && places.size() < limit; ++i) {
      const Entry& entry = entries_[i];
      bytes += entry.size;
      const bool is_too_much = bytes > bytes_max && !places.empty();
      if (entry.offset + entry.size > durable_end || is_too_much) break;
      places.push_back({entry.offset, entry.size});
    }
  }
  std::vector<std::pair<std::uint64_t, StoredRecord>> records;
  records.reserve(places.size());
  for (const Place place : places) {
    Result<LogLine> line = read(place);
    if (!line.ok()) return line.status();
    auto* record = std::get_if<StoredRecord>(&*line);
    if (record == nullptr) return Status(Code::kCorrupt, "another line lies where a record was");
    records.emplace_back(after + records.size() + 1, std::move(*record));
  }
  return records;
}

Store::Counters Store::counters() const {
  Counters counters;
  counters.log_bytes = log_->durable_end();
  counters.syncs = log_->syncs();
  counters.torn_bytes_cut = log_->torn_bytes_cut();
  const std::scoped_lock lock(mutex_);
  counters.records = entries_.size();
  counters.interventions = intervention_count_;
  counters.tenants = tenants_.size();
  counters.keys_remembered = by_key_.size();
  return counters;
}

}  // namespace xased::devapi
