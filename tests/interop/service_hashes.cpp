// For each line, a JSON object: what is posted of it as input and context, and what the service
// must make of that. Lines of JSON: {"body", "input", "context"}, or null where it cannot be told.
#include <iostream>
#include <string>

#include "daemon/delivery/canonical_json.hpp"
#include "daemon/delivery/service_hash.hpp"

int main() {
  xased::CanonicalJson json;
  xased::ServiceHasher hasher;
  std::string line;
  while (std::getline(std::cin, line)) {
    std::string object;
    std::string out = "null";
    if (json.append_object(line, object).ok()) {
      const std::string body =
          R"({"context":)" + object + R"(,"input":)" + object + R"(,"output":{"a":1}})";
      if (const auto hashes = hasher.of_body(body)) {
        out = R"({"body":)";
        xased::append_canonical_string(body, out);
        out += R"(,"input":")" + xased::service_hash_text(hashes->input) + R"(","context":")" +
               xased::service_hash_text(*hashes->context) + "\"}";
      }
    }
    std::cout << out << '\n';
  }
}
