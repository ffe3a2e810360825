// Python values as JSON text.
#pragma once

#include <string_view>

#include "src/buffer.hpp"
#include "src/python.hpp"

namespace xase::python {

// Members to add to an object where it does not have them: a name, and a text.
struct Member {
  std::string_view name;
  std::string_view text;
};

// Writes values into a buffer, under the GIL. Has two modes, by the buffer:
//
// fixed   runs no Python code at all (no method, no garbage collection), since a ring is reserved
//         meanwhile. Whatever would need it, or does not fit, is kSlow: give the room back and
//         write the record again into memory that grows.
// grows   runs what it takes. kRefused: an XaseError is set that names the offending value's path.
class JsonWriter {
 public:
  enum class Result { kOk, kSlow, kRefused };

  // `hooks`: the module xase._hooks; it is called in the second mode alone.
  JsonWriter(Buffer& buffer, PyObject* hooks) noexcept : buffer_(buffer), hooks_(hooks) {}

  // The field `name` (input, output, ...), whose value must be an object: a dict, or what becomes
  // one. `more` is added at its end.
  Result write_object(const char* name, PyObject* value, const Member* more = nullptr,
                      std::size_t more_count = 0) noexcept;

 private:
  // A container that is being written, and where in it we are.
  struct Frame {
    const Frame* above;
    PyObject* container;
    PyObject* key = nullptr;  // of a dict
    Py_ssize_t index = -1;    // of a list
    unsigned depth;
  };

  Result value(PyObject* value, Frame* above) noexcept;
  Result text(PyObject* value, const Frame* above) noexcept;
  Result integer(PyObject* value, const Frame* above) noexcept;
  Result large_integer(PyObject* value, const Frame* above) noexcept;
  Result number(PyObject* value, const Frame* above) noexcept;
  Result dict(PyObject* value, Frame* above, bool is_top) noexcept;
  Result member(PyObject* key, PyObject* value, Frame& frame, bool first) noexcept;
  Result key(PyObject* key, const Frame& frame) noexcept;
  Result sequence(PyObject* value, Frame* above) noexcept;
  Result other(PyObject* value, Frame* above) noexcept;
  Result enter(Frame& frame) noexcept;
  Result add_members(PyObject* dict, bool first) noexcept;
  Result full() noexcept;
  // Sets the XaseError for the value at `frame`. Takes the exception that is set, if any, as its
  // cause.
  Result refuse(const Frame* frame, const char* reason) noexcept;

  Buffer& buffer_;
  PyObject* hooks_;
  const char* field_ = "";
  const Member* more_ = nullptr;
  std::size_t more_count_ = 0;
};

}  // namespace xase::python
