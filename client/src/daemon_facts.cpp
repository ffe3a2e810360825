#include "client/src/daemon_facts.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "client/src/run_dir.hpp"
#include "client/src/sha256.hpp"
#include "proto/run_dir.hpp"

namespace xase::client {
namespace {

// The daemon's lock on its settings is the kernel's word for its life, in every pid namespace.
bool is_locked(int fd) {
  struct flock lock {};
  lock.l_type = F_WRLCK;
  lock.l_whence = SEEK_SET;
  return fcntl(fd, F_OFD_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
}

template <std::size_t kBytes>
void copy_text(std::string_view text, char (&to)[kBytes]) {
  const std::size_t bytes = std::min(text.size(), kBytes - 1);
  if (bytes != 0) std::memcpy(to, text.data(), bytes);  // an empty text may have no address
  to[bytes] = '\0';
}

}  // namespace

bool key_fits(std::string_view check, std::string_view api_key) {
  constexpr std::size_t kSaltDigits = 2 * sizeof(proto::Id);
  if (check.size() != kSaltDigits + 1 + 2 * proto::kApiKeyCheckBytes || check[kSaltDigits] != ':') {
    return false;
  }
  const proto::Id salt = proto::ring_id_of(check.substr(0, kSaltDigits));
  const Digest digest =
      pbkdf2_hmac_sha256(api_key, {reinterpret_cast<const char*>(salt.data()), salt.size()},
                         proto::kApiKeyCheckIterations);
  const std::string hex = proto::to_hex(
      proto::Bytes(reinterpret_cast<const std::byte*>(digest.data()), proto::kApiKeyCheckBytes));
  return check.substr(kSaltDigits + 1) == hex;
}

void look_at_daemon(const std::string& run_dir, xase_text api_key, xase_daemon_facts& facts) {
  facts.presence = XASE_PRESENCE_UNKNOWN;
  facts.api_key = XASE_KEY_UNKNOWN;
  facts.base_url[0] = '\0';
  copy_text(run_dir, facts.run_dir);
  const Fd root(open(run_dir.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  const Fd file = root ? open_settings(root) : Fd();
  if (!file) {
    if (errno == ENOENT) facts.presence = XASE_PRESENCE_AWAY;
    return;
  }
  const std::string text = read_settings(file);
  const std::string_view base_url = proto::setting(text, proto::kSettingBaseUrl);
  const std::string_view check = proto::setting(text, proto::kSettingApiKeyCheck);
  copy_text(base_url, facts.base_url);
  if (is_locked(file.get())) {
    facts.presence = XASE_PRESENCE_RUNNING;
  } else if (!base_url.empty()) {
    facts.presence = XASE_PRESENCE_AWAY;  // one that locks its settings was here
  }
  if (check.empty() || api_key.size == 0) return;
  facts.api_key = key_fits(check, {api_key.data, api_key.size}) ? XASE_KEY_SAME : XASE_KEY_DIFFERS;
}

}  // namespace xase::client
