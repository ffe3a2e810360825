// Xase for C++17 and later: see xase.h for what is promised.
//
//   xase::Client client;                                  // or Client::open(options) for a Result
//   xase::Record record;
//   record.policy = "credit_policy_v4";
//   record.input = input_json;
//   record.output = output_json;
//   record.confidence = 0.93;
//   if (auto error = client.record(record); !ok(error)) log(xase::last_error_message());
//
// Nothing here throws, except the Client constructor, which has no other way to fail. Views in a
// Record are the caller's and need to live until record() returns.
#ifndef XASE_XASE_HPP
#define XASE_XASE_HPP

#include <xase/xase.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

namespace xase {

// Numbers and names are those of xase.h.
enum class [[nodiscard]] Error : std::uint32_t{
    kOk = XASE_OK,
    kMissingPolicy = XASE_MISSING_POLICY,
    kInvalidInput = XASE_INVALID_INPUT,
    kInvalidOutput = XASE_INVALID_OUTPUT,
    kInvalidConfidence = XASE_INVALID_CONFIDENCE,
    kInvalidIdempotencyKey = XASE_INVALID_IDEMPOTENCY_KEY,
    kMissingApiKey = XASE_MISSING_API_KEY,
    kInvalidContext = XASE_INVALID_CONTEXT,
    kInvalidExplanation = XASE_INVALID_EXPLANATION,
    kInvalidProcessingTime = XASE_INVALID_PROCESSING_TIME,
    kInvalidText = XASE_INVALID_TEXT,
    kRecordTooLarge = XASE_RECORD_TOO_LARGE,
    kReservedContextName = XASE_RESERVED_CONTEXT_NAME,
    kQueueFull = XASE_QUEUE_FULL,
    kQueueClosed = XASE_QUEUE_CLOSED,
    kFlushTimeout = XASE_FLUSH_TIMEOUT,
    kRunDirUnavailable = XASE_RUN_DIR_UNAVAILABLE,
    kOutOfMemory = XASE_OUT_OF_MEMORY,
    kInvalidArgument = XASE_INVALID_ARGUMENT,
    kTimeout = XASE_TIMEOUT,
    kSystemError = XASE_SYSTEM_ERROR,
    kRejected = XASE_REJECTED,
    kRequestFailed = XASE_REQUEST_FAILED,
    kMaxRetries = XASE_MAX_RETRIES,
    kQueueError = XASE_QUEUE_ERROR,
    kUnknownError = XASE_UNKNOWN_ERROR,
};

constexpr bool ok(Error error) noexcept { return error == Error::kOk; }

// Like "QUEUE_FULL".
inline const char* name(Error error) noexcept {
  return xase_error_name(static_cast<xase_error>(error));
}

// What this thread's last failed call has to say. Valid until the thread's next call.
inline const char* last_error_message() noexcept { return xase_last_error_message(); }

inline const char* version() noexcept { return xase_version(); }

enum class Until : std::uint32_t {
  kCommitted = XASE_COMMITTED,
  kJournaled = XASE_JOURNALED,
  kDurable = XASE_DURABLE,
  kDelivered = XASE_DELIVERED,
};

enum class OnFull : std::uint32_t { kFail = XASE_FULL_FAIL, kBlock = XASE_FULL_BLOCK };

// One decision. Empty fields are absent.
struct Record {
  std::string_view policy;       // required
  std::string_view input;        // JSON object, required
  std::string_view output;       // JSON object, required
  std::string_view context;      // JSON object
  std::string_view explanation;  // JSON object
  std::string_view policy_version;
  std::string_view transaction_id;
  std::string_view decision_type;    // CLAIM, UNDERWRITING, FRAUD, PRICING or OTHER
  std::string_view idempotency_key;  // a UUID v4, or 16 to 64 of A-Z a-z 0-9 _ -
  std::string_view model_id;
  std::string_view model_version;
  std::string_view model_hash;
  std::string_view feature_schema_hash;
  std::optional<double> confidence;  // 0 to 1
  std::optional<std::chrono::duration<double, std::milli>> processing_time;
  std::optional<bool> store_payload;
};

// What became of a record.
struct Receipt {
  Error code = Error::kOk;
  bool success = false;             // the API took it
  bool replayed = false;            // an earlier record's receipt: the key was used before
  bool possible_duplicate = false;  // the API may hold it twice
  int http_status = 0;
  std::uint64_t sequence = 0;  // with producer_id: where the record is named in the ledger
  std::string producer_id;
  std::string transaction_id;
  std::string receipt_url;
  std::string timestamp;
  std::string record_hash;
  std::string chain_position;
  std::string api_code;
  std::string message;
  std::string answer;
};

struct Options {
  std::string run_dir;              // empty: the rule of xase_client_options
  std::uint64_t ring_bytes = 0;     // 0: what the daemon asks for, else 4 MiB
  std::uint32_t results_bytes = 0;  // 0: 64 KiB
  OnFull on_full = OnFull::kFail;
  std::chrono::milliseconds block_timeout{1000};
  std::string env;  // empty: $ENV, else $PYTHON_ENV, else "development"
  std::string runtime = "c++";
  // Called by Client::poll(), or by a thread of the library's with result_thread. Must not throw:
  // an exception is swallowed.
  std::function<void(const Receipt&)> on_success;
  std::function<void(const Receipt&)> on_error;
  bool result_thread = false;
};

using Stats = xase_counts;

// A value, or the error and its message.
template <class T>
class [[nodiscard]] Result {
 public:
  Result(T value) : value_(std::move(value)) {}
  Result(Error error, std::string message) : error_(error), message_(std::move(message)) {}

