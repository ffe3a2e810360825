#include "daemon/report/page.hpp"

#include "daemon/platform/sha256.hpp"
#include "proto/base64.hpp"

namespace xased {
namespace {

std::string source_of(std::string_view text) {
  Sha256 sha;
  return "'sha256-" + xase::proto::encode_base64(sha.of(xase::proto::as_bytes(text))) + "'";
}

}  // namespace

std::string escape_for_script(std::string_view json) {
  std::string out;
  out.reserve(json.size() + json.size() / 16);
  for (const char c : json) {
    // In JSON these stand in strings alone.
    if (c == '<') {
      out += "\\u003c";
    } else if (c == '>') {
      out += "\\u003e";
    } else if (c == '&') {
      out += "\\u0026";
    } else {
      out += c;
    }
  }
  return out;
}

std::string put_into_page(std::string_view json) {
  std::string page;
  page.reserve(kPageHtml.size() + kPageCss.size() + kPageScript.size() + json.size() * 9 / 8);
  // What is put in is never looked at again for a place to put something.
  std::string_view rest = kPageHtml;
  for (;;) {
    const std::size_t start = rest.find("{{");
    const std::size_t end = rest.find("}}", start);
    page += rest.substr(0, start);
    if (start == std::string_view::npos || end == std::string_view::npos) return page;
    const std::string_view name = rest.substr(start + 2, end - start - 2);
    if (name == "policy") {
      page += "default-src 'none'; script-src " + source_of(kPageScript) + "; style-src " +
              source_of(kPageCss) + "; base-uri 'none'; form-action 'none'";
    } else if (name == "style") {
      page += kPageCss;
    } else if (name == "data") {
      page += escape_for_script(json);
    } else if (name == "script") {
      page += kPageScript;
    }
    rest.remove_prefix(end + 2);
  }
}

}  // namespace xased
