// The journal as delivery reads it: records in order, each with its producer's runtime context.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>

#include "daemon/ledger/journal_reader.hpp"
#include "daemon/platform/file_system.hpp"
#include "daemon/platform/status.hpp"

namespace xased {

// One thread. Memory: the readers' buffers and at most kContextBytesMax of contexts, which are
// found again in the journal when they are needed and no longer held.
class RecordSource {
 public:
  static constexpr std::size_t kContextBytesMax = std::size_t{4} << 20;
  static constexpr std::size_t kContextsMax = 16384;

  RecordSource(FileSystem& fs, std::string journal_directory);

  // Goes to the start of the segment that holds `sequence`, so that next() meets the PRODUCER
  // entries of that segment.
  Status start(std::uint64_t sequence);
  // As JournalReader::next().
  Result<JournalReader::Step> next(std::uint64_t through);
  const Entry& entry() const { return reader_.entry(); }
  const JournalDamage& damage() const { return reader_.damage(); }
  std::uint64_t next_sequence() const { return reader_.next_sequence(); }
  // Of entry(), a record: views until the next call. Empty where there is no PRODUCER entry.
  Result<std::string_view> context();

  struct Fetched {
    Entry entry;  // views until the next fetch()
    std::string_view context;
  };
  // One record out of order. kNotFound where the journal no longer has it or it is no record.
  Result<Fetched> fetch(std::uint64_t sequence, std::uint64_t through);
  // Gives back the memory that fetch() used.
  void end_fetch() { fetcher_.reset(); }

 private:
  struct IdHash {
    std::size_t operator()(const xase::proto::Id& id) const {
      return xase::proto::load<std::size_t>(id.data());
    }
  };
  struct Context {
    std::string text;
    bool known = false;
    // Where not known: the segment that has none.
    std::uint64_t absent_in = 0;
  };
  Context& remember(const xase::proto::Id& ring_id, std::string_view text);
  void observe(const Entry& entry);
  // The context of `ring_id` for a record `sequence` in the segment that starts at `segment`.
  Result<std::string_view> context_of(const xase::proto::Id& ring_id, std::uint64_t segment,
                                      std::uint64_t sequence);

  FileSystem& fs_;
  const std::string directory_;
  JournalReader reader_;
  std::unique_ptr<JournalReader> fetcher_;
  std::unordered_map<xase::proto::Id, Context, IdHash> contexts_;
  std::size_t context_bytes_ = 0;
};

}  // namespace xased
