#include "daemon/report/data_block.hpp"

#include <map>
#include <nlohmann/json.hpp>

#include "proto/base64.hpp"
#include "proto/entry_body.hpp"
#include "proto/record.hpp"

namespace xased {

using xase::proto::Bytes;
using xase::proto::EntryType;
using xase::proto::Erasable;
using xase::proto::Hash;
using xase::proto::kRestPart;
using xase::proto::RecordFields;
using xase::proto::Span;

namespace {

using Json = nlohmann::ordered_json;

// Paths share most of their nodes: each is written once.
class HashTable {
 public:
  std::size_t index_of(const Hash& hash) {
    const auto [place, is_new] = places_.try_emplace(hash, texts_.size());
    if (is_new) texts_.push_back(xase::proto::encode_base64(hash));
    return place->second;
  }
  Json take() { return Json(std::move(texts_)); }

 private:
  std::map<Hash, std::size_t> places_;
  std::vector<std::string> texts_;
};

class DataBlock {
 public:
  explicit DataBlock(const ReportOptions& options) : options_(options) {}

  Json of_entry(const ReportEntry& entry) {
    Json json{{"s", entry.sequence}};
    if (entry.leaf) json["l"] = xase::proto::encode_base64(*entry.leaf);
    if (entry.path) {
      Json& path = json["p"] = Json::array();
      for (const Hash& node : *entry.path) path.push_back(hashes_.index_of(node));
    }
    if (!entry.path_problem.empty()) json["pp"] = entry.path_problem;
    if (entry.is_from_tree) json["t"] = 1;
    if (!entry.faults.empty()) json["f"] = entry.faults;
    if (!entry.leaf || entry.is_from_tree) return json;
    const auto leaf = xase::proto::decode_leaf(*entry.leaf);
    const auto erasable = xase::proto::decode_erasable(entry.erasable);
    if (!leaf || !erasable) {
      json["e"] = 1;
      return json;
    }
    if (leaf->type == EntryType::kRecord) {
      add_record(json, *erasable);
    } else if (is_body_shown(leaf->type)) {
      json["d"] = Json::array({nullptr, nullptr, nullptr, part(*erasable, kRestPart)});
    }
    return json;
  }

  Json take_hashes() { return hashes_.take(); }

 private:
  // A PRODUCER entry tells of the host, a REJECTED one holds a record.
  bool is_body_shown(EntryType type) const {
    if (type == EntryType::kProducer) return options_.disclose.context;
    return type != EntryType::kRejected || options_.disclose.all();
  }

  static Json part(const Erasable& erasable, std::size_t i) {
    if (erasable.parts[i].empty()) return nullptr;
    return Json::array({xase::proto::encode_base64(erasable.parts[i]),
                        xase::proto::encode_base64(erasable.salts[i])});
  }

  void add_record(Json& json, const Erasable& erasable) {
    const auto fields = xase::proto::decode_record_parts(erasable);
    const ReportDisclosure& disclose = options_.disclose;
    const bool is_rest_shown =
        disclose.explanation || (fields && fields->span(Span::kExplanation).empty());
    const std::array<bool, xase::proto::kParts> is_shown{disclose.input, disclose.output,
                                                         disclose.context, is_rest_shown};
    Json& parts = json["d"] = Json::array();
    for (std::size_t i = 0; i < is_shown.size(); ++i) {
      parts.push_back(is_shown[i] ? part(erasable, i) : Json());
    }
    if (!is_rest_shown && fields) json["m"] = stated(*fields);
  }

  // In place of the rest, where that is withheld for its explanation.
  static Json stated(const RecordFields& fields) {
    Json json;
    if (fields.has(xase::proto::kRecordHasConfidence)) json["confidence"] = fields.confidence;
    if (fields.has(xase::proto::kRecordHasProcessingTime)) {
      json["processing_time"] = fields.processing_time_ms;
    }
    constexpr std::array<std::pair<Span, const char*>, 8> kStated{
        {{Span::kPolicy, "policy"},
         {Span::kPolicyVersion, "policy_version"},
         {Span::kTransactionId, "transaction_id"},
         {Span::kDecisionType, "decision_type"},
         {Span::kModelId, "model_id"},
         {Span::kModelVersion, "model_version"},
         {Span::kModelHash, "model_hash"},
         {Span::kFeatureSchemaHash, "feature_schema_hash"}}};
    for (const auto& [span, name] : kStated) {
      if (!fields.span(span).empty()) json[name] = fields.span(span);
    }
    return json;
  }

  const ReportOptions& options_;
  HashTable hashes_;
};

Json disclosed(const ReportDisclosure& disclose) {
  Json names = Json::array();
  if (disclose.input) names.push_back("input");
  if (disclose.output) names.push_back("output");
  if (disclose.context) names.push_back("context");
  if (disclose.explanation) names.push_back("explanation");
  return names;
}

}  // namespace

std::string report_data_block(const ReportContents& contents, const ReportOptions& options,
                              const std::string& key) {
  DataBlock block(options);
  Json json{{"format", 1},
            {"program", options.program},
            // Nanoseconds are more than a JavaScript number holds.
            {"made", std::to_string(options.made_wall_ns)},
            {"from", contents.from},
            {"to", contents.to},
            {"last", contents.last},
            {"journal_first", contents.journal_first},
            {"has_earlier", contents.has_earlier},
            {"start", contents.origin},
            {"disclosed", disclosed(options.disclose)},
            {"key", key},
            {"key_is_pinned", options.key.has_value()},
            {"note", contents.note},
            {"note_problem", contents.note_problem}};
  Json& damages = json["damages"] = Json::array();
  for (const JournalDamage& damage : contents.damages) {
    damages.push_back({{"first", damage.first},
                       {"last", damage.last},
                       {"segment", damage.segment},
                       {"position", damage.position}});
  }
  Json& entries = json["entries"] = Json::array();
  for (const ReportEntry& entry : contents.entries) entries.push_back(block.of_entry(entry));
  json["hashes"] = block.take_hashes();
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace xased
