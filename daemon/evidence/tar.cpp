#include "daemon/evidence/tar.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdio>

namespace xased {
namespace {

constexpr std::size_t kBlock = 512;
constexpr std::size_t kNameBytesMax = 99;
constexpr std::size_t kSizeOffset = 124;
constexpr std::size_t kSizeDigits = 11;
constexpr std::size_t kSumOffset = 148;

constexpr std::size_t padded(std::size_t bytes) { return (bytes + kBlock - 1) / kBlock * kBlock; }

void put(std::string& block, std::size_t offset, std::string_view text) {
  block.replace(offset, text.size(), text);
}

std::string octal(std::uint64_t value, int digits) {
  std::array<char, 32> text{};
  const int written = std::snprintf(text.data(), text.size(), "%0*llo", digits,
                                    static_cast<unsigned long long>(value));
  return {text.data(), static_cast<std::size_t>(written)};
}

std::string header_of(std::string_view name, std::size_t bytes) {
  std::string block(kBlock, '\0');
  put(block, 0, name);
  put(block, 100, "0000644");
  put(block, 108, "0000000");
  put(block, 116, "0000000");
  put(block, kSizeOffset, octal(bytes, kSizeDigits));
  put(block, 136, "00000000000");
  put(block, kSumOffset, "        ");
  put(block, 156, "0");
  put(block, 257, "ustar");
  put(block, 263, "00");
  put(block, 329, "0000000");
  put(block, 337, "0000000");
  std::uint64_t sum = 0;
  for (const char c : block) sum += static_cast<unsigned char>(c);
  put(block, kSumOffset, octal(sum, 6));
  block[kSumOffset + 6] = '\0';
  return block;
}

}  // namespace

std::string write_tar(const std::vector<TarMember>& members) {
  std::string tar;
  for (const TarMember& member : members) {
    tar += header_of(member.name, member.bytes.size());
    tar += member.bytes;
    tar.resize(padded(tar.size()), '\0');
  }
  tar.resize(tar.size() + 2 * kBlock, '\0');
  return tar;
}

Result<std::vector<TarView>> read_tar(std::string_view tar, std::size_t members_max) {
  const Status malformed(Code::kInvalid, "it is no tar archive of the form that xasectl writes");
  std::vector<TarView> members;
  while (tar.size() > 2 * kBlock) {
    const std::string_view block = tar.substr(0, kBlock);
    const std::string_view name = block.substr(0, block.find('\0'));
    std::size_t bytes = 0;
    const char* digits = block.data() + kSizeOffset;
    const auto [end, error] = std::from_chars(digits, digits + kSizeDigits, bytes, 8);
    if (error != std::errc() || end != digits + kSizeDigits || name.size() > kNameBytesMax ||
        name.empty() || members.size() == members_max || block != header_of(name, bytes)) {
      return malformed;
    }
    tar.remove_prefix(kBlock);
    if (bytes > tar.size() || padded(bytes) > tar.size()) return malformed;
    const std::string_view padding = tar.substr(bytes, padded(bytes) - bytes);
    if (padding.find_first_not_of('\0') != std::string_view::npos) return malformed;
    members.push_back({name, tar.substr(0, bytes)});
    tar.remove_prefix(padded(bytes));
  }
  if (tar.size() != 2 * kBlock || tar.find_first_not_of('\0') != std::string_view::npos) {
    return malformed;
  }
  return members;
}

}  // namespace xased
