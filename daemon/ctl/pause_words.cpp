#include "daemon/ctl/status_view.hpp"

namespace xased::ctl {

PauseWords pause_words(const std::string& reason) {
  struct Row {
    const char* reason;
    const char* why;
    const char* what_to_do;
  };
  static constexpr Row kRows[] = {
      {"no_api_key", "there is no API key to send",
       "set api.key_file or XASE_API_KEY, then: xasectl reload"},
      {"unauthorized", "the API does not accept the key",
       "put a valid key in its file (it is read again by itself), or: xasectl reload"},
      {"quota_exceeded", "the account's quota is used up",
       "raise the plan's quota; delivery resumes by itself"},
      {"forbidden", "the key lacks the permission \"ingest\"",
       "give it that permission, or use another key; delivery resumes by itself"},
      {"not_found", "there is no API at that address", "check api.base_url: xasectl config show"},
      {"method_not_allowed", "what answers at that address is not the API",
       "check api.base_url: xasectl config show"},
      {"redirected", "the address redirects elsewhere, and the key is not sent along",
       "set api.base_url to the final address: xasectl config show"},
      {"not_the_api", "something else answers in the API's place (a proxy, a portal)",
       "check api.base_url and the network: xasectl config show"},
      {"refusals", "the API refused many records in a row",
       "see what it said: xasectl deadletter list"},
      {"rate_limited", "the API's rate limit is reached", "it ends by itself"},
      {"journal_full", "there is no room for receipts in the journal",
       "free space on the disk of state_dir, or raise journal.max_bytes"},
      {"disabled", "delivery is off by configuration",
       "set delivery.enabled = true, then: xasectl reload"},
  };
  for (const Row& row : kRows) {
    if (reason == row.reason) return {row.why, row.what_to_do};
  }
  return {printable(reason), ""};
}

}  // namespace xased::ctl
