// The module xase._core.
#include "src/client_object.hpp"
#include "src/json_writer.hpp"

namespace xase::python {
namespace {

// to_json(value, hooks) -> str: an object as record() writes it, for tests.
PyObject* to_json(PyObject* /*module*/, PyObject* args) noexcept {
  PyObject* value = nullptr;
  PyObject* hooks = nullptr;
  if (PyArg_ParseTuple(args, "OO", &value, &hooks) == 0) return nullptr;
  Buffer buffer;
  JsonWriter writer(buffer, hooks);
  if (writer.write_object("input", value) != JsonWriter::Result::kOk) return nullptr;
  return PyUnicode_DecodeUTF8(buffer.data(), static_cast<Py_ssize_t>(buffer.size()), "strict");
}

// call_back(callback, argument): what it raises is told to sys.unraisablehook, and goes no further.
PyObject* call_back(PyObject* /*module*/, PyObject* args) noexcept {
  PyObject* callback = nullptr;
  PyObject* argument = nullptr;
  if (PyArg_ParseTuple(args, "OO", &callback, &argument) == 0) return nullptr;
  const Ref ignored(PyObject_CallFunctionObjArgs(callback, argument, nullptr));
  if (!ignored) PyErr_WriteUnraisable(callback);
  Py_RETURN_NONE;
}

PyObject* version(PyObject* /*module*/, PyObject* /*none*/) noexcept {
  return PyUnicode_FromString(xase_version());
}

PyMethodDef functions[] = {{"to_json", to_json, METH_VARARGS, nullptr},
                           {"call_back", call_back, METH_VARARGS, nullptr},
                           {"version", version, METH_NOARGS, nullptr},
                           {nullptr, nullptr, 0, nullptr}};

int fill_module(PyObject* module) noexcept {
  if (!find_utf8_function()) return -1;
  const Ref type(make_client_type(module));
  if (!type) return -1;
  Py_INCREF(type.get());
  if (PyModule_AddObject(module, "Client", type.get()) == 0) return 0;
  Py_DECREF(type.get());
  return -1;
}

PyModuleDef_Slot module_slots[] = {{Py_mod_exec, reinterpret_cast<void*>(fill_module)},
                                   {0, nullptr}};

PyModuleDef module_definition = {PyModuleDef_HEAD_INIT,
                                 "_core",
                                 "Rings, records and results; xase is what to import.",
                                 0,
                                 functions,
                                 module_slots,
                                 nullptr,
                                 nullptr,
                                 nullptr};

}  // namespace
}  // namespace xase::python

PyMODINIT_FUNC PyInit__core() { return PyModuleDef_Init(&xase::python::module_definition); }
