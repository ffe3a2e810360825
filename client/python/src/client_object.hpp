// The type _core.Client: what XaseClient is made of.
#pragma once

#include <xase/xase.h>

#include <atomic>
#include <cstdint>

#include "src/python.hpp"

namespace xase::python {

// A result on its way to Python. Made by the library's callback, without the GIL.
struct ResultNode;

struct ClientObject {
  PyObject_HEAD xase_client* client;  // null before __init__ and after the object's end
  PyObject* hooks;                    // the module xase._hooks
  bool sync;                          // fire_and_forget=False
  bool wants_results;                 // a thread must call the callbacks
  bool results_running;               // and does, in this process
  bool taking;                        // a thread is in take_results()
  bool stalled;                       // waiting for room was in vain, and nothing was taken since
  uint32_t sync_ms;
  uint32_t block_ms;  // 0: a full ring refuses at once
  std::size_t room_bytes;
  std::atomic<bool>* stop;  // has take_results() return
  ResultNode* first;        // taken out, not yet given to Python
  ResultNode** last;
};

// Makes the type. Null: an exception is set.
PyObject* make_client_type(PyObject* module) noexcept;

// ---- its methods ----

PyObject* client_record(PyObject* self, PyObject* args, PyObject* kwargs) noexcept;
PyObject* client_submit(PyObject* self, PyObject* args, PyObject* kwargs) noexcept;
PyObject* client_take_results(PyObject* self, PyObject* args) noexcept;

// The library calls this with a result; `user` is the ClientObject.
void keep_result(const xase_receipt* receipt, void* user) noexcept;
void free_results(ClientObject& self) noexcept;

// Has hooks.fail() raise the XaseError for `code`. Always null.
PyObject* raise_error(ClientObject& self, xase_error code, const char* message) noexcept;

}  // namespace xase::python
