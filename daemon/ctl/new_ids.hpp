// Makes the same decisions count as others, for `record --repeat`.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "daemon/ctl/record_line.hpp"

namespace xased::ctl {

class NewIds {
 public:
  explicit NewIds(std::string prefix) : prefix_(std::move(prefix)) {}

  // Gives the record a transaction id of its own, "<prefix>-<round>-<the line's, or its number>",
  // and, where the line has an idempotency key, one that is as unique. The views it puts into the
  // record live until the next call.
  void apply(std::uint64_t round, std::uint64_t line_number, RecordLine& record);

 private:
  const std::string prefix_;
  std::string transaction_id_;
  std::string idempotency_key_;
};

}  // namespace xased::ctl
