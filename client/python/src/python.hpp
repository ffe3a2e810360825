// CPython's limited API of 3.9, and what we lean on beyond it.
#pragma once

#define PY_SSIZE_T_CLEAN
#ifndef Py_LIMITED_API
#define Py_LIMITED_API 0x03090000
#endif
#include <Python.h>

#include <cstddef>
#include <string_view>

namespace xase::python {

// Owns a reference. The GIL is held wherever one lives or dies.
class Ref {
 public:
  Ref() = default;
  explicit Ref(PyObject* owned) noexcept : object_(owned) {}
  Ref(Ref&& other) noexcept : object_(other.object_) { other.object_ = nullptr; }
  Ref& operator=(Ref&& other) noexcept {
    PyObject* mine = object_;
    object_ = other.object_;
    other.object_ = mine;
    return *this;
  }
  ~Ref() { Py_XDECREF(object_); }

  PyObject* get() const noexcept { return object_; }
  PyObject* release() noexcept {
    PyObject* object = object_;
    object_ = nullptr;
    return object;
  }
  explicit operator bool() const noexcept { return object_ != nullptr; }

 private:
  PyObject* object_ = nullptr;
};

// A new reference to the same object.
inline Ref share(PyObject* object) noexcept {
  Py_XINCREF(object);
  return Ref(object);
}

// The text of a str in UTF-8; it lives as long as the str. False: an exception is set, which is a
// UnicodeEncodeError where the str holds a lone surrogate.
bool utf8_of(PyObject* text, std::string_view& utf8) noexcept;

// To be called once, before utf8_of(). False: an exception is set.
bool find_utf8_function() noexcept;

}  // namespace xase::python
