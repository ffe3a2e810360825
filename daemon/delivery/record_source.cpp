#include "daemon/delivery/record_source.hpp"

#include <utility>

#include "proto/entry_body.hpp"

namespace xased {

using xase::proto::EntryType;
using xase::proto::Id;
using Step = JournalReader::Step;

RecordSource::RecordSource(FileSystem& fs, std::string journal_directory)
    : fs_(fs), directory_(std::move(journal_directory)), reader_(fs, directory_) {}

Status RecordSource::start(std::uint64_t sequence) {
  if (Status status = reader_.seek(sequence); !status.ok()) return status;
  return reader_.seek(reader_.segment_first_sequence());
}

Result<Step> RecordSource::next(std::uint64_t through) {
  Result<Step> step = reader_.next(through);
  if (step.ok() && *step == Step::kEntry) observe(reader_.entry());
  return step;
}

RecordSource::Context& RecordSource::remember(const Id& ring_id, std::string_view text) {
  while (!contexts_.empty() &&
         (contexts_.size() >= kContextsMax || context_bytes_ + text.size() > kContextBytesMax)) {
    context_bytes_ -= contexts_.begin()->second.text.size();
    contexts_.erase(contexts_.begin());
  }
  Context& context = contexts_[ring_id];
  context_bytes_ -= context.text.size();
  context.text = text;
  context_bytes_ += context.text.size();
  return context;
}

void RecordSource::observe(const Entry& entry) {
  if (entry.leaf.type != EntryType::kProducer || entry.erased()) return;
  const auto body = xase::proto::decode_producer_body(entry.body());
  if (!body) return;
  const auto held = contexts_.find(entry.leaf.ring_id);
  if (held != contexts_.end() && held->second.known && held->second.text == body->context) return;
  remember(entry.leaf.ring_id, body->context).known = true;
}

Result<std::string_view> RecordSource::context_of(const Id& ring_id, std::uint64_t segment,
                                                  std::uint64_t sequence) {
  if (const auto held = contexts_.find(ring_id); held != contexts_.end()) {
    if (held->second.known) return std::string_view(held->second.text);
    if (held->second.absent_in == segment) return std::string_view();
  }
  JournalReader finder(fs_, directory_);
  if (Status status = finder.seek(segment); !status.ok()) return status;
  for (;;) {
    const Result<Step> step = finder.next(sequence);
    if (!step.ok()) return step.status();
    if (*step == Step::kEnd) break;
    if (*step == Step::kDamage) continue;
    if (finder.entry().leaf.ring_id == ring_id) observe(finder.entry());
  }
  if (const auto held = contexts_.find(ring_id); held != contexts_.end() && held->second.known) {
    return std::string_view(held->second.text);
  }
  remember(ring_id, {}).absent_in = segment;
  return std::string_view();
}

Result<std::string_view> RecordSource::context() {
  const Entry& entry = reader_.entry();
  return context_of(entry.leaf.ring_id, reader_.segment_first_sequence(), entry.leaf.sequence);
}

Result<RecordSource::Fetched> RecordSource::fetch(std::uint64_t sequence, std::uint64_t through) {
  if (!fetcher_) fetcher_ = std::make_unique<JournalReader>(fs_, directory_);
  if (Status status = fetcher_->seek(sequence); !status.ok()) return status;
  const Result<Step> step = fetcher_->next(through);
  if (!step.ok()) return step.status();
  const bool found = *step == Step::kEntry && fetcher_->entry().leaf.sequence == sequence &&
                     fetcher_->entry().leaf.type == EntryType::kRecord;
  if (!found) {
    return Status(Code::kNotFound,
                  "record " + std::to_string(sequence) + " is no longer in the journal");
  }
  Fetched fetched;
  fetched.entry = fetcher_->entry();
  const Result<std::string_view> context =
      context_of(fetched.entry.leaf.ring_id, fetcher_->segment_first_sequence(), sequence);
  if (!context.ok()) return context.status();
  fetched.context = *context;
  return fetched;
}

}  // namespace xased
