// record(): a payload's way into the ring.
#include <time.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "src/client_object.hpp"
#include "src/json_writer.hpp"
#include "src/payload.hpp"

namespace xase::python {
namespace {

constexpr std::size_t kRoomBytesMax = 65536;
constexpr std::int64_t kNsPerMs = 1'000'000;
constexpr std::int64_t kWaitNs = 200'000;

// The client in whose ring this thread has reserved room, while it writes there. What runs in spite
// of all care (a finaliser, once an exception is made) and records takes the room away, and the
// outer record() goes the slow way.
thread_local xase_client* reserved_by = nullptr;

enum class Done { kTaken, kSlow };

// ---- trace and span of OpenTelemetry ----

struct Trace {
  Ref trace_id;
  Ref span_id;
  Ref no_context;  // an empty dict, for a record that has none
  Member members[2];
  std::size_t count = 0;
};

// The ids of the active span, where the app has OpenTelemetry loaded. False: an exception is set.
bool find_trace(ClientObject& self, Trace& trace) noexcept {
  static PyObject* name = PyUnicode_InternFromString("opentelemetry.trace");
  PyObject* modules = PyImport_GetModuleDict();  // borrowed
  if (name == nullptr || modules == nullptr || PyDict_GetItemWithError(modules, name) == nullptr) {
    return PyErr_Occurred() == nullptr;
  }
  const Ref ids(PyObject_CallMethod(self.hooks, "trace_ids", nullptr));
  if (!ids) return false;
  if (ids.get() == Py_None) return true;
  trace.no_context = Ref(PyDict_New());
  if (!trace.no_context) return false;
  trace.trace_id = share(PyTuple_GetItem(ids.get(), 0));
  trace.span_id = share(PyTuple_GetItem(ids.get(), 1));
  if (!trace.trace_id || !trace.span_id) return false;
  trace.members[0].name = "trace_id";
  trace.members[1].name = "span_id";
  trace.count = 2;
  return utf8_of(trace.trace_id.get(), trace.members[0].text) &&
         utf8_of(trace.span_id.get(), trace.members[1].text);
}

// ---- JSON ----

// Writes the objects one after the other, and has the record point at them.
JsonWriter::Result write_objects(ClientObject& self, Payload& payload, const Trace& trace,
                                 Buffer& buffer) noexcept {
  constexpr std::size_t kContext = 2;
  JsonWriter writer(buffer, self.hooks);
  std::size_t ends[kObjectNames.size()] = {};
  for (std::size_t i = 0; i < kObjectNames.size(); ++i) {
    const bool adds = i == kContext && trace.count != 0;
    PyObject* object = payload.objects[i];
    if (object == nullptr && adds) object = trace.no_context.get();
    if (object != nullptr) {
      const JsonWriter::Result written = writer.write_object(
          kObjectNames[i], object, adds ? trace.members : nullptr, adds ? trace.count : 0);
      if (written != JsonWriter::Result::kOk) return written;
    }
    ends[i] = buffer.size();
  }
  // Only now: the buffer may have moved.
  std::size_t begin = 0;
  for (std::size_t i = 0; i < kObjectNames.size(); ++i) {
    if (ends[i] != begin) {
      payload.record.*kObjectTexts[i] = {buffer.data() + begin, ends[i] - begin};
    }
    begin = ends[i];
  }
  return JsonWriter::Result::kOk;
}

// ---- into the ring, in place ----

Done record_in_place(ClientObject& self, PyObject* dict, PyObject* key, const Trace& trace,
                     xase_ticket* ticket, std::size_t& unknown_names) noexcept {
  Payload payload;
  Flaw flaw;
  if (extract(dict, true, payload, flaw) != Extracted::kOk ||
      set_idempotency_key(key, true, payload, flaw) != Extracted::kOk) {
    return Done::kSlow;
  }
  char* room = nullptr;
  if (xase_reserve(self.client, self.room_bytes + payload.text_bytes, &room) != XASE_OK) {
    return Done::kSlow;
  }
  reserved_by = self.client;
  Buffer buffer(room, self.room_bytes);
  const bool written = write_objects(self, payload, trace, buffer) == JsonWriter::Result::kOk;
  const bool kept = reserved_by == self.client;
  reserved_by = nullptr;
  if (written && kept && xase_commit(self.client, &payload.record, ticket) == XASE_OK) {
    unknown_names = payload.unknown_names;
    return Done::kTaken;
  }
  if (!written && kept) xase_cancel(self.client);
  return Done::kSlow;
}

// ---- through memory of our own ----

std::int64_t now_ns() noexcept {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1'000'000'000 + now.tv_nsec;
}

// As xase_record() and xase_record_tracked(), into room that is there. The texts are not in place.
xase_error record_at_hand(ClientObject& self, const xase_record_fields& record,
                          xase_ticket* ticket) noexcept {
  const std::size_t objects =
      record.input.size + record.output.size + record.context.size + record.explanation.size;
  const std::size_t all =
      objects + record.policy.size + record.policy_version.size + record.transaction_id.size +
      record.decision_type.size + record.idempotency_key.size + record.model_id.size +
      record.model_version.size + record.model_hash.size + record.feature_schema_hash.size;
  char* room = nullptr;
  const xase_error reserved = xase_reserve(self.client, all, &room);
  if (reserved != XASE_OK) return reserved;
  std::memcpy(room, record.input.data, objects);
  xase_record_fields moved = record;
  for (const auto text : kObjectTexts) {
    if ((moved.*text).size == 0) continue;
    (moved.*text).data = room;
    room += (moved.*text).size;
  }
  return xase_commit(self.client, &moved, ticket);
}

// Without the GIL: makes the ring, and waits where it is full.
xase_error record_waiting(ClientObject& self, const xase_record_fields& record, bool waits,
                          xase_ticket* ticket) noexcept {
  const std::int64_t end = now_ns() + std::int64_t{self.block_ms} * kNsPerMs;
  xase_error code = record_at_hand(self, record, ticket);
  while (code == XASE_QUEUE_FULL && waits && now_ns() < end) {
    const timespec pause{0, kWaitNs};
    nanosleep(&pause, nullptr);
    code = record_at_hand(self, record, ticket);
  }
  if (code == XASE_OK) return code;
  // Makes a ring, or says what is wrong; a refusal is counted.
  return ticket != nullptr ? xase_record_tracked(self.client, &record, ticket)
                           : xase_record(self.client, &record);
}

PyObject* receipt_of(ClientObject& self, const xase_record_fields& record) noexcept {
  xase_receipt receipt = XASE_RECEIPT_INIT;
  xase_error code = XASE_OK;
  Py_BEGIN_ALLOW_THREADS;
  code = xase_record_sync(self.client, &record, XASE_DELIVERED, self.sync_ms, &receipt);
  Py_END_ALLOW_THREADS;
  const bool taken = code == XASE_OK || receipt.sequence != 0;
  const char* text = code == XASE_OK ? "" : xase_last_error_message();
  PyObject* outcome =
      PyObject_CallMethod(self.hooks, "outcome", "sHs#ssKOO", xase_error_name(code),
                          static_cast<unsigned short>(receipt.http_status), receipt.answer.data,
                          static_cast<Py_ssize_t>(receipt.answer.size), text,
                          receipt.producer_id.data != nullptr ? receipt.producer_id.data : "",
                          static_cast<unsigned long long>(receipt.sequence),
                          taken ? Py_True : Py_False, receipt.replayed != 0 ? Py_True : Py_False);
  xase_receipt_free(&receipt);
  return outcome;
}

// A new reference to an exact dict that nobody else has: what happens to the payload meanwhile is
// no concern of ours. Null: an exception is set.
PyObject* own_payload(ClientObject& self, PyObject* payload) noexcept {
  if (Py_TYPE(payload) == &PyDict_Type) return PyDict_Copy(payload);
  return PyObject_CallMethod(self.hooks, "as_payload", "O", payload);
}

PyObject* record_slowly(ClientObject& self, PyObject* given, PyObject* key, bool sync,
                        const Trace& trace, xase_ticket* ticket,
                        std::size_t& unknown_names) noexcept {
  const Ref dict(own_payload(self, given));
  if (!dict) return nullptr;
  Payload payload;
  Flaw flaw;
  if (extract(dict.get(), false, payload, flaw) != Extracted::kOk ||
      set_idempotency_key(key, false, payload, flaw) != Extracted::kOk) {
    PyErr_Clear();
    return raise_error(self, flaw.code, flaw.message);
  }
  Buffer buffer;
  if (write_objects(self, payload, trace, buffer) != JsonWriter::Result::kOk) {
    return nullptr;
  }
  // `xase_ledger` in a context is the daemon's to refuse, but better told here.
  if (payload.objects[2] != nullptr && PyDict_Check(payload.objects[2]) &&
      PyDict_GetItemString(payload.objects[2], "xase_ledger") != nullptr) {
    return raise_error(self, XASE_RESERVED_CONTEXT_NAME,
                       "context must not hold xase_ledger: that name is the ledger's own");
  }
  unknown_names = payload.unknown_names;
  self.room_bytes = std::clamp(2 * buffer.size(), self.room_bytes, kRoomBytesMax);
  if (sync) return receipt_of(self, payload.record);
  xase_error code = record_at_hand(self, payload.record, ticket);
  if (code != XASE_OK) {
    const bool waits = self.block_ms != 0 && !self.stalled;
    Py_BEGIN_ALLOW_THREADS;
    code = record_waiting(self, payload.record, waits, ticket);
    Py_END_ALLOW_THREADS;
  }
  self.stalled = code == XASE_QUEUE_FULL;
  if (code != XASE_OK) return raise_error(self, code, xase_last_error_message());
  Py_RETURN_NONE;
}

// ---- arguments ----

struct Arguments {
  PyObject* payload = nullptr;
  PyObject* idempotency_key = nullptr;
  PyObject* skip_queue = nullptr;
};

bool set_argument(Arguments& arguments, PyObject* name, PyObject* value) noexcept {
  std::string_view text;
  if (!utf8_of(name, text)) return false;
  PyObject** to = nullptr;
  if (text == "payload") to = &arguments.payload;
  if (text == "idempotency_key") to = &arguments.idempotency_key;
  if (text == "skip_queue") to = &arguments.skip_queue;
  if (to == nullptr || *to != nullptr) {
    PyErr_Format(PyExc_TypeError, "record() got an unexpected argument '%U'", name);
    return false;
  }
  *to = value;
  return true;
}

bool parse(PyObject* args, PyObject* kwargs, Arguments& arguments) noexcept {
  const Py_ssize_t count = PyTuple_Size(args);
  if (count > 1) {
    PyErr_SetString(PyExc_TypeError, "record() takes one positional argument, the payload");
    return false;
  }
  if (count == 1) arguments.payload = PyTuple_GetItem(args, 0);
  PyObject* name = nullptr;
  PyObject* value = nullptr;
  Py_ssize_t position = 0;
  while (kwargs != nullptr && PyDict_Next(kwargs, &position, &name, &value)) {
    if (!set_argument(arguments, name, value)) return false;
  }
  if (arguments.payload != nullptr) return true;
  PyErr_SetString(PyExc_TypeError, "record() needs a payload");
  return false;
}

PyObject* take(ClientObject& self, const Arguments& arguments, bool sync,
               xase_ticket* ticket) noexcept {
  if (self.client == nullptr) {
    PyErr_SetString(PyExc_RuntimeError, "the client was never opened: __init__ did not run");
    return nullptr;
  }
  // We are inside another record() of this thread, which can no longer keep its room.
  if (reserved_by != nullptr) xase_cancel(std::exchange(reserved_by, nullptr));
  if (self.wants_results && !self.results_running) {
    const Ref started(
        PyObject_CallMethod(reinterpret_cast<PyObject*>(&self), "_start_results", nullptr));
    if (!started) return nullptr;
  }
  Trace trace;
  if (!find_trace(self, trace)) return nullptr;
  std::size_t unknown_names = 0;
  PyObject* taken = nullptr;
  const bool plain = !sync && Py_TYPE(arguments.payload) == &PyDict_Type;
  if (plain && record_in_place(self, arguments.payload, arguments.idempotency_key, trace, ticket,
                               unknown_names) == Done::kTaken) {
    self.stalled = false;
    taken = share(Py_None).release();
  } else {
    taken = record_slowly(self, arguments.payload, arguments.idempotency_key, sync, trace, ticket,
                          unknown_names);
  }
  if (taken != nullptr && unknown_names != 0) {
    const Ref told(PyObject_CallMethod(self.hooks, "tell_unknown", "O", arguments.payload));
    // The record is taken; a warning that was made an error is the caller's wish all the same.
    if (!told) {
      Py_DECREF(taken);
      return nullptr;
    }
  }
  return taken;
}

}  // namespace

PyObject* client_record(PyObject* object, PyObject* args, PyObject* kwargs) noexcept {
  ClientObject& self = *reinterpret_cast<ClientObject*>(object);
  Arguments arguments;
  if (!parse(args, kwargs, arguments)) return nullptr;
  bool sync = self.sync;
  if (!sync && arguments.skip_queue != nullptr) {
    const int is_true = PyObject_IsTrue(arguments.skip_queue);
    if (is_true < 0) return nullptr;
    sync = is_true != 0;
  }
  return take(self, arguments, sync, nullptr);
}

PyObject* client_submit(PyObject* object, PyObject* args, PyObject* kwargs) noexcept {
  ClientObject& self = *reinterpret_cast<ClientObject*>(object);
  Arguments arguments;
  if (!parse(args, kwargs, arguments)) return nullptr;
  xase_ticket ticket = XASE_TICKET_INIT;
  const Ref taken(take(self, arguments, false, &ticket));
  if (!taken) return nullptr;
  return Py_BuildValue("(sK)", ticket.producer_id,
                       static_cast<unsigned long long>(ticket.sequence));
}

}  // namespace xase::python
