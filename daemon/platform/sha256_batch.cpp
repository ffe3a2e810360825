#include "daemon/platform/sha256_batch.hpp"

#include <cstdlib>
#include <memory>
#ifdef XASE_HAS_IPSEC_MB
#include <intel-ipsec-mb.h>
#endif

namespace xased {

using xase::proto::Bytes;
using xase::proto::Hash;

namespace {

// A long message gains nothing beside short ones, which wait for it; and the multi-buffer library
// refuses one of 64 KiB.
constexpr std::size_t kShortBytes = std::size_t{16} << 10;
constexpr std::size_t kKeptBytesMax = std::size_t{4} << 20;

#ifdef XASE_HAS_IPSEC_MB

class Lanes {
 public:
  // Null where the library does not know the processor, or fails its own test.
  static std::unique_ptr<Lanes> make() {
    std::unique_ptr<Lanes> lanes(new Lanes);
    if (lanes->manager_ == nullptr) return nullptr;
    init_mb_mgr_auto(lanes->manager_.get(), nullptr);
    const bool works = imb_get_errno(lanes->manager_.get()) == 0 &&
                       (lanes->manager_->features & IMB_FEATURE_SELF_TEST_PASS) != 0;
    return works ? std::move(lanes) : nullptr;
  }

  // `message` has at most kShortBytes, which is all that the library would check of it.
  void submit(Bytes message, Hash& to) {
    IMB_JOB* job = IMB_GET_NEXT_JOB(manager_.get());
    job->cipher_mode = IMB_CIPHER_NULL;
    job->cipher_direction = IMB_DIR_ENCRYPT;
    job->chain_order = IMB_ORDER_HASH_CIPHER;
    job->hash_alg = IMB_AUTH_SHA_256;
    job->src = reinterpret_cast<const std::uint8_t*>(message.data());
    job->hash_start_src_offset_in_bytes = 0;
    job->msg_len_to_hash_in_bytes = message.size();
    job->auth_tag_output = reinterpret_cast<std::uint8_t*>(to.data());
    job->auth_tag_output_len_in_bytes = to.size();
    ++open_;
    for (job = IMB_SUBMIT_JOB_NOCHECK(manager_.get()); job != nullptr;
         job = IMB_GET_COMPLETED_JOB(manager_.get())) {
      take(*job);
    }
  }

  void finish() {
    while (IMB_JOB* job = IMB_FLUSH_JOB(manager_.get())) take(*job);
    if (open_ != 0) std::abort();
  }

 private:
  struct FreeManager {
    void operator()(IMB_MGR* manager) const { free_mb_mgr(manager); }
  };

  Lanes() : manager_(alloc_mb_mgr(0)) {}
  void take(const IMB_JOB& job) {
    if (job.status != IMB_STATUS_COMPLETED) std::abort();
    --open_;
  }

  std::unique_ptr<IMB_MGR, FreeManager> manager_;
  std::size_t open_ = 0;  // submitted and not taken
};

#else

class Lanes {
 public:
  static std::unique_ptr<Lanes> make() { return nullptr; }
  void submit(Bytes, Hash&) { std::abort(); }
  void finish() { std::abort(); }
};

#endif

// Of this thread, for its batches one after the other: they take 200 KB. Null: not to be had here.
Lanes* lanes() {
  thread_local const std::unique_ptr<Lanes> own = Lanes::make();
  return own.get();
}

}  // namespace

bool Sha256Batch::is_parallel() { return lanes() != nullptr; }

void Sha256Batch::start(Hash& to) { messages_.push_back({bytes_.size(), &to}); }

void Sha256Batch::add(Bytes bytes) { bytes_.insert(bytes_.end(), bytes.begin(), bytes.end()); }

Bytes Sha256Batch::bytes_of(std::size_t message) const {
  const std::size_t begin = messages_[message].begin;
  const std::size_t end =
      message + 1 < messages_.size() ? messages_[message + 1].begin : bytes_.size();
  return Bytes(bytes_).subspan(begin, end - begin);
}

void Sha256Batch::run() {
  Lanes* const side_by_side = lanes();
  for (std::size_t i = 0; i < messages_.size(); ++i) {
    const Bytes message = bytes_of(i);
    if (side_by_side != nullptr && message.size() <= kShortBytes) {
      side_by_side->submit(message, *messages_[i].to);
    } else {
      *messages_[i].to = one_.of(message);
    }
  }
  if (side_by_side != nullptr) side_by_side->finish();
  messages_.clear();
  bytes_.clear();
  // A few large messages must not cost their memory for ever.
  if (bytes_.capacity() > kKeptBytesMax) bytes_.shrink_to_fit();
}

Hash fold_nodes(Sha256Batch& batch, std::span<Hash> nodes) {
  // Each level into the places of its left nodes, which the batch has copied by then.
  for (std::size_t count = nodes.size(); count > 1; count /= 2) {
    for (std::size_t i = 0; i < count / 2; ++i) {
      batch.start(nodes[i]);
      xase::proto::add_node(batch, nodes[2 * i], nodes[2 * i + 1]);
    }
    batch.run();
  }
  return nodes[0];
}

}  // namespace xased
