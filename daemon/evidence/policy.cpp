#include "daemon/evidence/policy.hpp"

#include <algorithm>
#include <charconv>
#include <optional>

#include "daemon/config/suggest.hpp"
#include "daemon/evidence/signed_head.hpp"
#include "daemon/ledger/verify.hpp"
#include "daemon/platform/sha256.hpp"
#include "proto/hex.hpp"
#include "proto/service_id.hpp"

namespace xased {

using xase::proto::NoteFault;
using xase::proto::Parsed;
using xase::proto::VerifierKey;

namespace {

using Words = std::vector<std::string_view>;

constexpr std::size_t kWitnessesMax = 1000;
constexpr std::size_t kGroupsMax = 1000;
constexpr std::size_t kAnchorsMax = 1000;
constexpr std::string_view kNoQuorum = "none";
constexpr std::string_view kFirstRecord = "genesis";

Words words_of(std::string_view line) {
  constexpr std::string_view kSpace = " \t\r";
  Words words;
  while (true) {
    const std::size_t begin = line.find_first_not_of(kSpace);
    if (begin == std::string_view::npos) return words;
    const std::size_t end = std::min(line.find_first_of(kSpace, begin), line.size());
    words.push_back(line.substr(begin, end - begin));
    line.remove_prefix(end);
  }
}

std::string quoted(std::string_view text) {
  constexpr std::size_t kShown = 80;
  return "\"" + std::string(text.substr(0, kShown)) + (text.size() > kShown ? "…\"" : "\"");
}

std::string meant(std::string_view name, const std::vector<std::string>& names) {
  const auto near = nearest(name, names);
  return near ? "; did you mean " + *near + "?" : "";
}

class Parser {
 public:
  // What is wrong with the line, or empty.
  std::string take(const Words& words) {
    using Take = std::string (Parser::*)(const Words&);
    struct Kind {
      std::string_view name;
      std::size_t words_min;
      std::size_t words_max;
      Take take;
      std::string_view form;
    };
    constexpr std::size_t kMany = kWitnessesMax + kGroupsMax;
    static constexpr Kind kKinds[] = {
        {"log", 2, 3, &Parser::take_log, "log VERIFIER_KEY [URL]"},
        {"witness", 3, 4, &Parser::take_witness, "witness NAME VERIFIER_KEY [URL]"},
        {"group", 4, kMany, &Parser::take_group, "group NAME any|all|NUMBER MEMBER..."},
        {"quorum", 2, 2, &Parser::take_quorum, "quorum NAME|none"},
        {"anchor", 4, 4, &Parser::take_anchor,
         "anchor TRANSACTION_ID RECORD_HASH PREVIOUS_HASH|genesis"},
        {"require", 2, kMany, &Parser::take_require, "require PROPERTY..."},
    };
    std::vector<std::string> names;
    for (const Kind& kind : kKinds) {
      names.emplace_back(kind.name);
      if (kind.name != words[0]) continue;
      if (words.size() < kind.words_min || words.size() > kind.words_max) {
        return "expected " + std::string(kind.form);
      }
      return (this->*kind.take)(words);
    }
    return quoted(words[0]) + " begins no line of a policy" + meant(words[0], names) +
           " There are log, witness, group, quorum, anchor and require";
  }

  // What is wrong with the whole, or empty.
  std::string finish() const {
    if (!policy_.witnesses.witnesses.empty() && !has_quorum_) {
      return "there are witnesses, and no line says which must have seen the ledger: add quorum "
             "NAME, or quorum none";
    }
    if (policy_.logs.empty() && !policy_.witnesses.asks() && policy_.required.empty()) {
      return "it asks for nothing: name the ledger's key with log VERIFIER_KEY, as xasectl keys "
             "show prints it";
    }
    return {};
  }
  Policy take_policy() { return std::move(policy_); }

 private:
  std::string take_log(const Words& words) {
    const Parsed<VerifierKey> key = xase::proto::parse_verifier_key(sha_, words[1]);
    if (!key.ok()) return not_a_key(words[1], key.fault);
    if (std::find(policy_.logs.begin(), policy_.logs.end(), *key) != policy_.logs.end()) {
      return "the key of this log is there twice";
    }
    policy_.logs.push_back(*key);
    return {};
  }

  std::string take_witness(const Words& words) {
    if (std::string fault = take_name(words[1]); !fault.empty()) return fault;
    const Parsed<VerifierKey> key = xase::proto::parse_witness_key(sha_, words[2]);
    if (!key.ok()) return not_a_key(words[2], key.fault);
    auto& witnesses = policy_.witnesses.witnesses;
    // Else one witness could be a quorum of two.
    for (const Witness& other : witnesses) {
      if (other.key.key == key->key) return "the key of this witness is that of " + other.name;
    }
    if (witnesses.size() == kWitnessesMax) return "there are too many witnesses";
    witnesses.push_back({std::string(words[1]), *key});
    return {};
  }

