#include "daemon/ledger/tree/signing_key.hpp"

#include <fcntl.h>
#include <openssl/bio.h>
#include <openssl/crypto.h>
#include <openssl/pem.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>

namespace xased {
namespace {

using xase::proto::Bytes;

// An Ed25519 key takes 119 bytes; anything much larger is some other file.
constexpr std::size_t kPemBytesMax = 4096;
constexpr std::size_t kSignatureBytes = 64;

struct FreeBio {
  void operator()(BIO* bio) const { BIO_free(bio); }
};
using Bio = std::unique_ptr<BIO, FreeBio>;

struct FreeContext {
  void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
};

// Bytes of a private key: gone when it goes.
class Secret {
 public:
  Secret() = default;
  Secret(const Secret&) = delete;
  Secret& operator=(const Secret&) = delete;
  ~Secret() { OPENSSL_cleanse(bytes_.data(), bytes_.size()); }

  std::span<std::byte> room() { return bytes_; }
  Bytes first(std::size_t count) const { return Bytes(bytes_).first(count); }

 private:
  std::array<std::byte, kPemBytesMax + 1> bytes_{};
};

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  int get() const { return fd_; }

 private:
  int fd_;
};

// An encrypted file must be an error, not a question on the terminal.
int no_password(char* /*buffer*/, int /*size*/, int /*writing*/, void* /*data*/) { return -1; }

Status check_owner_and_mode(const struct stat& info, const std::string& path) {
  if (!S_ISREG(info.st_mode)) return {Code::kInvalid, path + " is not a regular file"};
  if (info.st_uid != ::geteuid()) {
    return {Code::kDenied, "the signing key " + path + " belongs to uid " +
                               std::to_string(info.st_uid) +
                               ", which can sign in our name: run as "
                               "that user, or move the file away so that a new key is made"};
  }
  if ((info.st_mode & (S_IRWXG | S_IRWXO)) != 0) {
    return {Code::kDenied, "the signing key " + path +
                               " can be read or changed by others than its owner: if nobody did, "
                               "chmod 600 " +
                               path + "; else move it away so that a new key is made"};
  }
  return {};
}

// Through one descriptor, so that what is checked is what is read.
Result<std::size_t> read_private_file(const std::string& path, std::span<std::byte> to) {
  const Descriptor fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  if (fd.get() < 0) return os_status("open the signing key " + path, errno);
  struct stat info {};
  if (::fstat(fd.get(), &info) != 0) return os_status("stat " + path, errno);
  if (Status status = check_owner_and_mode(info, path); !status.ok()) return status;
  std::size_t size = 0;
  while (size < to.size()) {
    const ssize_t got = ::read(fd.get(), to.data() + size, to.size() - size);
    if (got == 0) break;
    if (got < 0) {
      if (errno == EINTR) continue;
      return os_status("read the signing key " + path, errno);
    }
    size += static_cast<std::size_t>(got);
  }
  return size;
}

}  // namespace

Result<std::unique_ptr<Ed25519Key>> Ed25519Key::make(Key key, const std::string& name) {
  xase::proto::VerifierKey verifier_key;
  verifier_key.name = name;
  verifier_key.key.resize(xase::proto::kEd25519KeyBytes);
  if (!xase::proto::is_note_name(name)) {
    return Status(Code::kInvalid, "\"" + name +
                                      "\" cannot be the name of a signing key: it is empty, too "
                                      "long, or holds a space or a plus sign");
  }
  std::size_t size = verifier_key.key.size();
  if (EVP_PKEY_get_raw_public_key(
          key.get(), reinterpret_cast<unsigned char*>(verifier_key.key.data()), &size) != 1 ||
      size != verifier_key.key.size()) {
    return Status(Code::kInvalid, "the signing key has no Ed25519 public half");
  }
  return std::unique_ptr<Ed25519Key>(new Ed25519Key(std::move(key), std::move(verifier_key)));
}

Result<std::unique_ptr<Ed25519Key>> Ed25519Key::generate(const std::string& name) {
  Key key(EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519"));
  if (key == nullptr) return Status(Code::kUnsupported, "OpenSSL makes no Ed25519 keys");
  return make(std::move(key), name);
}

Result<std::unique_ptr<Ed25519Key>> Ed25519Key::from_pem(Bytes pem, const std::string& name) {
  if (pem.size() > kPemBytesMax) {
    return Status(Code::kInvalid, "the signing key is longer than 4096 bytes");
  }
  const Bio bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  Key key(bio == nullptr ? nullptr
                         : PEM_read_bio_PrivateKey(bio.get(), nullptr, no_password, nullptr));
  if (key == nullptr || EVP_PKEY_get_id(key.get()) != EVP_PKEY_ED25519) {
    return Status(Code::kInvalid,
                  "the signing key is not an unencrypted Ed25519 private key in PEM");
  }
  return make(std::move(key), name);
}

Result<std::unique_ptr<Ed25519Key>> Ed25519Key::load(const std::string& path,
                                                     const std::string& name) {
  Secret pem;
  const Result<std::size_t> size = read_private_file(path, pem.room());
  if (!size.ok()) return size.status();
  auto key = from_pem(pem.first(*size), name);
  if (!key.ok()) return Status(key.status().code(), path + ": " + key.status().message());
  return key;
}

Status Ed25519Key::store(FileSystem& fs, const std::string& path) const {
  if (fs.exists(path)) return {Code::kExists, "the signing key " + path + " is there already"};
  // OpenSSL cleanses the buffer of a memory BIO when it frees it.
  const Bio bio(BIO_new(BIO_s_secmem()));
  char* text = nullptr;
  if (bio == nullptr || PEM_write_bio_PKCS8PrivateKey(bio.get(), key_.get(), nullptr, nullptr, 0,
                                                      nullptr, nullptr) != 1) {
    return {Code::kUnsupported, "OpenSSL cannot write the signing key"};
  }
  const long size = BIO_get_mem_data(bio.get(), &text);
  return write_file_atomically(fs, path,
                               xase::proto::as_bytes({text, static_cast<std::size_t>(size)}), 0600);
}

Result<std::vector<std::byte>> Ed25519Key::sign(Bytes message) {
  const std::unique_ptr<EVP_MD_CTX, FreeContext> context(EVP_MD_CTX_new());
  std::vector<std::byte> signature(kSignatureBytes);
  std::size_t size = signature.size();
  if (context == nullptr ||
      EVP_DigestSignInit(context.get(), nullptr, nullptr, nullptr, key_.get()) != 1 ||
      EVP_DigestSign(context.get(), reinterpret_cast<unsigned char*>(signature.data()), &size,
                     reinterpret_cast<const unsigned char*>(message.data()), message.size()) != 1 ||
      size != signature.size()) {
    return Status(Code::kIo, "OpenSSL could not sign with the key of " + verifier_key_.name);
  }
  return signature;
}

}  // namespace xased
