#include "daemon/platform/status.hpp"

#include <cerrno>
#include <system_error>

namespace xased {

Status os_status(const std::string& what, int error) {
  Code code = Code::kIo;
  switch (error) {
    case ENOSPC:
    case EDQUOT:
      code = Code::kNoSpace;
      break;
    case ENOENT:
    case ENOTDIR:
      code = Code::kNotFound;
      break;
    case EEXIST:
      code = Code::kExists;
      break;
    case EACCES:
    case EPERM:
    case EROFS:
      code = Code::kDenied;
      break;
    case ETIMEDOUT:
      code = Code::kTimeout;
      break;
    default:
      break;
  }
  return {code, what + ": " + std::system_category().message(error), error};
}

}  // namespace xased
