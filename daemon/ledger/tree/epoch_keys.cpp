#include "daemon/ledger/tree/epoch_keys.hpp"

#include <algorithm>
#include <charconv>
#include <string_view>

#include "daemon/ledger/tree/ledger_key.hpp"

namespace xased {
namespace {

constexpr std::string_view kStart = "epoch-";
constexpr std::string_view kEnd = ".key";

}  // namespace

std::string EpochKeys::path_of(std::uint64_t epoch) const {
  return directory_ + "/" + std::string(kStart) + std::to_string(epoch) + std::string(kEnd);
}

Result<std::unique_ptr<Ed25519Key>> EpochKeys::create(std::uint64_t epoch) {
  if (Status status = erase(epoch); !status.ok()) return status;
  auto key = Ed25519Key::generate(name_);
  if (!key.ok()) return key.status();
  if (Status status = (*key)->store(fs_, path_of(epoch)); !status.ok()) return status;
  return key;
}

Result<std::unique_ptr<Ed25519Key>> EpochKeys::load(std::uint64_t epoch) const {
  return Ed25519Key::load(path_of(epoch), name_);
}

Status EpochKeys::erase(std::uint64_t epoch) {
  const std::string path = path_of(epoch);
  if (!fs_.exists(path)) return {};
  if (Status status = overwrite_key_file(fs_, path); !status.ok()) return status;
  if (Status status = fs_.remove(path); !status.ok()) return status;
  return fs_.sync_directory(directory_);
}

Result<std::vector<std::uint64_t>> EpochKeys::list() const {
  auto names = fs_.list(directory_);
  if (!names.ok()) return names.status();
  std::vector<std::uint64_t> epochs;
  for (std::string_view name : *names) {
    if (!name.starts_with(kStart) || !name.ends_with(kEnd)) continue;
    name.remove_prefix(kStart.size());
    name.remove_suffix(std::min(kEnd.size(), name.size()));
    std::uint64_t epoch = 0;
    const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), epoch);
    if (error == std::errc() && end == name.data() + name.size()) epochs.push_back(epoch);
  }
  return epochs;
}

}  // namespace xased
