#include "src/python.hpp"

#include <dlfcn.h>

namespace xase::python {
namespace {

// Of the limited API since 3.10 alone, but the interpreter has it since 3.3, unchanged. Without it
// every text would be copied into an object of its own first.
using AsUtf8 = const char* (*)(PyObject*, Py_ssize_t*);
AsUtf8 as_utf8 = nullptr;

}  // namespace

bool find_utf8_function() noexcept {
  as_utf8 = reinterpret_cast<AsUtf8>(dlsym(RTLD_DEFAULT, "PyUnicode_AsUTF8AndSize"));
  if (as_utf8 != nullptr) return true;
  PyErr_SetString(PyExc_ImportError, "this interpreter has no PyUnicode_AsUTF8AndSize");
  return false;
}

bool utf8_of(PyObject* text, std::string_view& utf8) noexcept {
  Py_ssize_t size = 0;
  const char* data = as_utf8(text, &size);
  if (data == nullptr) return false;
  utf8 = {data, static_cast<std::size_t>(size)};
  return true;
}

}  // namespace xase::python
