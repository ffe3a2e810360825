// The fields of a payload: a dict as the SDKs take it.
#pragma once

#include <xase/xase.h>

#include <array>

#include "src/python.hpp"

namespace xase::python {

// What is JSON in a record, in the ring's order.
inline constexpr std::array<const char*, 4> kObjectNames{"input", "output", "context",
                                                         "explanation"};
inline constexpr std::array<xase_text xase_record_fields::*, 4> kObjectTexts{
    &xase_record_fields::input, &xase_record_fields::output, &xase_record_fields::context,
    &xase_record_fields::explanation};

// What is wrong with a payload, before anything is taken.
struct Flaw {
  xase_error code = XASE_OK;
  const char* message = nullptr;
};

// The payload's fields. References are borrowed from the payload.
struct Payload {
  xase_record_fields record = XASE_RECORD_INIT;  // all but the objects
  std::array<PyObject*, 4> objects{};            // null where absent
  std::size_t unknown_names = 0;
  std::size_t text_bytes = 0;  // of all texts but the objects
};

enum class Extracted { kOk, kSlow, kFlaw };

// Reads the fields of a dict. With `fast` no Python code runs: what would need it, and whatever is
// wrong, is kSlow. Otherwise kFlaw tells what is wrong, in `flaw`; an exception may be set beside.
Extracted extract(PyObject* dict, bool fast, Payload& payload, Flaw& flaw) noexcept;

// The caller's key, which may be null or None.
Extracted set_idempotency_key(PyObject* key, bool fast, Payload& payload, Flaw& flaw) noexcept;

}  // namespace xase::python
