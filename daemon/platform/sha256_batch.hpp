// SHA-256 of many short messages at once. The processor can do several side by side: two to four
// times as fast as one after the other, for messages like a ledger's leaves, parts and tree nodes.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "daemon/platform/sha256.hpp"

namespace xased {

// By Intel's multi-buffer library where the build has it and it works on this processor, else by
// OpenSSL. A xase::proto::MessageSink. One thread. Ends the process where the libraries fail, as
// Sha256 does.
class Sha256Batch {
 public:
  // A message begins, of the pieces that add() copies up to the next start() or run(). The latter
  // puts its hash into `to`, which must stay where it is until then.
  void start(xase::proto::Hash& to);
  void add(xase::proto::Bytes bytes);
  // Hashes what was begun since the last call.
  void run();

  // Whether messages go side by side here.
  static bool is_parallel();

 private:
  struct Message {
    std::size_t begin = 0;  // in bytes_, up to the next one's
    xase::proto::Hash* to = nullptr;
  };
  xase::proto::Bytes bytes_of(std::size_t message) const;

  std::vector<std::byte> bytes_;
  std::vector<Message> messages_;
  Sha256 one_;
};

// The root of the complete subtree over these nodes, 1, 2, 4, … of them; a level of it at a time.
// Their places hold nodes of no use afterwards.
xase::proto::Hash fold_nodes(Sha256Batch& batch, std::span<xase::proto::Hash> nodes);

}  // namespace xased
