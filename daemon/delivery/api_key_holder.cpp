#include "daemon/delivery/api_key_holder.hpp"

#include <sys/stat.h>

#include <utility>

#include "daemon/config/log.hpp"

namespace xased {

void ApiKeyHolder::set_source(ApiKeySource source, Getenv getenv) {
  source_ = std::move(source);
  getenv_ = std::move(getenv);
  source_is_new_ = true;
}

bool ApiKeyHolder::file_changed() {
  if (source_.kind != ApiKeySource::Kind::kFile &&
      source_.kind != ApiKeySource::Kind::kCredential) {
    return false;
  }
  struct stat facts {};
  if (::stat(source_.name.c_str(), &facts) != 0) {
    const bool changed = size_ != -1;
    size_ = -1;
    return changed;
  }
  constexpr std::int64_t kNsPerSecond = 1'000'000'000;
  // The change of status as well: a copy may keep the time of the original.
  const std::int64_t modified_ns = (facts.st_mtim.tv_sec + facts.st_ctim.tv_sec) * kNsPerSecond +
                                   facts.st_mtim.tv_nsec + facts.st_ctim.tv_nsec;
  const bool changed =
      modified_ns != modified_ns_ || facts.st_ino != inode_ || facts.st_size != size_;
  modified_ns_ = modified_ns;
  inode_ = facts.st_ino;
  size_ = facts.st_size;
  return changed;
}

bool ApiKeyHolder::refresh(bool always) {
  const bool changed = file_changed();
  if (!changed && !always && !source_is_new_) return false;
  const bool source_was_new = std::exchange(source_is_new_, false);
  Result<ApiKey> read = read_api_key(source_, getenv_);
  if (!read.ok()) {
    if (problem_ != read.status().message()) {
      problem_ = read.status().message();
      log_error("delivery", "no API key can be read", {{"problem", problem_}});
    }
    const std::scoped_lock lock(mutex_);
    // What another source gave is not this one's.
    if (source_was_new) key_.reset();
    return false;
  }
  problem_.clear();
  if (!read->warning().empty()) log_warn("delivery", read->warning());
  std::unique_lock lock(mutex_);
  if (key_ && *key_ == *read) return false;
  key_ = std::move(*read);
  ++generation_;
  const std::string masked = key_->masked();
  lock.unlock();
  log_info("delivery", "API key in use", {{"key", masked}});
  return true;
}

std::optional<ApiKeyHolder::Key> ApiKeyHolder::get() const {
  const std::scoped_lock lock(mutex_);
  if (!key_) return std::nullopt;
  return Key{key_->value(), generation_};
}

std::uint64_t ApiKeyHolder::generation() const {
  const std::scoped_lock lock(mutex_);
  return generation_;
}

std::string ApiKeyHolder::masked() const {
  const std::scoped_lock lock(mutex_);
  return key_ ? key_->masked() : "";
}

std::string ApiKeyHolder::fingerprint() const {
  const std::scoped_lock lock(mutex_);
  return key_ ? key_->fingerprint() : "";
}

std::string ApiKeyHolder::check_value(const xase::proto::Id& salt) const {
  const std::scoped_lock lock(mutex_);
  return key_ ? key_->check_value(salt) : "";
}

}  // namespace xased
