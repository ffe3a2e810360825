// The page around a data block.
#pragma once

#include <string>
#include <string_view>

namespace xased {

// The page's parts, as they lie in this folder.
extern const std::string_view kPageHtml;
extern const std::string_view kPageCss;
extern const std::string_view kPageScript;

// One HTML file: style and script inside, bound by their hashes in its Content-Security-Policy, so
// that no text in `json` could run even if the page failed to treat it as text.
std::string put_into_page(std::string_view json);

// JSON that can stand inside a script element: none of it ends the element or starts a comment.
std::string escape_for_script(std::string_view json);

}  // namespace xased
