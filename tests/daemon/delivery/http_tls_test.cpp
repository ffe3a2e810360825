// TLS: the key goes to no one whose certificate does not verify.
#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <atomic>
#include <memory>
#include <string>

#include "daemon/delivery/http_transport.hpp"
#include "tests/daemon/delivery/answers.hpp"
#include "tests/support/loopback_peer.hpp"
#include "tests/support/temp_dir.hpp"

namespace xased::test {
namespace {

template <class T, void (*Free)(T*)>
struct Freed {
  void operator()(T* what) const { Free(what); }
};
template <class T, void (*Free)(T*)>
using Owned = std::unique_ptr<T, Freed<T, Free>>;
using Key = Owned<EVP_PKEY, EVP_PKEY_free>;
using Certificate = Owned<X509, X509_free>;

constexpr long kDay = 86400;

// Signs itself, for `subject_alternative`, valid for the given days from now.
Certificate certificate(EVP_PKEY* key, const std::string& subject_alternative, long from_day,
                        long to_day) {
  Certificate made(X509_new());
  X509_set_version(made.get(), 2);
  ASN1_INTEGER_set(X509_get_serialNumber(made.get()), 1);
  X509_gmtime_adj(X509_getm_notBefore(made.get()), from_day * kDay);
  X509_gmtime_adj(X509_getm_notAfter(made.get()), to_day * kDay);
  X509_set_pubkey(made.get(), key);
  X509_NAME* name = X509_get_subject_name(made.get());
  X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
                             reinterpret_cast<const unsigned char*>("test"), -1, -1, 0);
  X509_set_issuer_name(made.get(), name);
  for (const auto& [nid, value] :
       {std::pair<int, std::string>{NID_basic_constraints, "critical,CA:TRUE"},
        {NID_subject_alt_name, subject_alternative}}) {
    X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, nullptr, nid, value.c_str());
    EXPECT_NE(extension, nullptr);
    X509_add_ext(made.get(), extension, -1);
    X509_EXTENSION_free(extension);
  }
  EXPECT_GT(X509_sign(made.get(), key, EVP_sha256()), 0);
  return made;
}

class HttpTls : public ::testing::Test {
 protected:
  HttpTls() : key_(EVP_EC_gen("P-256")) {}

  // A peer with a certificate of these facts, which the file ca.pem trusts.
  void serve(const std::string& subject_alternative, long from_day = -1, long to_day = 1) {
    const Certificate shown = certificate(key_.get(), subject_alternative, from_day, to_day);
    FILE* file = std::fopen((directory_ / "ca.pem").c_str(), "w");
    ASSERT_NE(file, nullptr);
    PEM_write_X509(file, shown.get());
    std::fclose(file);
    context_.reset(SSL_CTX_new(TLS_server_method()));
    ASSERT_EQ(SSL_CTX_use_certificate(context_.get(), shown.get()), 1);
    ASSERT_EQ(SSL_CTX_use_PrivateKey(context_.get(), key_.get()), 1);
    peer_ =
        std::make_unique<LoopbackPeer>([this](PeerConnection& connection) { talk(connection); });
  }

