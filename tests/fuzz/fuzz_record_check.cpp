// A record's fields as a hostile app writes them: what intake takes as a record, delivery can post.
#include <cctype>
#include <string>
#include <vector>

#include "daemon/delivery/request_body.hpp"
#include "daemon/intake/record_check.hpp"
#include "proto/erasable.hpp"
#include "tests/fuzz/fuzz.hpp"
#include "tests/fuzz/json_model.hpp"

namespace {

using namespace xase::proto;
using xase::fuzz::Json;
using xase::fuzz::read_json;
using xase::fuzz::require;

// The verdict on a record in intake's buffer, where `behind` follows it.
xased::RecordVerdict check(Bytes record, std::byte behind) {
  static xased::RecordCheck checker;
  std::vector<std::byte> copy(record.begin(), record.end());
  copy.resize(record.size() + xased::kJsonPaddingBytes, behind);
  return checker.check(*decode_record(Bytes(copy).first(record.size())));
}

const Json& at(const Json& object, const char* name) {
  const auto found = object.find(name);
  require(found != object.end(), "the body has what the record has");
  return *found;
}

void check_body(const RecordFields& fields, std::string_view runtime_context,
                const xased::Request& request) {
  const auto body = read_json(request.body);
  require(body && body->is_object(), "the body is a JSON object");
  for (const auto& [name, span] : {std::pair("input", Span::kInput),
                                   {"output", Span::kOutput},
                                   {"explanation", Span::kExplanation}}) {
    if (fields.span(span).empty()) continue;
    const auto value = read_json(fields.span(span));
    require(value && xase::fuzz::same_value(at(*body, name), *value), "the body says the same");
  }
  require(at(*body, "policyId") == std::string(fields.span(Span::kPolicy)), "the policy is kept");
  const Json& context = at(*body, "context");
  require(at(at(context, "xase_ledger"), "sequence") == 7, "the ledger's member is the ledger's");
  for (const std::string_view text : {fields.span(Span::kContext), runtime_context}) {
    if (text.empty()) continue;
    const auto value = read_json(text);
    require(value.has_value(), "a context is JSON");
    for (const auto& [name, member] : value->items()) {
      require(context.contains(name), "the context has the caller's members and the runtime's");
      if (text.data() == fields.span(Span::kContext).data()) {
        require(xase::fuzz::same_value(context[name], member), "the caller's members win");
      }
    }
  }
  for (const char c : request.idempotency_key) {
    require(std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '-' || c == '_',
            "a key cannot leave its header");
  }
  require(request.idempotency_key.size() >= 16 && request.idempotency_key.size() <= 64,
          "a key has the length that the API takes");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const Bytes record(reinterpret_cast<const std::byte*>(data), size);
  const auto fields = decode_record(record);
  if (!fields) return 0;
  const xased::RecordVerdict verdict = check(record, std::byte{0});
  const xased::RecordVerdict other = check(record, std::byte{'}'});
  require(verdict.code == other.code && verdict.message == other.message,
          "what lies behind a record does not count");
  require(verdict.ok() == verdict.message.empty(), "a refusal says why");
  if (!verdict.ok()) return 0;

  static xased::RecordCheck checker;
  // Any text that this record brings will do for the runtime's.
  const std::string_view runtime_context = checker.is_json_object(fields->span(Span::kExplanation))
                                               ? fields->span(Span::kExplanation)
                                               : std::string_view();
  std::vector<std::byte> bytes(record_erasable_bytes(size));
  encode_record_erasable(record, {}, bytes.data());
  xased::Entry entry;
  entry.leaf.type = EntryType::kRecord;
  entry.leaf.sequence = 7;
  entry.leaf.stamp_ns = 1'700'000'000'000'000'000;
  entry.erasable_bytes = bytes;
  entry.erasable = *decode_erasable(bytes);
  static xased::RequestBuilder builder;
  xased::Request request;
  const xased::Status status = builder.build(entry, Hash{}, runtime_context, request);
  require(status.ok(), "what intake takes can be posted");
  check_body(*fields, runtime_context, request);

  xased::CanonicalJson canonical;
  std::string again;
  require(canonical.append_object(request.body, again).ok() && again == request.body,
          "the body is canonical JSON");
  return 0;
}
