#include "tests/support/fake_file_system.hpp"

#include <algorithm>
#include <cerrno>

namespace xased::test {

using xase::proto::Bytes;

namespace {

constexpr std::uint64_t kPieceBytes = 512;

bool changes_something(FsCall call) {
  return call != FsCall::kRead && call != FsCall::kList && call != FsCall::kLock;
}

}  // namespace

struct FakeFileSystem::Node {
  std::vector<std::byte> now;
  std::vector<std::byte> durable;
  std::set<std::uint64_t> dirty;  // pieces of `now` that a sync would write
  std::string path;               // the last name it was given
  bool is_locked = false;

  void mark_dirty(std::uint64_t from, std::uint64_t to) {
    for (std::uint64_t piece = from / kPieceBytes; piece * kPieceBytes < to; ++piece) {
      dirty.insert(piece);
    }
  }

  void write_back(std::uint64_t piece) {
    const std::uint64_t from = piece * kPieceBytes;
    if (from >= now.size()) return;
    const std::uint64_t to = std::min<std::uint64_t>(from + kPieceBytes, now.size());
    if (durable.size() < to) durable.resize(to);
    std::copy(now.begin() + static_cast<std::ptrdiff_t>(from),
              now.begin() + static_cast<std::ptrdiff_t>(to),
              durable.begin() + static_cast<std::ptrdiff_t>(from));
  }
};

class FakeFileSystem::FakeFile final : public File {
 public:
  FakeFile(FakeFileSystem& fs, std::shared_ptr<Node> node, std::string path)
      : fs_(fs), node_(std::move(node)), path_(std::move(path)), generation_(fs.generation_) {}
  FakeFile(const FakeFile&) = delete;
  FakeFile& operator=(const FakeFile&) = delete;
  ~FakeFile() override {
    const std::scoped_lock lock(fs_.mutex_);
    if (holds_lock_ && generation_ == fs_.generation_) node_->is_locked = false;
  }

  Result<std::size_t> read_at(std::span<std::byte> to, std::uint64_t offset) const override {
    const std::scoped_lock lock(fs_.mutex_);
    if (const Verdict verdict = judge(FsCall::kRead); verdict.error != 0) {
      return os_status("read " + path_, verdict.error);
    }
    const std::vector<std::byte>& from = node_->now;
    if (offset >= from.size()) return std::size_t{0};
    const std::size_t bytes = std::min<std::size_t>(to.size(), from.size() - offset);
    std::copy_n(from.begin() + static_cast<std::ptrdiff_t>(offset), bytes, to.begin());
    return bytes;
  }

  Status write_at(Bytes bytes, std::uint64_t offset) override {
    const std::scoped_lock lock(fs_.mutex_);
    const Verdict verdict = judge(FsCall::kWrite);
    if (verdict.error != 0 && !verdict.in_part) return os_status("write " + path_, verdict.error);
    if (verdict.in_part) bytes = bytes.first(bytes.size() / 2);
    if (Status status = fs_.write(*node_, path_, bytes, offset); !status.ok()) return status;
    return verdict.error != 0 ? os_status("write " + path_, verdict.error) : Status();
  }

  void release_cache() override {
    const std::scoped_lock lock(fs_.mutex_);
    fs_.released_.push_back(path_);
  }

  Status sync_data() override {
    const std::scoped_lock lock(fs_.mutex_);
    const Verdict verdict = judge(FsCall::kSync);
    if (verdict.error != 0) {
      // The pages are clean now, and were never written: see the class comment.
      if (verdict.in_part) node_->dirty.clear();
      return os_status("sync " + path_, verdict.error);
    }
    if (node_->durable.size() > node_->now.size()) node_->durable.resize(node_->now.size());
    for (const std::uint64_t piece : node_->dirty) node_->write_back(piece);
    node_->dirty.clear();
    if (node_->durable.size() < node_->now.size()) node_->durable.resize(node_->now.size());
    return {};
  }

  Status truncate(std::uint64_t bytes) override {
    const std::scoped_lock lock(fs_.mutex_);
    if (const Verdict verdict = judge(FsCall::kTruncate); verdict.error != 0) {
      return os_status("truncate " + path_, verdict.error);
    }
    if (bytes > node_->now.size()) node_->mark_dirty(node_->now.size(), bytes);
    node_->now.resize(bytes);
    return {};
  }

  Status preallocate(std::uint64_t bytes) override {
    const std::scoped_lock lock(fs_.mutex_);
    if (!fs_.can_preallocate_) return {Code::kUnsupported, "preallocate " + path_, EOPNOTSUPP};
    if (const Verdict verdict = judge(FsCall::kPreallocate); verdict.error != 0) {
      return os_status("preallocate " + path_, verdict.error);
    }
    if (bytes <= node_->now.size()) return {};
    return fs_.write(*node_, path_, std::vector<std::byte>(bytes - node_->now.size()),
                     node_->now.size());
  }

