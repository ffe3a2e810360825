#include "src/client_object.hpp"

#include <cstdlib>
#include <new>

namespace xase::python {
namespace {

constexpr std::size_t kRoomBytesFirst = 4096;

ClientObject& of(PyObject* self) noexcept { return *reinterpret_cast<ClientObject*>(self); }

bool is_open(ClientObject& self) noexcept {
  if (self.client != nullptr) return true;
  PyErr_SetString(PyExc_RuntimeError, "the client was never opened: __init__ did not run");
  return false;
}

PyObject* client_new(PyTypeObject* type, PyObject* /*args*/, PyObject* /*kwargs*/) noexcept {
  auto* alloc = reinterpret_cast<allocfunc>(PyType_GetSlot(type, Py_tp_alloc));
  PyObject* object = alloc(type, 0);
  if (object == nullptr) return nullptr;
  ClientObject& self = of(object);
  self.stop = new (std::nothrow) std::atomic<bool>(false);
  self.last = &self.first;
  self.room_bytes = kRoomBytesFirst;
  if (self.stop != nullptr) return object;
  Py_DECREF(object);
  return PyErr_NoMemory();
}

void client_dealloc(PyObject* object) noexcept {
  ClientObject& self = of(object);
  xase_client* client = self.client;
  self.client = nullptr;
  // Waits for callers in other threads, of whom there are none: each would hold a reference.
  Py_BEGIN_ALLOW_THREADS;
  xase_client_free(client);
  Py_END_ALLOW_THREADS;
  free_results(self);
  Py_CLEAR(self.hooks);
  delete self.stop;
  PyTypeObject* type = Py_TYPE(object);
  auto* free_object = reinterpret_cast<freefunc>(PyType_GetSlot(type, Py_tp_free));
  free_object(object);
  Py_DECREF(type);
}

// _open(hooks, run_dir, runtime, env, ring_bytes, results_bytes, block_ms, sync, sync_ms,
//       wants_results)
PyObject* client_open(PyObject* object, PyObject* args) noexcept {
  ClientObject& self = of(object);
  PyObject* hooks = nullptr;
  xase_client_options options = XASE_CLIENT_OPTIONS_INIT;
  unsigned long long ring_bytes = 0;
  unsigned results_bytes = 0;
  unsigned block_ms = 0;
  unsigned sync_ms = 0;
  int sync = 0;
  int wants_results = 0;
  if (PyArg_ParseTuple(args, "OzszKIIpIp", &hooks, &options.run_dir, &options.runtime, &options.env,
                       &ring_bytes, &results_bytes, &block_ms, &sync, &sync_ms,
                       &wants_results) == 0) {
    return nullptr;
  }
  if (self.client != nullptr) {
    PyErr_SetString(PyExc_RuntimeError, "the client is open already");
    return nullptr;
  }
  Py_INCREF(hooks);
  self.hooks = hooks;
  self.block_ms = block_ms;
  self.sync = sync != 0;
  self.sync_ms = sync_ms;
  self.wants_results = wants_results != 0;
  options.ring_bytes = ring_bytes;
  options.results_bytes = results_bytes;
  options.on_success = keep_result;
  options.on_error = keep_result;
  options.user = &self;
  options.results_on_request = wants_results != 0 ? 0 : 1;
  const xase_error code = xase_client_open(&options, &self.client);
  if (code != XASE_OK) return raise_error(self, code, xase_last_error_message());
  Py_RETURN_NONE;
}

PyObject* client_close(PyObject* object, PyObject* /*none*/) noexcept {
  ClientObject& self = of(object);
  if (!is_open(self)) return nullptr;
  Py_BEGIN_ALLOW_THREADS;
  xase_client_close(self.client);
  Py_END_ALLOW_THREADS;
  Py_RETURN_NONE;
}

// _flush(until, timeout_ms)
PyObject* client_flush(PyObject* object, PyObject* args) noexcept {
  ClientObject& self = of(object);
  unsigned until = 0;
  unsigned timeout_ms = 0;
  if (!is_open(self) || PyArg_ParseTuple(args, "II", &until, &timeout_ms) == 0) return nullptr;
  xase_error code = XASE_OK;
  Py_BEGIN_ALLOW_THREADS;
  code = xase_flush(self.client, static_cast<xase_until>(until), timeout_ms);
  Py_END_ALLOW_THREADS;
  if (code != XASE_OK) return raise_error(self, code, xase_last_error_message());
  Py_RETURN_NONE;
}

PyObject* client_counts(PyObject* object, PyObject* /*none*/) noexcept {
  ClientObject& self = of(object);
  if (!is_open(self)) return nullptr;
  xase_counts counts = XASE_COUNTS_INIT;
  const xase_error code = xase_stats(self.client, &counts);
  if (code != XASE_OK) return raise_error(self, code, xase_last_error_message());
  const auto number = [](uint64_t count) { return static_cast<unsigned long long>(count); };
  return Py_BuildValue("{sKsKsKsKsKsKsKsKsKsKsO}", "committed", number(counts.committed), "refused",
                       number(counts.refused), "journaled", number(counts.journaled), "durable",
                       number(counts.durable), "delivered", number(counts.delivered), "failed",
                       number(counts.failed), "pending", number(counts.pending), "results_dropped",
                       number(counts.results_dropped), "rings", number(counts.rings),
                       "rings_replaced", number(counts.rings_replaced), "closed",
                       counts.closed != 0 ? Py_True : Py_False);
}

// _look(api_key) -> (presence, api_key, run_dir, base_url)
PyObject* client_look(PyObject* object, PyObject* args) noexcept {
  ClientObject& self = of(object);
  const char* key = nullptr;
  Py_ssize_t key_bytes = 0;
  if (!is_open(self) || PyArg_ParseTuple(args, "z#", &key, &key_bytes) == 0) return nullptr;
  xase_daemon_facts facts{};
  facts.size = sizeof facts;
  xase_error code = XASE_OK;
  Py_BEGIN_ALLOW_THREADS;
  code = xase_look_at_daemon(self.client, {key, static_cast<std::size_t>(key_bytes)}, &facts);
  Py_END_ALLOW_THREADS;
  if (code != XASE_OK) return raise_error(self, code, xase_last_error_message());
  return Py_BuildValue("(IIss)", static_cast<unsigned>(facts.presence),
                       static_cast<unsigned>(facts.api_key), facts.run_dir, facts.base_url);
}

// _set_running(running): a thread takes the results out, in this process, or none does.
PyObject* client_set_running(PyObject* object, PyObject* args) noexcept {
  ClientObject& self = of(object);
  int running = 0;
  if (PyArg_ParseTuple(args, "p", &running) == 0) return nullptr;
  self.results_running = running != 0;
  self.wants_results = true;
  if (running == 0) {
    // A child of fork(): its parent's thread is not here, and what it had taken out is its own.
    self.taking = false;
    free_results(self);
  }
  Py_RETURN_NONE;
}

PyObject* client_stop_results(PyObject* object, PyObject* /*none*/) noexcept {
  of(object).stop->store(true, std::memory_order_release);
  Py_RETURN_NONE;
}

constexpr const char* kRecordDoc =
    "record($self, payload, *, idempotency_key=None, skip_queue=False)\n--\n\n"
    "Takes a decision: once this returns, the record survives kill -9 of this process.\n\n"
    "Returns None; with skip_queue=True, or fire_and_forget off, the API's receipt, for which it\n"
    "waits with the GIL released. Raises XaseError; nothing was taken then, unless the code is "
    "one\n"
    "of TIMEOUT, REJECTED, UNKNOWN_ERROR or the API's own. Any thread, any time.";

PyMethodDef methods[] = {
    {"record", reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(client_record)),
     METH_VARARGS | METH_KEYWORDS, kRecordDoc},
    {"_submit", reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(client_submit)),
     METH_VARARGS | METH_KEYWORDS, nullptr},
    {"_take_results", client_take_results, METH_VARARGS, nullptr},
    {"_open", client_open, METH_VARARGS, nullptr},
    {"_close", client_close, METH_NOARGS, nullptr},
    {"_flush", client_flush, METH_VARARGS, nullptr},
    {"_counts", client_counts, METH_NOARGS, nullptr},
    {"_look", client_look, METH_VARARGS, nullptr},
    {"_set_running", client_set_running, METH_VARARGS, nullptr},
    {"_stop_results", client_stop_results, METH_NOARGS, nullptr},
    {nullptr, nullptr, 0, nullptr}};

template <class F>
void* slot(F* function) noexcept {
  return reinterpret_cast<void*>(function);
}

}  // namespace

PyObject* raise_error(ClientObject& self, xase_error code, const char* message) noexcept {
  const Ref never(PyObject_CallMethod(self.hooks, "fail", "ss", xase_error_name(code), message));
  return nullptr;
}

PyObject* make_client_type(PyObject* /*module*/) noexcept {
  static PyType_Slot slots[] = {{Py_tp_new, slot(client_new)},
                                {Py_tp_dealloc, slot(client_dealloc)},
                                {Py_tp_methods, methods},
                                {0, nullptr}};
  static PyType_Spec spec = {"xase._core.Client", sizeof(ClientObject), 0,
                             Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE, slots};
  return PyType_FromSpec(&spec);
}

}  // namespace xase::python
