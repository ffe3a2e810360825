// What the service says of a record: in the 201 that is its receipt, and to GET /verify/{id}.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "daemon/delivery/transport.hpp"
#include "proto/bytes.hpp"

namespace xased {

struct ServiceReceipt {
  std::string transaction_id;
  xase::proto::Hash record_hash{};
};

// An answer to GET /verify/{id}.
struct ServiceWord {
  enum class Kind {
    kNothing,   // none of the service's own, or an error: says nothing of the record
    kUnknown,   // the service does not know the record
    kTampered,  // the record was tampered with, and has no hash any more
    kRecord,    // what follows
  };
  Kind kind = Kind::kNothing;
  bool is_valid = false;  // as it says itself
  xase::proto::Hash record_hash{};
  std::optional<xase::proto::Hash> previous_hash;  // nothing: it is the chain's first
};

// Parses; keeps its buffers. One thread.
class ServiceAnswerReader {
 public:
  ServiceAnswerReader();
  ServiceAnswerReader(const ServiceAnswerReader&) = delete;
  ServiceAnswerReader& operator=(const ServiceAnswerReader&) = delete;
  ~ServiceAnswerReader();

  // Nothing where the body of a 201 does not hold both, or its id could not be asked for.
  std::optional<ServiceReceipt> receipt(std::string_view body);
  ServiceWord word(const Answer& answer);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace xased