  Result<std::uint64_t> size() const override {
    const std::scoped_lock lock(fs_.mutex_);
    return std::uint64_t{node_->now.size()};
  }

  Status lock() override {
    const std::scoped_lock lock(fs_.mutex_);
    if (const Verdict verdict = judge(FsCall::kLock); verdict.error != 0) {
      return os_status("lock " + path_, verdict.error);
    }
    if (node_->is_locked && !holds_lock_) {
      return {Code::kExists, path_ + " is locked by another process"};
    }
    node_->is_locked = holds_lock_ = true;
    return {};
  }

 private:
  Verdict judge(FsCall call) const {
    if (generation_ != fs_.generation_) return {EIO, false};
    return fs_.judge(call, node_->path);
  }

  FakeFileSystem& fs_;
  const std::shared_ptr<Node> node_;
  const std::string path_;
  const std::uint64_t generation_;
  bool holds_lock_ = false;
};

FakeFileSystem::FakeFileSystem() { directories_.emplace("", Directory{}); }
FakeFileSystem::~FakeFileSystem() = default;

void FakeFileSystem::fail(FsCall call, int error, std::uint64_t nth, bool for_good,
                          std::string path_part) {
  const std::scoped_lock lock(mutex_);
  faults_.push_back({call, error, nth, for_good, std::move(path_part)});
}

void FakeFileSystem::heal() {
  const std::scoped_lock lock(mutex_);
  faults_.clear();
  space_.reset();
}

void FakeFileSystem::set_space(std::uint64_t bytes) {
  const std::scoped_lock lock(mutex_);
  space_ = bytes;
}

void FakeFileSystem::die_at(std::uint64_t nth) {
  const std::scoped_lock lock(mutex_);
  die_at_ = nth == 0 ? 0 : changes_ + nth;
}

bool FakeFileSystem::is_dead() const {
  const std::scoped_lock lock(mutex_);
  return dead_;
}

std::uint64_t FakeFileSystem::faults_struck() const {
  const std::scoped_lock lock(mutex_);
  return faults_struck_;
}

std::uint64_t FakeFileSystem::changes() const {
  const std::scoped_lock lock(mutex_);
  return changes_;
}

void FakeFileSystem::restart() {
  const std::scoped_lock lock(mutex_);
  faults_.clear();
  space_.reset();
  die_at_ = 0;
  dead_ = false;
  ++generation_;
  for (auto& [path, directory] : directories_) {
    for (auto& [name, node] : directory.now) node->is_locked = false;
  }
}

void FakeFileSystem::crash(std::optional<std::uint64_t> seed) {
  restart();
  const std::scoped_lock lock(mutex_);
  SeededRandom random(seed.value_or(0));
  std::set<Node*> nodes;
  for (auto& [path, directory] : directories_) {
    // A file system keeps the order of the changes to one directory.
    const std::size_t kept =
        seed.has_value() ? random.between(0, directory.unsynced.size()) : std::size_t{0};
    for (std::size_t i = 0; i < kept; ++i) {
      for (const NameChange& change : directory.unsynced[i]) {
        if (change.node == nullptr) {
          directory.durable.erase(change.name);
        } else {
          directory.durable[change.name] = change.node;
        }
      }
    }
    directory.unsynced.clear();
    directory.now = directory.durable;
    for (auto& [name, node] : directory.now) nodes.insert(node.get());
  }
  for (Node* node : nodes) {
    const std::uint64_t together = seed.has_value() && random.coin() ? 8 : 1;
    std::uint64_t group = UINT64_MAX;
    bool keep = false;
    for (const std::uint64_t piece : node->dirty) {
      if (piece / together != group) {
        group = piece / together;
        keep = seed.has_value() && random.coin();
      }
      if (keep) node->write_back(piece);
    }
    node->dirty.clear();
    node->now = node->durable;
  }
}

bool FakeFileSystem::has(const std::string& path) const {
  const std::scoped_lock lock(mutex_);
  return find(path) != nullptr;
}

std::vector<std::byte> FakeFileSystem::bytes(const std::string& path) const {
  const std::scoped_lock lock(mutex_);
  const std::shared_ptr<Node> node = find(path);
  return node == nullptr ? std::vector<std::byte>{} : node->now;
}

void FakeFileSystem::put(const std::string& path, const std::vector<std::byte>& bytes) {
  const std::scoped_lock lock(mutex_);
  std::string name;
  Directory* directory = directory_of(path, name);
  if (directory == nullptr) std::abort();
  const auto node = std::make_shared<Node>();
  node->now = node->durable = bytes;
  node->path = path;
  directory->now[name] = directory->durable[name] = node;
}

void FakeFileSystem::damage(const std::string& path, std::uint64_t offset, std::byte with) {
  const std::scoped_lock lock(mutex_);
  const std::shared_ptr<Node> node = find(path);
  if (node == nullptr || offset >= node->now.size()) std::abort();
  node->now[offset] ^= with;
  if (offset < node->durable.size()) node->durable[offset] ^= with;
}

void FakeFileSystem::erase(const std::string& path) {
  const std::scoped_lock lock(mutex_);
  std::string name;
  Directory* directory = directory_of(path, name);
  if (directory == nullptr) return;
  directory->now.erase(name);
  directory->durable.erase(name);
}

std::vector<std::string> FakeFileSystem::names(const std::string& path) const {
  const std::scoped_lock lock(mutex_);
  std::vector<std::string> names;
  const auto found = directories_.find(path);
  if (found == directories_.end()) return names;
  for (const auto& [name, node] : found->second.now) names.push_back(name);
  return names;
}

std::vector<std::string> FakeFileSystem::released() const {
  const std::scoped_lock lock(mutex_);
  return released_;
}

FakeFileSystem::Verdict FakeFileSystem::judge(FsCall call, const std::string& path) {
  if (dead_) return {EIO, false};
  if (changes_something(call)) {
    ++changes_;
    if (die_at_ != 0 && changes_ == die_at_) {
      dead_ = true;
      return {EIO, call == FsCall::kWrite};
    }
  }
  for (auto fault = faults_.begin(); fault != faults_.end(); ++fault) {
    if (fault->call != FsCall::kAny && fault->call != call) continue;
    if (path.find(fault->path_part) == std::string::npos) continue;
    if (fault->nth > 1) {
      --fault->nth;
      continue;
    }
    ++faults_struck_;
    const Verdict verdict{fault->error, true};
    if (!fault->for_good) faults_.erase(fault);
    return verdict;
  }
  return {};
}

const FakeFileSystem::Directory* FakeFileSystem::directory_of(const std::string& path,
                                                              std::string& name) const {
  const std::size_t slash = path.rfind('/');
  name = slash == std::string::npos ? path : path.substr(slash + 1);
  const auto found = directories_.find(slash == std::string::npos ? "" : path.substr(0, slash));
  return found == directories_.end() ? nullptr : &found->second;
}

FakeFileSystem::Directory* FakeFileSystem::directory_of(const std::string& path,
                                                        std::string& name) {
  return const_cast<Directory*>(std::as_const(*this).directory_of(path, name));
}

std::shared_ptr<FakeFileSystem::Node> FakeFileSystem::find(const std::string& path) const {
  std::string name;
  const Directory* directory = directory_of(path, name);
  if (directory == nullptr) return nullptr;
  const auto found = directory->now.find(name);
  return found == directory->now.end() ? nullptr : found->second;
}

void FakeFileSystem::set_name(Directory& directory, const std::string& name,
                              std::shared_ptr<Node> node) {
  if (node == nullptr) {
    directory.now.erase(name);
  } else {
    directory.now[name] = node;
  }
  directory.unsynced.push_back({{name, std::move(node)}});
}

std::uint64_t FakeFileSystem::bytes_used() const {
  std::uint64_t used = 0;
  for (const auto& [path, directory] : directories_) {
    for (const auto& [name, node] : directory.now) used += node->now.size();
  }
  return used;
}

Status FakeFileSystem::write(Node& node, const std::string& path, Bytes bytes,
                             std::uint64_t offset) {
  std::uint64_t end = offset + bytes.size();
  int error = 0;
  if (end > node.now.size() && space_.has_value()) {
    const std::uint64_t used = bytes_used();
    const std::uint64_t left = *space_ > used ? *space_ - used : 0;
    if (end - node.now.size() > left) {
      end = node.now.size() + left;
      error = ENOSPC;
    }
  }
  if (end > offset) {
    if (end > node.now.size()) node.now.resize(end);
    std::copy_n(bytes.begin(), end - offset,
                node.now.begin() + static_cast<std::ptrdiff_t>(offset));
    node.mark_dirty(offset, end);
  }
  return error == 0 ? Status() : os_status("write " + path, error);
}

Result<std::unique_ptr<File>> FakeFileSystem::open(const std::string& path, OpenMode mode,
                                                   mode_t /*permissions*/) {
  const std::scoped_lock lock(mutex_);
  std::shared_ptr<Node> node = find(path);
  const bool may_create = mode == OpenMode::kCreate || mode == OpenMode::kCreateOrWrite;
  const bool creates = node == nullptr && may_create;
  // Opening what is there changes nothing.
  const Verdict verdict = judge(creates ? FsCall::kOpen : FsCall::kList, path);
  if (verdict.error != 0) return os_status("open " + path, verdict.error);
  if (node != nullptr && mode == OpenMode::kCreate) return os_status("open " + path, EEXIST);
  if (node == nullptr) {
    std::string name;
    Directory* directory = directory_of(path, name);
    if (directory == nullptr || !creates) return os_status("open " + path, ENOENT);
    node = std::make_shared<Node>();
    node->path = path;
    set_name(*directory, name, node);
  }
  return std::unique_ptr<File>(std::make_unique<FakeFile>(*this, node, path));
}

void FakeFileSystem::rename_directory(const std::string& from, const std::string& to) {
  std::map<std::string, Directory> moved;
  for (auto at = directories_.lower_bound(from); at != directories_.end();) {
    const bool is_below = at->first == from || at->first.starts_with(from + "/");
    if (!is_below) {
      ++at;
      continue;
    }
    const std::string path = to + at->first.substr(from.size());
    for (auto& [name, node] : at->second.now) node->path = path + "/" + name;
    moved.emplace(path, std::move(at->second));
    at = directories_.erase(at);
  }
  directories_.merge(moved);
}

Status FakeFileSystem::rename(const std::string& from, const std::string& to) {
  const std::scoped_lock lock(mutex_);
  if (const Verdict verdict = judge(FsCall::kRename, from); verdict.error != 0) {
    return os_status("rename " + from + " to " + to, verdict.error);
  }
  if (directories_.contains(from)) {
    rename_directory(from, to);
    return {};
  }
  const std::shared_ptr<Node> node = find(from);
  std::string from_name;
  std::string to_name;
  Directory* from_directory = directory_of(from, from_name);
  Directory* to_directory = directory_of(to, to_name);
  if (node == nullptr || from_directory == nullptr || to_directory == nullptr) {
    return os_status("rename " + from + " to " + to, ENOENT);
  }
  node->path = to;
  if (from_directory == to_directory) {
    // One step: both names change, or neither.
    to_directory->now.erase(from_name);
    to_directory->now[to_name] = node;
    to_directory->unsynced.push_back({{from_name, nullptr}, {to_name, node}});
  } else {
    set_name(*to_directory, to_name, node);
    set_name(*from_directory, from_name, nullptr);
  }
  return {};
}

Status FakeFileSystem::remove(const std::string& path) {
  const std::scoped_lock lock(mutex_);
  if (const Verdict verdict = judge(FsCall::kRemove, path); verdict.error != 0) {
    return os_status("remove " + path, verdict.error);
  }
  std::string name;
  Directory* directory = directory_of(path, name);
  if (find(path) == nullptr) return os_status("remove " + path, ENOENT);
  set_name(*directory, name, nullptr);
  return {};
}

Status FakeFileSystem::sync_directory(const std::string& path) {
  const std::scoped_lock lock(mutex_);
  if (const Verdict verdict = judge(FsCall::kSyncDirectory, path); verdict.error != 0) {
    return os_status("sync " + path, verdict.error);
  }
  const auto found = directories_.find(path);
  if (found == directories_.end()) return os_status("sync " + path, ENOENT);
  found->second.durable = found->second.now;
  found->second.unsynced.clear();
  return {};
}

Result<std::vector<std::string>> FakeFileSystem::list(const std::string& path) {
  const std::scoped_lock lock(mutex_);
  if (const Verdict verdict = judge(FsCall::kList, path); verdict.error != 0) {
    return os_status("list " + path, verdict.error);
  }
  const auto found = directories_.find(path);
  if (found == directories_.end()) return os_status("list " + path, ENOENT);
  std::vector<std::string> names;
  for (const auto& [name, node] : found->second.now) names.push_back(name);
  return names;
}

Status FakeFileSystem::make_directory(const std::string& path, mode_t /*permissions*/) {
  const std::scoped_lock lock(mutex_);
  if (const Verdict verdict = judge(FsCall::kMakeDirectory, path); verdict.error != 0) {
    return os_status("make directory " + path, verdict.error);
  }
  directories_.emplace(path, Directory{});
  return {};
}

Status FakeFileSystem::remove_directory(const std::string& path) {
  const std::scoped_lock lock(mutex_);
  if (const Verdict verdict = judge(FsCall::kRemove, path); verdict.error != 0) {
    return os_status("remove directory " + path, verdict.error);
  }
  const auto found = directories_.find(path);
  if (found == directories_.end()) return os_status("remove directory " + path, ENOENT);
  if (!found->second.now.empty()) return os_status("remove directory " + path, ENOTEMPTY);
  directories_.erase(found);
  return {};
}

bool FakeFileSystem::exists(const std::string& path) {
  const std::scoped_lock lock(mutex_);
  return !dead_ && (find(path) != nullptr || directories_.contains(path));
}

}  // namespace xased::test
