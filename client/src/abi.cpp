// The C interface: checks what crosses it and lets no exception out.
#include <xase/xase.h>

#include <algorithm>
#include <cstring>
#include <exception>
#include <memory>
#include <new>
#include <string>

#include "client/src/client.hpp"
#include "client/src/daemon_facts.hpp"
#include "client/src/fork_guard.hpp"
#include "client/src/version.hpp"

struct xase_client {
  xase::client::Client client;
};

namespace xase::client {
namespace {

static_assert(sizeof(xase_error) == sizeof(ErrorCode) && sizeof(xase_until) == 4);

#define XASE_SAME(name, code) \
  static_assert((name) == static_cast<std::uint32_t>(ErrorCode::code), #name)
XASE_SAME(XASE_OK, kOk);
XASE_SAME(XASE_MISSING_POLICY, kMissingPolicy);
XASE_SAME(XASE_INVALID_INPUT, kInvalidInput);
XASE_SAME(XASE_INVALID_OUTPUT, kInvalidOutput);
XASE_SAME(XASE_INVALID_CONFIDENCE, kInvalidConfidence);
XASE_SAME(XASE_INVALID_IDEMPOTENCY_KEY, kInvalidIdempotencyKey);
XASE_SAME(XASE_MISSING_API_KEY, kMissingApiKey);
XASE_SAME(XASE_INVALID_CONTEXT, kInvalidContext);
XASE_SAME(XASE_INVALID_EXPLANATION, kInvalidExplanation);
XASE_SAME(XASE_INVALID_PROCESSING_TIME, kInvalidProcessingTime);
XASE_SAME(XASE_INVALID_TEXT, kInvalidText);
XASE_SAME(XASE_RECORD_TOO_LARGE, kRecordTooLarge);
XASE_SAME(XASE_RESERVED_CONTEXT_NAME, kReservedContextName);
XASE_SAME(XASE_QUEUE_FULL, kQueueFull);
XASE_SAME(XASE_QUEUE_CLOSED, kQueueClosed);
XASE_SAME(XASE_FLUSH_TIMEOUT, kFlushTimeout);
XASE_SAME(XASE_RUN_DIR_UNAVAILABLE, kRunDirUnavailable);
XASE_SAME(XASE_OUT_OF_MEMORY, kOutOfMemory);
XASE_SAME(XASE_INVALID_ARGUMENT, kInvalidArgument);
XASE_SAME(XASE_TIMEOUT, kTimeout);
XASE_SAME(XASE_SYSTEM_ERROR, kSystemError);
XASE_SAME(XASE_REJECTED, kRejected);
XASE_SAME(XASE_REQUEST_FAILED, kRequestFailed);
XASE_SAME(XASE_MAX_RETRIES, kMaxRetries);
XASE_SAME(XASE_QUEUE_ERROR, kQueueError);
XASE_SAME(XASE_UNKNOWN_ERROR, kUnknownError);
#undef XASE_SAME

// A structure that says it is larger than this was not initialised.
constexpr std::size_t kStructBytesMax = 4096;

xase_error to_c(ErrorCode code) noexcept { return static_cast<xase_error>(code); }

xase_error fail_c(ErrorCode code, const char* text) noexcept { return to_c(fail(code, text)); }

// Reads a structure of an older or newer header: what the caller does not have keeps the value in
// `to`; what we do not know must be zero, since ignoring it could do other than was asked.
template <class T>
bool read_sized(const T& from, T& to) noexcept {
  const std::size_t size = from.size;
  if (size < sizeof size || size > kStructBytesMax) return false;
  const auto* bytes = reinterpret_cast<const unsigned char*>(&from);
  for (std::size_t i = sizeof(T); i < size; ++i) {
    if (bytes[i] != 0) return false;
  }
  std::memcpy(static_cast<void*>(&to), bytes, std::min(size, sizeof(T)));
  to.size = sizeof(T);
  return true;
}

template <class F>
xase_error guarded(F f) noexcept {
  try {
    return f();
  } catch (const std::bad_alloc&) {
    return fail_c(ErrorCode::kOutOfMemory, "out of memory");
  } catch (const std::exception& error) {
    return to_c(fail_copy(ErrorCode::kSystemError, error.what()));
  } catch (...) {
    return fail_c(ErrorCode::kSystemError, "an unknown exception");
  }
}

constexpr const char* kBadStruct =
    "a structure's size is wrong, or it uses what this version of the library does not know; "
    "initialise it with its XASE_..._INIT";

Failure make_settings(const xase_client_options& options, Settings& settings) {
  if (options.on_full != XASE_FULL_FAIL && options.on_full != XASE_FULL_BLOCK) {
    return {ErrorCode::kInvalidArgument, "on_full must be one of xase_on_full"};
  }
  if (options.ring_bytes != 0 && (options.ring_bytes < proto::kRingDataBytesMin ||
                                  options.ring_bytes > proto::kRingDataBytesMax)) {
    return {ErrorCode::kInvalidArgument, "ring_bytes must be 0, or from 64 KiB to 1 GiB"};
  }
  if (options.results_bytes != 0 && (options.results_bytes < proto::kRingResultsBytesMin ||
                                     options.results_bytes > proto::kRingResultsBytesMax)) {
    return {ErrorCode::kInvalidArgument, "results_bytes must be 0, or from 4 KiB to 16 MiB"};
  }
  if (options.result_thread != 0 && options.on_success == nullptr && options.on_error == nullptr) {
    return {ErrorCode::kInvalidArgument, "result_thread needs on_success or on_error"};
  }
  settings.ring_bytes = options.ring_bytes;
  settings.results_bytes = options.results_bytes != 0 ? std::bit_ceil(options.results_bytes)
                                                      : proto::kRingResultsBytesDefault;
  settings.on_full = options.on_full;
  settings.block_timeout =
      std::chrono::milliseconds(options.block_timeout_ms != 0 ? options.block_timeout_ms : 1000);
  settings.runtime = options.runtime != nullptr ? options.runtime : "c";
  settings.env = options.env != nullptr ? options.env : "";
  settings.on_success = options.on_success;
  settings.on_error = options.on_error;
  settings.user = options.user;
  settings.result_thread = options.result_thread != 0;
  settings.results_on_request = options.results_on_request != 0;
  return choose_run_dir(options.run_dir != nullptr ? options.run_dir : "", settings.run_dir);
}

// The record itself where it has our size, else a copy in `copy`; null where it is not one.
const xase_record_fields* known_record(const xase_record_fields* record,
                                       xase_record_fields& copy) noexcept {
  if (record->size == sizeof *record) [[likely]]
    return record;
  copy = XASE_RECORD_INIT;
  return read_sized(*record, copy) ? &copy : nullptr;
}

// Out of line: the copy's stack frame is not for the hot path.
[[gnu::noinline]] xase_error record_of_other_size(xase_client* client,
                                                  const xase_record_fields* record) noexcept {
  xase_record_fields copy;
  const xase_record_fields* known = known_record(record, copy);
  if (known == nullptr) return fail_c(ErrorCode::kInvalidArgument, kBadStruct);
  return to_c(client->client.record(*known));
}

bool is_until(xase_until until) noexcept {
  return until >= XASE_COMMITTED && until <= XASE_DELIVERED;
}

// Of this size since it exists.
bool is_ticket(const xase_ticket& ticket) noexcept {
  return ticket.size >= sizeof ticket && ticket.size <= kStructBytesMax;
}

constexpr const char* kNullText = "a client or structure is NULL";

}  // namespace
}  // namespace xase::client

using namespace xase::client;  // NOLINT(google-build-using-namespace)

extern "C" {

xase_error xase_client_open(const xase_client_options* options, xase_client** client) {
  if (client == nullptr) return fail_c(ErrorCode::kInvalidArgument, kNullText);
  *client = nullptr;
  return guarded([&] {
    xase_client_options known = XASE_CLIENT_OPTIONS_INIT;
    if (options != nullptr && !read_sized(*options, known)) {
      return fail_c(ErrorCode::kInvalidArgument, kBadStruct);
    }
    auto settings = std::make_shared<Settings>();
    const Failure failure = make_settings(known, *settings);
    if (!failure.ok()) return to_c(fail(failure));
    auto* generation = generation_word();
    if (generation == nullptr) return fail_c(ErrorCode::kOutOfMemory, "out of memory");
    *client = new xase_client{{std::move(settings), *generation}};
    return XASE_OK;
  });
}

void xase_client_close(xase_client* client) {
  if (client != nullptr) client->client.close();
}

void xase_client_free(xase_client* client) { delete client; }

xase_error xase_record(xase_client* client, const xase_record_fields* record) {
  if (client == nullptr || record == nullptr) [[unlikely]] {
    return fail_c(ErrorCode::kInvalidArgument, kNullText);
  }
  if (record->size != sizeof *record) [[unlikely]]
    return record_of_other_size(client, record);
  return to_c(client->client.record(*record));
}

xase_error xase_record_tracked(xase_client* client, const xase_record_fields* record,
                               xase_ticket* ticket) {
  if (client == nullptr || record == nullptr || ticket == nullptr) {
    return fail_c(ErrorCode::kInvalidArgument, kNullText);
  }
  xase_record_fields copy;
  const xase_record_fields* known = known_record(record, copy);
  if (known == nullptr || !is_ticket(*ticket)) {
    return fail_c(ErrorCode::kInvalidArgument, kBadStruct);
  }
  return to_c(client->client.record_tracked(*known, *ticket));
}

xase_error xase_reserve(xase_client* client, size_t bytes, char** room) {
  if (client == nullptr || room == nullptr) [[unlikely]] {
    return fail_c(ErrorCode::kInvalidArgument, kNullText);
  }
  return to_c(client->client.reserve(bytes, *room));
}

xase_error xase_commit(xase_client* client, const xase_record_fields* record, xase_ticket* ticket) {
  if (client == nullptr || record == nullptr) [[unlikely]] {
    return fail_c(ErrorCode::kInvalidArgument, kNullText);
  }
  xase_record_fields copy;
  const xase_record_fields* known = known_record(record, copy);
  if (known == nullptr || (ticket != nullptr && !is_ticket(*ticket))) [[unlikely]] {
    client->client.cancel();
    return fail_c(ErrorCode::kInvalidArgument, kBadStruct);
  }
  return to_c(client->client.commit(*known, ticket));
}

void xase_cancel(xase_client* client) {
  if (client != nullptr) client->client.cancel();
}

xase_error xase_record_sync(xase_client* client, const xase_record_fields* record, xase_until until,
                            uint32_t timeout_ms, xase_receipt* receipt) {
  if (client == nullptr || record == nullptr) {
    return fail_c(ErrorCode::kInvalidArgument, kNullText);
  }
  return guarded([&] {
    xase_record_fields copy;
    const xase_record_fields* known = known_record(record, copy);
    if (known == nullptr || !is_until(until) ||
        (receipt != nullptr &&
         (receipt->size < offsetof(xase_receipt, code) || receipt->size > kStructBytesMax))) {
      return fail_c(ErrorCode::kInvalidArgument, kBadStruct);
    }
    ResultItem item;
    const ErrorCode code =
        client->client.record_sync(*known, until, std::chrono::milliseconds(timeout_ms), item);
    if (receipt != nullptr) {
      if (code != ErrorCode::kOk && item.payload.empty()) item.payload = xase_last_error_message();
      fill_receipt(std::move(item), *receipt);
    }
    return to_c(code);
  });
}

void xase_receipt_free(xase_receipt* receipt) {
  if (receipt != nullptr) free_receipt(*receipt);
}

xase_error xase_flush(xase_client* client, xase_until until, uint32_t timeout_ms) {
  if (client == nullptr) return fail_c(ErrorCode::kInvalidArgument, kNullText);
  if (!is_until(until)) {
    return fail_c(ErrorCode::kInvalidArgument, "until must be one of xase_until");
  }
  return guarded(
      [&] { return to_c(client->client.flush(until, std::chrono::milliseconds(timeout_ms))); });
}

size_t xase_poll(xase_client* client, size_t max) {
  if (client == nullptr) return 0;
  size_t delivered = 0;
  static_cast<void>(guarded([&] {
    delivered = client->client.poll(max);
    return XASE_OK;
  }));
  return delivered;
}

xase_error xase_stats(xase_client* client, xase_counts* counts) {
  if (client == nullptr || counts == nullptr) {
    return fail_c(ErrorCode::kInvalidArgument, kNullText);
  }
  const size_t size = counts->size;
  if (size < sizeof size || size > kStructBytesMax) {
    return fail_c(ErrorCode::kInvalidArgument, kBadStruct);
  }
  return guarded([&] {
    xase_counts full = client->client.counts();
    full.size = size;
    std::memset(static_cast<void*>(counts), 0, size);
    std::memcpy(static_cast<void*>(counts), &full, std::min(size, sizeof full));
    return XASE_OK;
  });
}

xase_error xase_look_at_daemon(xase_client* client, xase_text api_key, xase_daemon_facts* facts) {
  if (client == nullptr || facts == nullptr || (api_key.data == nullptr && api_key.size != 0)) {
    return fail_c(ErrorCode::kInvalidArgument, kNullText);
  }
  if (facts->size < sizeof *facts || facts->size > kStructBytesMax) {
    return fail_c(ErrorCode::kInvalidArgument, kBadStruct);
  }
  return guarded([&] {
    look_at_daemon(client->client.run_dir(), api_key, *facts);
    return XASE_OK;
  });
}

const char* xase_error_name(xase_error error) {
  return xase::proto::error_name(static_cast<ErrorCode>(error)).data();
}

const char* xase_last_error_message(void) {
  const char* text = thread_cache.error_text;
  return text != nullptr ? text : "";
}

const char* xase_version(void) { return kVersion; }

}  // extern "C"