  explicit operator bool() const noexcept { return value_.has_value(); }
  T& operator*() & noexcept { return *value_; }
  T&& operator*() && noexcept { return std::move(*value_); }
  T* operator->() noexcept { return &*value_; }
  Error error() const noexcept { return error_; }
  const std::string& message() const noexcept { return message_; }

 private:
  std::optional<T> value_;
  Error error_ = Error::kOk;
  std::string message_;
};

namespace detail {

constexpr xase_text text(std::string_view view) noexcept { return {view.data(), view.size()}; }

inline std::string string(xase_text text) {
  return text.data != nullptr ? std::string(text.data, text.size) : std::string();
}

inline xase_record_fields fields(const Record& record) noexcept {
  xase_record_fields to = XASE_RECORD_INIT;
  to.has_confidence = record.confidence.has_value();
  to.confidence = record.confidence.value_or(0);
  to.has_processing_time = record.processing_time.has_value();
  if (record.processing_time) to.processing_time_ms = record.processing_time->count();
  if (record.store_payload) {
    to.store_payload = *record.store_payload ? XASE_STORE_YES : XASE_STORE_NO;
  }
  to.input = text(record.input);
  to.output = text(record.output);
  to.context = text(record.context);
  to.explanation = text(record.explanation);
  to.policy = text(record.policy);
  to.policy_version = text(record.policy_version);
  to.transaction_id = text(record.transaction_id);
  to.decision_type = text(record.decision_type);
  to.idempotency_key = text(record.idempotency_key);
  to.model_id = text(record.model_id);
  to.model_version = text(record.model_version);
  to.model_hash = text(record.model_hash);
  to.feature_schema_hash = text(record.feature_schema_hash);
  return to;
}

inline Receipt receipt(const xase_receipt& from) {
  Receipt to;
  to.code = static_cast<Error>(from.code);
  to.success = from.success != 0;
  to.replayed = from.replayed != 0;
  to.possible_duplicate = from.possible_duplicate != 0;
  to.http_status = from.http_status;
  to.sequence = from.sequence;
  to.producer_id = string(from.producer_id);
  to.transaction_id = string(from.transaction_id);
  to.receipt_url = string(from.receipt_url);
  to.timestamp = string(from.timestamp);
  to.record_hash = string(from.record_hash);
  to.chain_position = string(from.chain_position);
  to.api_code = string(from.api_code);
  to.message = string(from.message);
  to.answer = string(from.answer);
  return to;
}

inline std::uint32_t milliseconds(std::chrono::milliseconds duration) noexcept {
  if (duration.count() <= 0) return 0;
  return duration.count() >= UINT32_MAX ? UINT32_MAX : static_cast<std::uint32_t>(duration.count());
}

struct Callbacks {
  std::function<void(const Receipt&)> on_success;
  std::function<void(const Receipt&)> on_error;

