// Builds a tree of made-up leaves on the real disk as the daemon would, for another's program to
// check:
//
//   interop-build-tree DIRECTORY SIZE...
//
// A checkpoint at every SIZE, ascending: the last one is DIRECTORY/checkpoint, each also
// DIRECTORY/checkpoint.SIZE. DIRECTORY/checkpoint.other has the first SIZE and the same signer, and
// the root of another ledger. Prints the verifier key.
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <string>
#include <vector>

#include "daemon/ledger/tree/checkpoint.hpp"
#include "daemon/ledger/tree/signing_key.hpp"
#include "daemon/ledger/tree/tile_writer.hpp"
#include "tests/support/chained_leaves.hpp"

namespace xased {
namespace {

constexpr const char* kOrigin = "host-1/loans/8d5b8a7e-33cc-4bbd-9d6c-5f0c9b4d7e11";

// Signed and written as `name`.
Status put_checkpoint(FileSystem& fs, const std::string& directory, const std::string& name,
                      Signer& signer, std::uint64_t size, const xase::proto::Hash& root) {
  Signer* const signers[] = {&signer};
  const auto note = sign_checkpoint({kOrigin, size, root}, signers);
  if (!note.ok()) return note.status();
  return write_file_atomically(fs, directory + "/" + name, xase::proto::as_bytes(*note));
}

Status build(const std::string& directory, const std::vector<std::uint64_t>& sizes) {
  FileSystem& fs = system_file_system();
  auto opened = TileWriter::open(fs, directory, 0, {});
  if (!opened.ok()) return opened.status();
  TileWriter& writer = *opened->writer;
  auto key = Ed25519Key::generate(kOrigin);
  if (!key.ok()) return key.status();
  const test::ChainedLeaves leaves(sizes.back());
  for (const std::uint64_t size : sizes) {
    while (writer.size() < size) {
      const std::uint64_t next = writer.size() + 1;
      Status status = writer.append(next, leaves.leaf(next), leaves.hash(next));
      if (!status.ok()) return status;
    }
    if (Status status = writer.publish(); !status.ok()) return status;
    Status status =
        put_checkpoint(fs, directory, "checkpoint", **key, writer.size(), writer.root());
    if (!status.ok()) return status;
    status = put_checkpoint(fs, directory, "checkpoint." + std::to_string(size), **key,
                            writer.size(), writer.root());
    if (!status.ok()) return status;
    if (status = writer.remove_superseded(); !status.ok()) return status;
  }
  const test::ChainedLeaves others(sizes.front(), 2);
  Status status = put_checkpoint(fs, directory, "checkpoint.other", **key, others.size(),
                                 others.root(others.size()));
  if (!status.ok()) return status;
  Sha256 sha;
  std::printf("%s\n", format_verifier_key(sha, (*key)->verifier_key()).c_str());
  return {};
}

}  // namespace
}  // namespace xased

int main(int argc, char** argv) {
  try {
    std::vector<std::uint64_t> sizes;
    for (int i = 2; i < argc; ++i) sizes.push_back(std::stoull(argv[i]));
    if (sizes.empty()) {
      std::fputs("usage: interop-build-tree DIRECTORY SIZE...\n", stderr);
      return 2;
    }
    const xased::Status status = xased::build(argv[1], sizes);
    if (status.ok()) return 0;
    std::fprintf(stderr, "interop-build-tree: %s\n", status.message().c_str());
  } catch (const std::exception& error) {
    std::fprintf(stderr, "interop-build-tree: %s\n", error.what());
  }
  return 1;
}
