// JSON's scalars, as json.dumps(ensure_ascii=False) writes them.
#pragma once

#include <cstdint>
#include <string_view>

#include "src/buffer.hpp"

namespace xase::python {

// All return false where the buffer is full.

// `utf8` in quotes, with its escapes.
bool append_string(Buffer& buffer, std::string_view utf8) noexcept;
bool append_int(Buffer& buffer, long long value) noexcept;
// The shortest text that gives the same double again, as repr() does. The value is finite.
bool append_double(Buffer& buffer, double value) noexcept;

}  // namespace xase::python