  static void call(const std::function<void(const Receipt&)>& to,
                   const xase_receipt* from) noexcept {
    try {
      to(receipt(*from));
    } catch (...) {
    }
  }
  static void success(const xase_receipt* from, void* self) noexcept {
    call(static_cast<Callbacks*>(self)->on_success, from);
  }
  static void error(const xase_receipt* from, void* self) noexcept {
    call(static_cast<Callbacks*>(self)->on_error, from);
  }
};

}  // namespace detail

// An app's way to the daemon. Thread-safe; movable while no call runs. Closes at the end of its
// life.
class Client {
 public:
  // Throws std::runtime_error where open() would return an error.
  explicit Client(const Options& options = {}) {
    Result<Client> opened = open(options);
    if (!opened) throw std::runtime_error(opened.message());
    *this = std::move(*opened);
  }

  Client(Client&&) noexcept = default;
  Client& operator=(Client&& other) noexcept {
    handle_ = std::move(other.handle_);  // first: closes ours while its callbacks still exist
    callbacks_ = std::move(other.callbacks_);
    return *this;
  }

  static Result<Client> open(const Options& options = {}) {
    Client client{Empty{}};
    client.callbacks_ = std::make_unique<detail::Callbacks>(
        detail::Callbacks{options.on_success, options.on_error});
    xase_client_options to = XASE_CLIENT_OPTIONS_INIT;
    to.run_dir = options.run_dir.empty() ? nullptr : options.run_dir.c_str();
    to.ring_bytes = options.ring_bytes;
    to.results_bytes = options.results_bytes;
    to.on_full = static_cast<xase_on_full>(options.on_full);
    to.block_timeout_ms = detail::milliseconds(options.block_timeout);
    to.env = options.env.empty() ? nullptr : options.env.c_str();
    to.runtime = options.runtime.empty() ? nullptr : options.runtime.c_str();
    to.on_success = options.on_success ? detail::Callbacks::success : nullptr;
    to.on_error = options.on_error ? detail::Callbacks::error : nullptr;
    to.user = client.callbacks_.get();
    to.result_thread = options.result_thread ? 1 : 0;
    xase_client* handle = nullptr;
    const xase_error error = xase_client_open(&to, &handle);
    if (error != XASE_OK) return {static_cast<Error>(error), xase_last_error_message()};
    client.handle_.reset(handle);
    return client;
  }

  // Committed when this returns kOk.
  Error record(const Record& record) noexcept {
    const xase_record_fields fields = detail::fields(record);
    return static_cast<Error>(xase_record(handle_.get(), &fields));
  }

  // Waits until the record has come as far as `until`. The receipt's `code` is the answer; its
  // `message` says why where that is not kOk.
  Receipt record_sync(const Record& record, Until until = Until::kDelivered,
                      std::chrono::milliseconds timeout = std::chrono::seconds(30)) {
    const xase_record_fields fields = detail::fields(record);
    xase_receipt from = XASE_RECEIPT_INIT;
    const xase_error error =
        xase_record_sync(handle_.get(), &fields, static_cast<xase_until>(until),
                         detail::milliseconds(timeout), &from);
    const std::unique_ptr<xase_receipt, Free> guard(&from);
    Receipt receipt = detail::receipt(from);
    receipt.code = static_cast<Error>(error);
    if (error != XASE_OK && receipt.message.empty()) receipt.message = xase_last_error_message();
    return receipt;
  }

  // Waits until all that was committed before has come as far as `until`.
  Error flush(Until until = Until::kDelivered,
              std::chrono::milliseconds timeout = std::chrono::seconds(5)) noexcept {
    return static_cast<Error>(
        xase_flush(handle_.get(), static_cast<xase_until>(until), detail::milliseconds(timeout)));
  }

  // Calls the callbacks for at most `max` results (0: all there are); how many.
  std::size_t poll(std::size_t max = 0) noexcept { return xase_poll(handle_.get(), max); }

  Stats stats() const noexcept {
    Stats stats = XASE_COUNTS_INIT;
    static_cast<void>(xase_stats(handle_.get(), &stats));
    return stats;
  }

  // Later calls return kQueueClosed. Loses nothing and waits for nothing: see xase_client_close().
  void close() noexcept { xase_client_close(handle_.get()); }

  xase_client* handle() const noexcept { return handle_.get(); }

 private:
  struct Empty {};
  struct Free {
    void operator()(xase_client* client) const noexcept { xase_client_free(client); }
    void operator()(xase_receipt* receipt) const noexcept { xase_receipt_free(receipt); }
  };

  explicit Client(Empty) noexcept {}

  std::unique_ptr<detail::Callbacks> callbacks_;
  std::unique_ptr<xase_client, Free> handle_;  // closed before the callbacks go
};

}  // namespace xase

#endif  // XASE_XASE_HPP
