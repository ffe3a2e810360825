#include "daemon/app/directory_lock.hpp"

#include <vector>

namespace xased {

Result<std::unique_ptr<DirectoryLock>> DirectoryLock::take(FileSystem& fs, const std::string& path,
                                                           const std::string& who) {
  constexpr std::size_t kTextBytesMax = 1024;
  auto file = fs.open(path, OpenMode::kCreateOrWrite);
  if (!file.ok()) return file.status();
  if (Status status = (*file)->lock(); !status.ok()) {
    if (status.code() != Code::kExists) return status;
    std::vector<std::byte> text(kTextBytesMax);
    const auto got = (*file)->read_at(text, 0);
    const std::string holder = got.ok() && *got != 0
                                   ? std::string(reinterpret_cast<const char*>(text.data()), *got)
                                   : "that has not said who it is";
    return Status(Code::kExists, path.substr(0, path.rfind('/')) + " is in use by another xased (" +
                                     holder +
                                     "); stop that one, or give this one directories of its own");
  }
  if (Status status = (*file)->truncate(0); !status.ok()) return status;
  if (Status status = (*file)->write_at(xase::proto::as_bytes(who), 0); !status.ok()) {
    // A full disk must not keep the daemon from starting; the lock itself is held.
    if (status.code() != Code::kNoSpace) return status;
  }
  return std::unique_ptr<DirectoryLock>(new DirectoryLock(std::move(*file)));
}

}  // namespace xased
