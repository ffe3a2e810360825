#include "daemon/delivery/service_answer.hpp"

#include <simdjson.h>

#include "proto/hex.hpp"
#include "proto/service_id.hpp"

namespace xased {

using xase::proto::Hash;

struct ServiceAnswerReader::Impl {
  simdjson::dom::parser parser;
};

ServiceAnswerReader::ServiceAnswerReader() : impl_(std::make_unique<Impl>()) {}
ServiceAnswerReader::~ServiceAnswerReader() = default;

std::optional<ServiceReceipt> ServiceAnswerReader::receipt(std::string_view body) {
  simdjson::dom::object object;
  if (impl_->parser.parse(body.data(), body.size(), true).get(object)) return std::nullopt;
  std::string_view id;
  std::string_view text;
  if (object["transaction_id"].get(id) || object["record_hash"].get(text)) return std::nullopt;
  const std::optional<Hash> hash = xase::proto::hash_of_hex(text);
  if (!hash || !xase::proto::is_service_id(id)) return std::nullopt;
  return ServiceReceipt{std::string(id), *hash};
}

ServiceWord ServiceAnswerReader::word(const Answer& answer) {
  ServiceWord word;
  if (answer.reach != Reach::kAnswered || answer.too_large) return word;
  simdjson::dom::object object;
  if (impl_->parser.parse(answer.body.data(), answer.body.size(), true).get(object)) return word;
  std::string_view text;
  if (answer.status == 404) {
    // Any proxy says 404; that it is the record that is missing, the service alone.
    if (!object["code"].get(text) && text == "NOT_FOUND") word.kind = ServiceWord::Kind::kUnknown;
    return word;
  }
  simdjson::dom::object chain;
  if (answer.status != 200 || object["is_valid"].get(word.is_valid) || object["chain"].get(chain)) {
    return word;
  }
  simdjson::dom::element hash;
  simdjson::dom::element previous;
  if (chain["record_hash"].get(hash) || chain["previous_hash"].get(previous)) return word;
  if (hash.is_null() && !word.is_valid) {
    word.kind = ServiceWord::Kind::kTampered;
    return word;
  }
  if (hash.get(text)) return word;
  const std::optional<Hash> record_hash = xase::proto::hash_of_hex(text);
  if (!record_hash) return word;
  word.record_hash = *record_hash;
  if (!previous.is_null()) {
    if (previous.get(text)) return word;
    word.previous_hash = xase::proto::hash_of_hex(text);
    if (!word.previous_hash && !text.empty()) return word;
  }
  word.kind = ServiceWord::Kind::kRecord;
  return word;
}

}  // namespace xased
