// The library's version, as one text.
#pragma once

#include <xase/xase.h>

#define XASE_TEXT_OF_(x) #x
#define XASE_TEXT_OF(x) XASE_TEXT_OF_(x)

namespace xase::client {

inline constexpr const char* kVersion = XASE_TEXT_OF(XASE_VERSION_MAJOR) "." XASE_TEXT_OF(
    XASE_VERSION_MINOR) "." XASE_TEXT_OF(XASE_VERSION_PATCH);

}  // namespace xase::client

#undef XASE_TEXT_OF
#undef XASE_TEXT_OF_