  Answer post(const std::string& host, bool with_ca, bool insecure = false,
              std::chrono::milliseconds timeout = std::chrono::seconds(30)) {
    HttpOptions options;
    options.url = *parse_base_url("https://" + host + ":" + std::to_string(peer_->port()));
    options.timeout = timeout;
    options.connect_timeout = std::chrono::seconds(5);
    if (with_ca) options.ca_file = directory_ / "ca.pem";
    options.tls_insecure_skip_verify = insecure;
    auto api_key = std::make_shared<ApiKeyHolder>();
    api_key->set_source({ApiKeySource::Kind::kEnvironment, "KEY"}, [](const char*) {
      return "xase_pk_0123456789abcdef0123456789abcdef0123456789abcdef";
    });
    api_key->refresh(false);
    auto factory = make_http_transports(options, api_key, system_clock());
    EXPECT_TRUE(factory.ok());
    const std::unique_ptr<Transport> transport = (*factory)();
    Answer last;
    // The second goes over the same connection.
    for (int i = 0; i < 2; ++i)
      last = transport->post({std::string(100'000, 'b'), "0123456789abcdef", {}});
    return last;
  }

  TempDir directory_;
  Key key_;
  Owned<SSL_CTX, SSL_CTX_free> context_;
  std::atomic<int> requests_{0};
  std::unique_ptr<LoopbackPeer> peer_;

 private:
  void talk(PeerConnection& connection) {
    const Owned<SSL, SSL_free> ssl(SSL_new(context_.get()));
    SSL_set_fd(ssl.get(), connection.fd());
    if (SSL_accept(ssl.get()) != 1) return;
    for (;;) {
      std::string all;
      std::size_t whole = 1;
      while (all.size() < whole) {
        char bytes[16384];
        const int got = SSL_read(ssl.get(), bytes, sizeof bytes);
        if (got <= 0) return;
        all.append(bytes, static_cast<std::size_t>(got));
        const std::size_t head = all.find("\r\n\r\n");
        whole = head == std::string::npos ? all.size() + 1 : head + 4 + 100'000;
      }
      ++requests_;
      const std::string out = http(201, created().body);
      if (SSL_write(ssl.get(), out.data(), static_cast<int>(out.size())) <= 0) return;
    }
  }
};

TEST_F(HttpTls, DeliversToACertificateThatVerifies) {
  serve("DNS:localhost,IP:127.0.0.1");
  EXPECT_EQ(post("localhost", true).status, 201);
  EXPECT_EQ(post("127.0.0.1", true).status, 201);
  EXPECT_EQ(requests_, 4);
  EXPECT_EQ(peer_->connections(), 2);
}

TEST_F(HttpTls, SendsNothingToAnUnknownIssuer) {
  serve("DNS:localhost");
  const Answer answer = post("localhost", false);
  EXPECT_EQ(answer.reach, Reach::kNotSent);
  EXPECT_NE(answer.failure.find("does not verify"), std::string::npos) << answer.failure;
  EXPECT_EQ(requests_, 0);
}

TEST_F(HttpTls, SendsNothingToAnotherName) {
  serve("DNS:elsewhere.example,IP:127.0.0.2");
  EXPECT_EQ(post("localhost", true).reach, Reach::kNotSent);
  EXPECT_EQ(post("127.0.0.1", true).reach, Reach::kNotSent);
  EXPECT_EQ(requests_, 0);
}

TEST_F(HttpTls, SendsNothingToACertificateThatExpiredOrIsNotYetValid) {
  serve("DNS:localhost", -10, -1);
  EXPECT_EQ(post("localhost", true).reach, Reach::kNotSent);
  serve("DNS:localhost", 1, 10);
  EXPECT_EQ(post("localhost", true).reach, Reach::kNotSent);
  EXPECT_EQ(requests_, 0);
}

TEST_F(HttpTls, SkipsTheChecksOnlyWhereItIsTold) {
  serve("DNS:elsewhere.example", -10, -1);
  EXPECT_EQ(post("localhost", false, true).status, 201);
}

TEST_F(HttpTls, APeerThatSpeaksNoTlsGetsNothing) {
  serve("DNS:localhost");
  peer_ = std::make_unique<LoopbackPeer>([](PeerConnection& connection) {
    connection.receive();
    connection.send("HTTP/1.1 400 Bad Request\r\n\r\n");
  });
  EXPECT_EQ(post("localhost", true).reach, Reach::kNotSent);
}

TEST_F(HttpTls, AHandshakeThatHangsMeetsTheTimeLimit) {
  serve("DNS:localhost");
  peer_ = std::make_unique<LoopbackPeer>([](PeerConnection& connection) { connection.hang(); });
  const Answer answer = post("localhost", true, false, std::chrono::milliseconds(100));
  EXPECT_EQ(answer.reach, Reach::kNotSent);
  EXPECT_TRUE(answer.timed_out);
}

TEST(HttpTlsSettings, ACaFileThatCannotBeReadIsSaid) {
  HttpOptions options;
  options.url = *parse_base_url("https://localhost");
  options.ca_file = "/nonexistent/ca.pem";
  const auto factory =
      make_http_transports(options, std::make_shared<ApiKeyHolder>(), system_clock());
  ASSERT_FALSE(factory.ok());
  EXPECT_NE(factory.status().message().find("/nonexistent/ca.pem"), std::string::npos);
}

}  // namespace
}  // namespace xased::test
