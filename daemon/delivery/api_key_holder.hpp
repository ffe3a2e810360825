// The API key in use, which may change while requests are under way.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "daemon/config/api_key.hpp"

namespace xased {

// Any thread; refresh() and set_source() by the owner alone.
class ApiKeyHolder {
 public:
  struct Key {
    std::string value;
    std::uint64_t generation = 0;  // grows with each different key
  };

  // Where the key comes from from now on; read at the next refresh().
  void set_source(ApiKeySource source, Getenv getenv);
  // Reads the key anew where its file changed, or where `always`. A key that cannot be read leaves
  // the one in use as it is, since a file is often replaced in two steps. True: another key than
  // before is in use.
  bool refresh(bool always);

  // Nothing where there is no usable key.
  std::optional<Key> get() const;
  std::uint64_t generation() const;
  std::string masked() const;
  std::string fingerprint() const;
  // ApiKey::check_value(), empty where there is no usable key.
  std::string check_value(const xase::proto::Id& salt) const;

 private:
  bool file_changed();

  ApiKeySource source_;
  Getenv getenv_;
  bool source_is_new_ = true;
  // Of the file when it was last looked at.
  std::int64_t modified_ns_ = 0;
  std::uint64_t inode_ = 0;
  std::int64_t size_ = -1;
  std::string problem_;  // logged last

  mutable std::mutex mutex_;  // guards what follows
  std::optional<ApiKey> key_;
  std::uint64_t generation_ = 0;
};

}  // namespace xased
