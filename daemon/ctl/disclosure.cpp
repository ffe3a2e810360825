#include "daemon/ctl/disclosure.hpp"

#include "daemon/ctl/terminal.hpp"

namespace xased::ctl {

Result<Disclosure> disclosure_of(const std::vector<std::string>& names) {
  Disclosure disclose{};
  for (const std::string& name : names) {
    const auto part = parse_part_name(name);
    if (part) {
      disclose[*part] = true;
    } else if (name == "all") {
      disclose.fill(true);
    } else {
      return Status(
          Code::kInvalid,
          "--disclose takes input, output, context, rest or all, and not " + printable(name));
    }
  }
  return disclose;
}

}  // namespace xased::ctl
