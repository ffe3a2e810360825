#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>

#include "daemon/config/config.hpp"

namespace xased {
namespace {

constexpr char kSystemRunDir[] = "/run/xased";
constexpr char kSystemStateDir[] = "/var/lib/xased";

bool is_directory(const char* path) {
  struct stat info {};
  return ::stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

// Set, and absolute: the XDG specification says to ignore anything else.
std::string absolute_variable(const Getenv& getenv, const char* name) {
  const char* text = getenv ? getenv(name) : nullptr;
  return text != nullptr && text[0] == '/' && text[1] != '\0' ? text : "";
}

}  // namespace

HostFacts host_facts() {
  HostFacts host;
  host.root = ::geteuid() == 0;
  host.run_dir_exists = is_directory(kSystemRunDir);
  host.state_dir_exists = is_directory(kSystemStateDir);
  std::array<char, HOST_NAME_MAX + 1> name{};
  if (::gethostname(name.data(), name.size() - 1) == 0) host.hostname = name.data();
  // It becomes part of the ledger's origin, which has no spaces and no '+'.
  std::replace_if(
      host.hostname.begin(), host.hostname.end(),
      [](char c) { return c <= 0x20 || c >= 0x7f || c == '+'; }, '-');
  if (host.hostname.empty()) host.hostname = "localhost";
  return host;
}

ConfigSource process_config_source() {
  ConfigSource source;
  source.getenv = [](const char* name) -> const char* { return std::getenv(name); };
  for (char** variable = environ; variable != nullptr && *variable != nullptr; variable++) {
    const std::string_view text = *variable;
    source.environment.emplace_back(text.substr(0, text.find('=')));
  }
  return source;
}

std::string default_run_dir(const Getenv& getenv, const HostFacts& host) {
  std::string wanted = absolute_variable(getenv, "XASE_RUN_DIR");
  if (!wanted.empty()) return wanted;
  if (host.run_dir_exists || host.root) return kSystemRunDir;
  const std::string user = absolute_variable(getenv, "XDG_RUNTIME_DIR");
  return user.empty() ? kSystemRunDir : user + "/xased";
}

std::string default_state_dir(const Getenv& getenv, const HostFacts& host) {
  if (host.state_dir_exists || host.root) return kSystemStateDir;
  const std::string user = absolute_variable(getenv, "XDG_STATE_HOME");
  if (!user.empty()) return user + "/xased";
  const std::string home = absolute_variable(getenv, "HOME");
  return home.empty() ? kSystemStateDir : home + "/.local/state/xased";
}

}  // namespace xased
