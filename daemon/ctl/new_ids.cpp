#include "daemon/ctl/new_ids.hpp"

#include "daemon/platform/sha256.hpp"
#include "proto/bytes.hpp"
#include "proto/run_dir.hpp"

namespace xased::ctl {

void NewIds::apply(std::uint64_t round, std::uint64_t line_number, RecordLine& record) {
  const std::string place = prefix_ + "-" + std::to_string(round) + "-";
  if (!record.idempotency_key.empty()) {
    // A key has at most 64 characters of a small set: a hash of the whole fits whatever it was.
    const std::string text = place + std::string(record.idempotency_key);
    idempotency_key_ = xase::proto::to_hex(Sha256().of(xase::proto::as_bytes(text))).substr(0, 32);
    record.idempotency_key = idempotency_key_;
  }
  transaction_id_ = place;
  if (record.transaction_id.empty()) {
    transaction_id_ += std::to_string(line_number);
  } else {
    transaction_id_ += record.transaction_id;
  }
  record.transaction_id = transaction_id_;
}

}  // namespace xased::ctl
