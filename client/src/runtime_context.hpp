// What a process says of itself, once a ring: the runtime context of the SDKs.
#pragma once

#include <string>
#include <string_view>

namespace xase::client {

// Appends `text` to `json` as a JSON string with its quotes. Bytes that are not UTF-8 become '?'.
void append_json_string(std::string& json, std::string_view text);

// {"runtime":…,"platform":…,"arch":…,"hostname":…,"pid":…,"lib_version":…,"env":…}, at most
// proto::kRingContextBytesMax bytes: of `runtime` and of the environment 128 bytes count. An empty
// `env` means $ENV, else $PYTHON_ENV, else "development".
std::string runtime_context(std::string_view runtime, std::string_view env);

}  // namespace xase::client
