#include "daemon/ctl/verify_evidence.hpp"

#include <unistd.h>

#include "daemon/ctl/bundle_view.hpp"
#include "daemon/ctl/proof_view.hpp"
#include "daemon/ctl/terminal.hpp"

namespace xased::ctl {
namespace {

int cannot_read(const Status& status) {
  return fail(status.code() == Code::kDenied ? kExitDenied : kExitMalformed, status.message());
}

int malformed(const std::string& path, const Status& status) {
  return fail(kExitMalformed, path + ": " + status.message());
}

// What is to be said, for people or for programs, and the exit code.
struct Said {
  std::string text;
  int exit_code = kExitMalformed;
};

Result<Said> say_of_proof(const Globals& globals, std::string_view bytes, const Policy& policy) {
  const auto proof = decode_proof(bytes);
  if (!proof.ok()) return proof.status();
  const auto report = verify_proof(*proof, policy);
  if (!report.ok()) return report.status();
  return Said{globals.json ? proof_json(*proof, *report) + "\n"
                           : proof_page(*proof, *report, style_of(STDOUT_FILENO)),
              report->exit_code()};
}

Result<Said> say_of_bundle(const Globals& globals, std::string_view bytes, const Policy& policy) {
  const auto bundle = decode_bundle(bytes);
  if (!bundle.ok()) return bundle.status();
  const auto report = verify_bundle(*bundle, policy);
  if (!report.ok()) return report.status();
  return Said{
      globals.json ? bundle_json(*report) + "\n" : bundle_page(*report, style_of(STDOUT_FILENO)),
      report->exit_code()};
}

}  // namespace

int verify_evidence_file(const Globals& globals, const std::string& path, const Policy& policy,
                         bool quiet) {
  const auto bytes = read_file(system_file_system(), path, kBundleBytesMax);
  if (!bytes.ok()) return cannot_read(bytes.status());
  const std::string_view text = xase::proto::as_text(*bytes);
  const auto said = looks_like_a_bundle(text) ? say_of_bundle(globals, text, policy)
                                              : say_of_proof(globals, text, policy);
  if (!said.ok()) return malformed(path, said.status());
  if (globals.json || !quiet) write_all(STDOUT_FILENO, said->text);
  return said->exit_code;
}

}  // namespace xased::ctl
