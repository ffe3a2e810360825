// The text of a configuration file: every problem is told with its place, and what is taken can be
// written down again as the same configuration.
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <string>

#include "daemon/config/config.hpp"
#include "daemon/config/keys.hpp"
#include "tests/fuzz/fuzz.hpp"

namespace {

using xase::fuzz::require;
using xased::Config;

// A file that holds `text`, without a disk.
class TextFile {
 public:
  TextFile() : fd_(memfd_create("xased.toml", MFD_CLOEXEC)) {
    require(fd_ >= 0, "a file in memory can be made");
    path_ = "/proc/self/fd/" + std::to_string(fd_);
  }
  void set(std::string_view text) {
    require(ftruncate(fd_, 0) == 0, "the file can be emptied");
    require(pwrite(fd_, text.data(), text.size(), 0) == static_cast<ssize_t>(text.size()),
            "the file can be written");
  }
  const std::string& path() const { return path_; }

 private:
  int fd_;  // for the life of the program
  std::string path_;
};

void check_problems(const std::string& message, const std::string& path) {
  require(!message.empty(), "a refusal says why");
  for (std::size_t from = 0; from <= message.size();) {
    const std::size_t end = std::min(message.find('\n', from), message.size());
    const std::string_view line = std::string_view(message).substr(from, end - from);
    // Of two values that do not go together, each with its own place.
    const bool is_together = line.find(" must be at least ") != std::string_view::npos ||
                             line.find(" must hold at least ") != std::string_view::npos;
    require(line.starts_with(path + ':') || is_together || line.starts_with("and "),
            "a problem has its place in the file");
    from = end + 1;
  }
  for (const char c : message) {
    const auto byte = static_cast<unsigned char>(c);
    require(byte == '\n' || (byte >= 0x20 && byte != 0x7f), "a message has no control characters");
  }
}

void check_round_trip(const Config& config, const xased::HostFacts& host) {
  Config again = config;
  for (const xased::ConfigKey& key : xased::config_keys()) {
    const std::string text = xased::value_text(key, config);
    if (text.empty()) continue;
    require(xased::store_value(key, {xased::ValueForm::kText, text}, "/base", again).ok(),
            "a value that was taken is taken again as it is shown");
    require(xased::value_text(key, again) == text, "a value is shown as it is");
  }
  require(xased::diff_config(config, again).empty(), "what is shown is the configuration");
  require(config.journal.max_bytes / 4 >= config.journal.segment_bytes, "four segments fit");
  require(config.delivery.backoff_max >= config.delivery.backoff_min, "backoff does not shrink");
  require(!config.run_dir.empty() && config.run_dir.front() == '/', "folders are absolute");
  require(host.hostname == "host.test", "the host is the test's");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static TextFile file;
  file.set({reinterpret_cast<const char*>(data), size});
  xased::ConfigSource source;
  source.file = file.path();
  source.getenv = [](const char*) -> const char* { return nullptr; };
  source.host = xased::HostFacts{true, true, true, "host.test"};
  const auto config = xased::load_config(source);
  if (config.ok()) {
    check_round_trip(*config, *source.host);
  } else {
    require(config.status().code() == xased::Code::kInvalid, "a bad text is an invalid one");
    check_problems(config.status().message(), file.path());
  }
  return 0;
}
