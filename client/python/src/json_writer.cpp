#include "src/json_writer.hpp"

#include <cmath>

#include "src/json_text.hpp"

namespace xase::python {
namespace {

// The daemon reads 512 levels.
constexpr unsigned kDepthMax = 500;

bool is_text(PyObject* value) noexcept {
  return Py_TYPE(value) == &PyUnicode_Type || PyUnicode_Check(value);
}

}  // namespace

JsonWriter::Result JsonWriter::write_object(const char* name, PyObject* value, const Member* more,
                                            std::size_t more_count) noexcept {
  field_ = name;
  more_ = more;
  more_count_ = more_count;
  if (Py_TYPE(value) == &PyDict_Type) return dict(value, nullptr, true);
  if (!buffer_.grows()) return Result::kSlow;
  const Ref object(PyObject_CallMethod(hooks_, "as_object", "O", value));
  if (!object) return refuse(nullptr, "");
  return dict(object.get(), nullptr, true);
}

JsonWriter::Result JsonWriter::full() noexcept {
  if (buffer_.grows()) {
    PyErr_NoMemory();
    return Result::kRefused;
  }
  return Result::kSlow;
}

JsonWriter::Result JsonWriter::refuse(const Frame* frame, const char* reason) noexcept {
  if (!buffer_.grows()) {
    PyErr_Clear();
    return Result::kSlow;
  }
  PyObject* type = nullptr;
  PyObject* error = nullptr;
  PyObject* traceback = nullptr;
  PyErr_Fetch(&type, &error, &traceback);
  PyErr_NormalizeException(&type, &error, &traceback);
  const Ref owned_type(type);
  const Ref cause = error != nullptr ? Ref(error) : share(Py_None);
  const Ref owned_traceback(traceback);
  const Ref path(PyList_New(0));
  for (const Frame* at = frame; path && at != nullptr; at = at->above) {
    const Ref step = at->key != nullptr ? share(at->key) : Ref(PyLong_FromSsize_t(at->index));
    if (at->key == nullptr && at->index < 0) continue;
    if (!step || PyList_Append(path.get(), step.get()) != 0) return Result::kRefused;
  }
  if (!path) return Result::kRefused;
  const Ref never(
      PyObject_CallMethod(hooks_, "refuse", "sOsO", field_, path.get(), reason, cause.get()));
  return Result::kRefused;
}

JsonWriter::Result JsonWriter::value(PyObject* value, Frame* above) noexcept {
  PyTypeObject* type = Py_TYPE(value);
  if (type == &PyUnicode_Type) return text(value, above);
  if (type == &PyFloat_Type) return number(value, above);
  if (type == &PyLong_Type) return integer(value, above);
  if (type == &PyDict_Type) return dict(value, above, false);
  if (type == &PyList_Type || type == &PyTuple_Type) return sequence(value, above);
  if (value == Py_None) return buffer_.append("null") ? Result::kOk : full();
  if (value == Py_True) return buffer_.append("true") ? Result::kOk : full();
  if (value == Py_False) return buffer_.append("false") ? Result::kOk : full();
  return other(value, above);
}

// Subclasses of what JSON has are what they derive from, as json.dumps takes them; the rest is for
// Python.
JsonWriter::Result JsonWriter::other(PyObject* value, Frame* above) noexcept {
  if (PyUnicode_Check(value)) return text(value, above);
  if (PyFloat_Check(value)) return number(value, above);
  if (PyLong_Check(value)) return integer(value, above);
  if (PyList_Check(value) || PyTuple_Check(value)) return sequence(value, above);
  if (!buffer_.grows()) return Result::kSlow;
  Frame frame{above, value, nullptr, -1, 0};
  if (const Result entered = enter(frame); entered != Result::kOk) return entered;
  const Ref plain(PyObject_CallMethod(hooks_, "plain", "O", value));
  if (!plain) return refuse(above, "");
  return this->value(plain.get(), &frame);
}

JsonWriter::Result JsonWriter::text(PyObject* value, const Frame* above) noexcept {
  std::string_view utf8;
  if (!utf8_of(value, utf8)) {
    return refuse(above, "holds a lone surrogate, which is no Unicode text");
  }
  return append_string(buffer_, utf8) ? Result::kOk : full();
}

JsonWriter::Result JsonWriter::number(PyObject* value, const Frame* above) noexcept {
  const double number = PyFloat_AsDouble(value);
  if (!std::isfinite(number)) {
    return refuse(above, std::isnan(number) ? "is NaN, which JSON does not have"
                                            : "is infinite, which JSON does not have");
  }
  return append_double(buffer_, number) ? Result::kOk : full();
}

JsonWriter::Result JsonWriter::integer(PyObject* value, const Frame* above) noexcept {
  int overflow = 0;
  const long long number = PyLong_AsLongLongAndOverflow(value, &overflow);
  if (overflow != 0) return large_integer(value, above);
  return append_int(buffer_, number) ? Result::kOk : full();
}

// What 64 bits do not hold is written as a number with a fraction: the daemon's reader, like the
// service, takes such a number for a double.
JsonWriter::Result JsonWriter::large_integer(PyObject* value, const Frame* above) noexcept {
  if (!buffer_.grows()) return Result::kSlow;
  if (PyLong_AsDouble(value) == -1.0 && PyErr_Occurred() != nullptr) {
    return refuse(above, "is an integer larger than any double");
  }
  const Ref digits(PyNumber_ToBase(value, 10));
  std::string_view utf8;
  if (!digits || !utf8_of(digits.get(), utf8)) return refuse(above, "");
  bool fits_unsigned = false;
  if (utf8.front() != '-') {
    const unsigned long long unsigned_value = PyLong_AsUnsignedLongLong(value);
    fits_unsigned = unsigned_value != static_cast<unsigned long long>(-1) || !PyErr_Occurred();
    PyErr_Clear();
  }
  return buffer_.append(utf8) && (fits_unsigned || buffer_.append(".0")) ? Result::kOk : full();
}

// A cycle is a container that is its own ancestor; it is looked for where the depth says that there
// may be one.
JsonWriter::Result JsonWriter::enter(Frame& frame) noexcept {
  frame.depth = frame.above != nullptr ? frame.above->depth + 1 : 1;
  if (frame.depth <= kDepthMax) return Result::kOk;
  const Frame* first_repeat = nullptr;
  for (const Frame* at = frame.above; at != nullptr; at = at->above) {
    for (const Frame* ancestor = at->above; ancestor != nullptr; ancestor = ancestor->above) {
      if (ancestor->container == at->container) first_repeat = at;
    }
  }
  if (first_repeat != nullptr) return refuse(first_repeat->above, "holds itself");
  return refuse(frame.above, "is nested deeper than 500 levels");
}

JsonWriter::Result JsonWriter::dict(PyObject* value, Frame* above, bool is_top) noexcept {
  Frame frame{above, value, nullptr, -1, 0};
  if (const Result entered = enter(frame); entered != Result::kOk) return entered;
  if (!buffer_.append('{')) return full();
  bool first = true;
  if (!buffer_.grows()) {
    PyObject* name = nullptr;
    PyObject* item = nullptr;
    Py_ssize_t position = 0;
    while (PyDict_Next(value, &position, &name, &item)) {
      const Result result = member(name, item, frame, first);
      if (result != Result::kOk) return result;
      first = false;
    }
  } else {
    // What is called in between may change the dict: go over what it holds now.
    const Ref items(PyDict_Items(value));
    if (!items) return refuse(above, "");
    const Py_ssize_t count = PyList_Size(items.get());
    for (Py_ssize_t i = 0; i < count; ++i) {
      PyObject* item = PyList_GetItem(items.get(), i);
      const Result result =
          member(PyTuple_GetItem(item, 0), PyTuple_GetItem(item, 1), frame, first);
      if (result != Result::kOk) return result;
      first = false;
    }
  }
  if (is_top && more_count_ != 0) {
    if (const Result added = add_members(value, first); added != Result::kOk) return added;
  }
  return buffer_.append('}') ? Result::kOk : full();
}

JsonWriter::Result JsonWriter::member(PyObject* key, PyObject* value, Frame& frame,
                                      bool first) noexcept {
  frame.key = key;
  if (!first && !buffer_.append(',')) return full();
  if (const Result written = this->key(key, frame); written != Result::kOk) return written;
  if (!buffer_.append(':')) return full();
  return this->value(value, &frame);
}

// Keys that json.dumps takes.
JsonWriter::Result JsonWriter::key(PyObject* key, const Frame& frame) noexcept {
  if (is_text(key)) return text(key, &frame);
  if (key == Py_None) return buffer_.append("\"null\"") ? Result::kOk : full();
  if (key == Py_True) return buffer_.append("\"true\"") ? Result::kOk : full();
  if (key == Py_False) return buffer_.append("\"false\"") ? Result::kOk : full();
  const bool is_number = PyLong_Check(key) || PyFloat_Check(key);
  if (!is_number) return refuse(&frame, "has a name that is not a text");
  if (!buffer_.append('"')) return full();
  const Result written = PyLong_Check(key) ? integer(key, &frame) : number(key, &frame);
  if (written != Result::kOk) return written;
  return buffer_.append('"') ? Result::kOk : full();
}

JsonWriter::Result JsonWriter::sequence(PyObject* value, Frame* above) noexcept {
  Frame frame{above, value, nullptr, -1, 0};
  if (const Result entered = enter(frame); entered != Result::kOk) return entered;
  if (!buffer_.append('[')) return full();
  const bool is_list = PyList_Check(value);
  // A list may change while its items are written: its length is asked each time.
  for (frame.index = 0; frame.index < (is_list ? PyList_Size(value) : PyTuple_Size(value));
       ++frame.index) {
    if (frame.index != 0 && !buffer_.append(',')) return full();
    PyObject* item =
        is_list ? PyList_GetItem(value, frame.index) : PyTuple_GetItem(value, frame.index);
    const Ref held = buffer_.grows() ? share(item) : Ref();
    if (const Result written = this->value(item, &frame); written != Result::kOk) return written;
  }
  return buffer_.append(']') ? Result::kOk : full();
}

JsonWriter::Result JsonWriter::add_members(PyObject* dict, bool first) noexcept {
  for (std::size_t i = 0; i < more_count_; ++i) {
    const Member& member = more_[i];
    PyObject* key = nullptr;
    PyObject* item = nullptr;
    Py_ssize_t position = 0;
    bool is_there = false;
    while (!is_there && PyDict_Next(dict, &position, &key, &item)) {
      std::string_view name;
      is_there = is_text(key) && utf8_of(key, name) && name == member.name;
    }
    if (is_there) continue;
    if (!first && !buffer_.append(',')) return full();
    if (!append_string(buffer_, member.name) || !buffer_.append(':') ||
        !append_string(buffer_, member.text)) {
      return full();
    }
    first = false;
  }
  return Result::kOk;
}

}  // namespace xase::python