  std::string take_group(const Words& words) {
    WitnessGroup group;
    for (auto word = words.begin() + 3; word != words.end(); ++word) {
      if (std::string fault = find_name(*word); !fault.empty()) return fault;
      std::string member(*word);
      if (std::find(group.members.begin(), group.members.end(), member) != group.members.end()) {
        return quoted(member) + " is there twice, and would count twice";
      }
      group.members.push_back(std::move(member));
    }
    if (words[2] == "any") {
      group.threshold = 1;
    } else if (words[2] == "all") {
      group.threshold = group.members.size();
    } else {
      const auto [end, error] =
          std::from_chars(words[2].data(), words[2].data() + words[2].size(), group.threshold);
      if (error != std::errc() || end != words[2].data() + words[2].size() ||
          group.threshold == 0 || group.threshold > group.members.size()) {
        return quoted(words[2]) + " is not any, all, or a number from 1 to that of the members";
      }
    }
    // After the members: a group is none of its own.
    if (std::string fault = take_name(words[1]); !fault.empty()) return fault;
    if (policy_.witnesses.groups.size() == kGroupsMax) return "there are too many groups";
    group.name = words[1];
    policy_.witnesses.groups.push_back(std::move(group));
    return {};
  }

  std::string take_quorum(const Words& words) {
    if (has_quorum_) return "there is a quorum already";
    has_quorum_ = true;
    if (words[1] == kNoQuorum) return {};
    if (std::string fault = find_name(words[1]); !fault.empty()) return fault;
    policy_.witnesses.quorum = words[1];
    return {};
  }

  std::string take_anchor(const Words& words) {
    if (!xase::proto::is_service_id(words[1])) {
      return quoted(words[1]) + " is no transaction_id of the service";
    }
    PinnedAnchor anchor;
    anchor.transaction_id = words[1];
    for (const PinnedAnchor& other : policy_.anchors) {
      if (other.transaction_id == anchor.transaction_id) return "this anchor is there twice";
    }
    const auto hash = xase::proto::hash_of_hex(words[2]);
    if (!hash) return not_a_hash(words[2]);
    anchor.record_hash = *hash;
    if (words[3] != kFirstRecord) {
      anchor.previous = xase::proto::hash_of_hex(words[3]);
      if (!anchor.previous) return not_a_hash(words[3]) + ", nor genesis";
    }
    if (policy_.anchors.size() == kAnchorsMax) return "there are too many anchors";
    policy_.anchors.push_back(std::move(anchor));
    // Of a proof or a bundle too, which holds none.
    require(std::string(verify_property_name(VerifyProperty::kAnchors)));
    return {};
  }

  std::string take_require(const Words& words) {
    const std::vector<std::string> known = property_names();
    for (auto word = words.begin() + 1; word != words.end(); ++word) {
      if (std::find(known.begin(), known.end(), *word) == known.end()) {
        return quoted(*word) + " is no property that verify tells of" + meant(*word, known);
      }
      require(std::string(*word));
    }
    return {};
  }

  void require(std::string name) {
    auto& required = policy_.required;
    if (std::find(required.begin(), required.end(), name) != required.end()) return;
    required.push_back(std::move(name));
  }

  static std::string not_a_hash(std::string_view text) {
    return quoted(text) + " is no hash, 64 digits of lower-case hexadecimal";
  }

  static std::string not_a_key(std::string_view text, NoteFault fault) {
    return quoted(text) +
           " is no key that can be used here: " + std::string(xase::proto::note_fault_text(fault));
  }

  std::string take_name(std::string_view name) {
    if (name == kNoQuorum) return "\"none\" names no witness and no group";
    if (std::find(names_.begin(), names_.end(), name) != names_.end()) {
      return quoted(name) + " is the name of another witness or group";
    }
    names_.emplace_back(name);
    return {};
  }

  std::string find_name(std::string_view name) const {
    if (std::find(names_.begin(), names_.end(), name) != names_.end()) return {};
    return "no witness and no group before this line is named " + quoted(name) +
           meant(name, names_);
  }

  Policy policy_;
  std::vector<std::string> names_;
  bool has_quorum_ = false;
  Sha256 sha_;
};

}  // namespace

Result<Policy> parse_policy(std::string_view text, const std::string& file) {
  const auto fail = [&](const std::string& where, const std::string& what) {
    return Status(Code::kInvalid, file + where + ": " + what);
  };
  if (text.size() > kPolicyBytesMax) return fail("", "it is longer than any policy, 1 MiB");
  Parser parser;
  for (std::size_t number = 1; !text.empty(); ++number) {
    const std::size_t end = text.find('\n');
    const Words words = words_of(text.substr(0, end));
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    if (words.empty() || words[0].starts_with('#')) continue;
    if (const std::string fault = parser.take(words); !fault.empty()) {
      return fail(":" + std::to_string(number), fault);
    }
  }
  if (const std::string fault = parser.finish(); !fault.empty()) return fail("", fault);
  return parser.take_policy();
}

}  // namespace xased
