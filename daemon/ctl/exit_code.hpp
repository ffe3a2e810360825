// What xasectl's exit codes mean; `xasectl --help` says the same.
#pragma once

namespace xased::ctl {

enum ExitCode : int {
  kExitOk = 0,
  kExitNo = 1,            // the answer is no: not ready, not reached, refused, not all taken
  kExitUsage = 2,         // wrong arguments (`verify`, `audit`: not enough to say)
  kExitMalformed = 3,     // what was given cannot be read
  kExitUnavailable = 69,  // no daemon answers
  kExitDenied = 77,       // this user may not
  kExitConfig = 78,       // the configuration is wrong
};

inline constexpr char kExitCodesHelp[] =
    "Exit codes: 0 yes; 1 no (not ready, not reached, refused, not all taken);\n"
    "2 wrong usage (verify, audit: not enough to say); 3 malformed input; 69 no daemon answers;\n"
    "77 this user may not; 78 configuration.";

}  // namespace xased::ctl
