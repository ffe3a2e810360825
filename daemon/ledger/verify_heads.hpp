// The signed heads of a ledger, its own and those from outside, against what a walk over it met.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <future>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/ledger/tree/check_tiles.hpp"
#include "daemon/ledger/verify.hpp"
#include "daemon/ledger/verify_findings.hpp"
#include "daemon/ledger/verify_keys.hpp"
#include "daemon/ledger/verify_roots.hpp"
#include "proto/checkpoint.hpp"

namespace xased {

// One thread; used for one verification: open(), then the walk feeds roots() and keys(), then
// settle(), then judge() and tell(). Of a ledger that is not small, the tree's files are checked by
// a thread of its own meanwhile.
class VerifyHeads {
 public:
  VerifyHeads(FileSystem& fs, const std::string& state_dir, const VerifyOptions& options,
              VerifyFindings& findings);

  // Before the journal is looked at: then the walk comes at least to what a running daemon had
  // signed here. kInvalid where an earlier checkpoint is malformed.
  Status open();
  // The journal begins with this entry: what it has no more is looked for beside the tree.
  Status begin_at(std::uint64_t first);
  VerifyRoots& roots() { return roots_; }
  VerifyKeys& keys() { return keys_; }
  // About how much of the tree's files there is to read, and how much of it was read by now.
  std::uint64_t bytes_to_read() const;
  std::uint64_t bytes_read() const;

  // After the walk, which met a ledger of this name, or of none.
  // `progress` is called now and then.
  Status settle(const std::optional<xase::proto::Hash>& log_id,
                const std::function<void()>& progress);
  // The entries that the ledger's own head covers, where there is one and it is well-formed.
  std::optional<std::uint64_t> own_size() const;
  // That head, where it is shown to be this ledger's.
  std::optional<xase::proto::Checkpoint> shown() const;
  // The directory of the tree's files.
  const std::string& tree() const { return tree_; }
  bool own_is_signed_by(const xase::proto::VerifierKey& key) const {
    return own_ && own_->signers.has(key);
  }
  // Verdict and sentence of a property behind kBeginning that has no finding.
  void judge(VerifyPropertyReport& report) const;
  void tell(VerifyReport& report);

 private:
  using Hash = xase::proto::Hash;
  struct Head {
    std::string name;
    xase::proto::NoteFault fault = xase::proto::NoteFault::kNone;  // else the rest says nothing
    xase::proto::Note note;
    xase::proto::Checkpoint checkpoint;
    NoteSigners signers;
    // A pinned key signed it, or keys that follow from one, and no line of a pinned one is wrong.
    bool is_pinned = false;
    std::string reserve;  // why that does not say whose it is all the same; empty: it does
    bool is_refuted = false;
    std::string doubts;  // why it shows nothing; empty: it does
    bool shows() const { return !is_refuted && doubts.empty(); }
  };

  static Head parse(std::string name, std::string_view bytes);
  void find_signers(Head& head);
  void refute(VerifyProperty property, Head& head, std::uint64_t sequence, const std::string& text);
  bool is_of_other_ledger(const Head& head) const;
  bool has_all_key_entries() const;
  std::uint64_t place_of_difference(std::uint64_t size) const;
  std::string difference_text(const Head& head) const;
  std::string names_of(const std::vector<xase::proto::VerifierKey>& keys);

  Result<TilesFound> check_files(const std::function<void()>& progress);
  Status settle_files(const std::function<void()>& progress);
  void settle_own(Head& head);
  void settle_own_signers(Head& head);
  void settle_lines(Head& head);
  std::string unkept_key(const Head& head, std::uint64_t since);
  bool is_signed_by_all(const Head& head, const KeySet& keys) const;
  void settle_root(VerifyProperty property, Head& head, const std::optional<Hash>& root);
  Status settle_earlier(Head& head);
  bool settle_earlier_signers(Head& head);
  Result<std::optional<Hash>> root_of_earlier(std::uint64_t size);

  void judge_checkpoint(VerifyPropertyReport& report) const;
  void judge_signer(VerifyPropertyReport& report) const;
  void judge_end(VerifyPropertyReport& report) const;
  void judge_extends(VerifyPropertyReport& report) const;
  void judge_witnesses(VerifyPropertyReport& report) const;
  void judge_tiles(VerifyPropertyReport& report) const;
  VerifyCheckpoint told(const Head& head);
  std::string pinned_text(const Head& head) const;

  FileSystem& fs_;
  const std::string state_dir_;
  const std::string tree_;
  const VerifyOptions& options_;
  VerifyFindings& findings_;
  VerifyKeys keys_;
  WitnessSightings witnesses_;
  VerifyRoots roots_;
  std::optional<Head> own_;
  std::string own_signers_;  // for people
  std::vector<Head> earlier_;
  std::string origin_end_;  // how an origin of this ledger ends; empty: not known
  std::optional<TilesFound> tiles_;
  std::atomic<std::uint64_t> tile_entries_{0};  // checked so far; written by who checks
  // Last: its end waits for the thread, which uses what is above.
  std::future<Result<TilesFound>> tiles_check_;
};

}  // namespace xased
