// Mapping a file into memory, shared with other processes. The one place that uses
// Boost.Interprocess.
#pragma once

#include <boost/interprocess/exceptions.hpp>
#include <boost/interprocess/mapped_region.hpp>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <utility>

namespace xase::proto {

// A file's bytes, readable and writable, visible to every process that maps it. Movable; unmapped
// at the end of its life. The file may be closed before.
class Mapping {
 public:
  Mapping() = default;

  // Maps the first `bytes` bytes of the open file `fd`. 0, or the errno of what failed.
  int map(int fd, std::uint64_t bytes) noexcept {
    struct Handle {
      int fd;
      boost::interprocess::mapping_handle_t get_mapping_handle() const { return {fd, false}; }
    };
    try {
      boost::interprocess::mapped_region region(Handle{fd}, boost::interprocess::read_write, 0,
                                                static_cast<std::size_t>(bytes));
      region_.swap(region);
      return 0;
    } catch (const boost::interprocess::interprocess_exception& error) {
      const int code = static_cast<int>(error.get_native_error());
      return code != 0 ? code : EIO;
    }
  }

  std::byte* data() const noexcept { return static_cast<std::byte*>(region_.get_address()); }
  std::uint64_t size() const noexcept { return region_.get_size(); }
  explicit operator bool() const noexcept { return region_.get_address() != nullptr; }

 private:
  boost::interprocess::mapped_region region_;
};

}  // namespace xase::proto
