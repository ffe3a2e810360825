// A hardware module through PKCS#11 (OASIS, version 2.40): its tokens' P-256 keys, and signing with
// them. The only file that knows what PKCS#11 looks like is this one's source.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "daemon/platform/status.hpp"
#include "proto/bytes.hpp"

namespace xased {

struct Pkcs11Options {
  std::string module;    // path of the shared library
  std::string token;     // label
  std::string key;       // label of the private key that is wanted
  std::string pin_file;  // mode 0600; a newline behind the PIN does not belong to it
};

// One thread, which each call may hold up for as long as the module likes. The library stays loaded
// until the process ends: some do not bear being unloaded.
class Pkcs11Module {
 public:
  struct Key {
    std::string label;
    std::vector<std::byte> public_key;  // SubjectPublicKeyInfo, as VerifierKey has it
    unsigned long handle = 0;           // of the private half, in this session
  };

  // kNotFound where there is no such library, kInvalid where it is none of PKCS#11.
  static Result<std::unique_ptr<Pkcs11Module>> load(const std::string& path);
  virtual ~Pkcs11Module() = default;
  Pkcs11Module(const Pkcs11Module&) = delete;
  Pkcs11Module& operator=(const Pkcs11Module&) = delete;

  // A new session on the token of this label, logged in; what an earlier one left is gone. A token
  // that was put back, or reset, is found. `pin` is not kept. kDenied where the token refuses the
  // PIN, or would be locked by one more that it refuses: asking again with the same one might lock
  // it. kNotFound where there is no such token; kIo for what may pass.
  virtual Status log_in(const std::string& token_label, const std::string& pin) = 0;
  // All P-256 keys of the token that have both halves there.
  virtual Result<std::vector<Key>> find_keys() = 0;
  // Over the SHA-256 of `message`, in DER (Ecdsa-Sig-Value, RFC 3279), checked with the public
  // half. After an error the session is as good as gone.
  virtual Result<std::vector<std::byte>> sign(const Key& key, xase::proto::Bytes message) = 0;
  virtual void log_out() = 0;

 protected:
  Pkcs11Module() = default;
};

// The PIN in the file. kDenied where others than its owner may read or change it.
Result<std::string> read_pin(const std::string& path);

}  // namespace xased
