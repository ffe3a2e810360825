// The service's records: their chain, their idempotency keys and where their bytes lie.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "daemon/devapi/group_log.hpp"
#include "daemon/devapi/hash_index.hpp"
#include "daemon/devapi/log_line.hpp"
#include "daemon/platform/status.hpp"

namespace xased::devapi {

// The hashes of a record that the service chains, as it computes them; "" for what is absent.
struct RecordHashes {
  std::string input;
  std::string output;
  std::string context;
};
std::string payload_hash(std::string_view json);  // "sha256:" and 64 hex
std::string chain_hash(std::string_view previous_hash, const RecordHashes& hashes);

struct StoreOptions {
  std::string dir;
  // Behave like the service after a restart: forget every idempotency key.
  bool forget_keys = false;
  std::uint64_t quota = 0;  // records a tenant may have; 0 = no limit
  std::function<std::int64_t()> now_unix_ms;
};

// Bodies stay on disk; memory is some 75 bytes a record. Safe from any thread: one mutex guards the
// index, and is never held while the disk is waited for.
class Store {
 public:
  static constexpr std::chrono::hours kKeyMemory{24};
  static constexpr std::size_t kTenantsMax = 100'000;

  // Reads the whole log. Errors as GroupLog::open.
  static Result<std::unique_ptr<Store>> open(StoreOptions options);

  struct Submission {
    std::string tenant;
    std::string idempotency_key;  // "" = none
    std::string body;             // valid JSON, as received
    RecordHashes hashes;
    std::string receipt_url_base;  // the transaction id is appended
    // Its predecessor is the one of the tenant's latest record, as if it had been read too early.
    bool forks = false;
  };
  struct Outcome {
    enum class Kind { kCreated, kReplayed, kOverQuota };
    Kind kind = Kind::kCreated;
    StoredRecord record;      // empty when over quota
    std::uint64_t usage = 0;  // the tenant's records
  };

  // Returns once the record is durable. Two submissions with one key at the same time make one
  // record.
  Result<Outcome> submit(Submission submission);

  // The record that a key of a tenant made within the last 24 hours; waits for it to be durable.
  Result<std::optional<StoredRecord>> find_by_key(const std::string& tenant,
                                                  const std::string& idempotency_key);

  struct Found {
    // kCorrupt: the record was there, and its bytes are no longer what was written.
    Result<StoredRecord> record = Status(Code::kNotFound, "");
    std::uint64_t number = 0;         // from 1, in the order of the log
    std::string next_transaction_id;  // of the same tenant; "" if there is none yet
    std::vector<StoredIntervention> interventions;
  };
  // Durable records only. Nothing when the id is not known.
  std::optional<Found> find(const std::string& transaction_id);

  // The id of the intervention, once durable. kNotFound when the record is not known.
  Result<StoredIntervention> intervene(const std::string& transaction_id, const std::string& tenant,
                                       std::string body);

  // Up to `limit` durable records after number `after`, at most bytes_max in all (but one at
  // least).
  Result<std::vector<std::pair<std::uint64_t, StoredRecord>>> list(std::uint64_t after,
                                                                   std::size_t limit,
                                                                   std::size_t bytes_max);

  struct Counters {
    std::uint64_t records = 0;
    std::uint64_t interventions = 0;
    std::uint64_t tenants = 0;
    std::uint64_t keys_remembered = 0;
    std::uint64_t log_bytes = 0;
    std::uint64_t syncs = 0;
    std::uint64_t torn_bytes_cut = 0;
  };
  Counters counters() const;

 private:
  struct Entry {
    std::uint64_t id_high = 0;
    std::uint64_t id_low = 0;
    std::uint64_t offset = 0;
    std::uint32_t size = 0;
    std::uint32_t next = 0;  // number of the tenant's next record; 0 = none
  };
  struct Tenant {
    std::uint32_t last = 0;  // number of its last record; 0 = none
    std::uint64_t records = 0;
    std::string head;
    std::string before_head;
  };
  struct Place {
    std::uint64_t offset = 0;
    std::uint32_t size = 0;
  };

  explicit Store(StoreOptions options);

  Status on_line(std::uint64_t offset, std::string_view text);
  // Under mutex_: takes the record into the index.
  void index(const StoredRecord& record, Place place, bool remember_key);
  Result<std::optional<Place>> reserve(StoredRecord& record,
                                       const std::vector<std::uint32_t>& known, bool forks,
                                       Outcome& outcome);
  std::vector<std::uint32_t> numbers_of_key(std::uint64_t hash) const;
  std::uint64_t key_hash(std::string_view tenant, std::string_view idempotency_key) const;
  std::optional<std::uint32_t> number_of(std::string_view transaction_id) const;
  Result<LogLine> read(Place place) const;
  bool is_remembered(const StoredRecord& record, const std::string& tenant,
                     const std::string& idempotency_key) const;

  const StoreOptions options_;
  const std::string hash_seed_;
  std::unique_ptr<GroupLog> log_;

  mutable std::mutex mutex_;
  // All under mutex_. A record's number is its place in entries_, from 1.
  std::deque<Entry> entries_;
  HashIndex by_transaction_;
  HashIndex by_key_;
  std::unordered_map<std::string, Tenant> tenants_;
  std::unordered_map<std::uint32_t, std::vector<Place>> interventions_;
  std::uint64_t intervention_count_ = 0;
};

}  // namespace xased::devapi
