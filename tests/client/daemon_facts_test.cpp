#include "client/src/daemon_facts.hpp"

#include <fstream>

#include "client/src/sha256.hpp"
#include "tests/client/fake_daemon.hpp"

namespace xase::test {
namespace {

using client::key_fits;
using client::pbkdf2_hmac_sha256;
using client::sha256;

std::string hex(const client::Digest& digest) {
  return proto::to_hex(proto::Bytes(reinterpret_cast<const std::byte*>(digest.data()), 32));
}

// FIPS 180-4's examples, and lengths on both sides of a block's end.
TEST(Sha256, IsThatOfTheStandard) {
  EXPECT_EQ(hex(sha256("")), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(hex(sha256("abc")), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(hex(sha256("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq")),
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  EXPECT_EQ(hex(sha256(std::string(1'000'000, 'a'))),
            "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

// RFC 7914, section 11.
TEST(Pbkdf2, IsThatOfTheStandard) {
  EXPECT_EQ(hex(pbkdf2_hmac_sha256("passwd", "salt", 1)),
            "55ac046e56e3089fec1691c22544b605f94185216dde0465e68b9d57c20dacbc");
  EXPECT_EQ(hex(pbkdf2_hmac_sha256("Password", "NaCl", 80000)),
            "4ddcd8f60b98be21830cee5ef22701f9641a4418d04c0414aeff08876b34ab56");
}

// What OpenSSL makes of the same, as the daemon's test has it.
constexpr const char* kCheck = "000102030405060708090a0b0c0d0e0f:d22f4a2c80a34a60";
constexpr const char* kKey = "xase_pk_12ab34cd56ef12ab34cd56ef12ab34cd56ef12ab34cd56ef";

TEST(KeyCheck, FitsOneKeyAlone) {
  EXPECT_TRUE(key_fits(kCheck, kKey));
  EXPECT_FALSE(key_fits(kCheck, "xase_pk_12ab34cd56ef12ab34cd56ef12ab34cd56ef12ab34cd56ee"));
  EXPECT_FALSE(key_fits(kCheck, ""));
  for (const char* broken : {"", ":", "d22f4a2c80a34a60", "00:d22f4a2c80a34a60"}) {
    EXPECT_FALSE(key_fits(broken, kKey)) << broken;
  }
}

class DaemonFacts : public testing::Test {
 protected:
  xase_daemon_facts look(const char* key = "") {
    xase_daemon_facts facts{};
    facts.size = sizeof facts;
    EXPECT_EQ(xase_look_at_daemon(client_.get(), xase_str(key), &facts), XASE_OK);
    return facts;
  }
  void write_settings(const std::string& text) { std::ofstream(dir_.path() + "/settings") << text; }

  TempDir dir_;
  ClientPtr client_ = open_client(dir_.path());
};

TEST_F(DaemonFacts, WithoutSettingsNoneIsThere) {
  const xase_daemon_facts facts = look(kKey);
  EXPECT_EQ(facts.presence, XASE_PRESENCE_AWAY);
  EXPECT_EQ(facts.api_key, XASE_KEY_UNKNOWN);
  EXPECT_EQ(facts.run_dir, dir_.path());
  EXPECT_STREQ(facts.base_url, "");
}

TEST_F(DaemonFacts, ItLivesAsLongAsItHoldsTheLock) {
  write_settings("ring_bytes=65536\nbase_url=http://127.0.0.1:3000/api\n");
  EXPECT_EQ(look().presence, XASE_PRESENCE_AWAY);
  const int fd = open((dir_.path() + "/settings").c_str(), O_RDWR | O_CLOEXEC);
  struct flock lock {};
  lock.l_type = F_RDLCK;
  ASSERT_EQ(fcntl(fd, F_OFD_SETLK, &lock), 0);
  EXPECT_EQ(look().presence, XASE_PRESENCE_RUNNING);
  EXPECT_STREQ(look().base_url, "http://127.0.0.1:3000/api");
  close(fd);
  EXPECT_EQ(look().presence, XASE_PRESENCE_AWAY);
}

TEST_F(DaemonFacts, OfADaemonThatTellsLessNothingIsClaimed) {
  write_settings("ring_bytes=65536\n");
  EXPECT_EQ(look(kKey).presence, XASE_PRESENCE_UNKNOWN);
  EXPECT_EQ(look(kKey).api_key, XASE_KEY_UNKNOWN);
}

TEST_F(DaemonFacts, TellsWhetherTheKeyIsTheDaemons) {
  write_settings("base_url=http://x\napi_key_check=" + std::string(kCheck) + "\n");
  EXPECT_EQ(look().api_key, XASE_KEY_UNKNOWN);
  EXPECT_EQ(look(kKey).api_key, XASE_KEY_SAME);
  EXPECT_EQ(look("xase_pk_another").api_key, XASE_KEY_DIFFERS);
}

TEST_F(DaemonFacts, AnythingAtAllInTheSettingsIsTaken) {
  for (const std::string& text :
       {std::string(100'000, '='), std::string("\n\n=\n"), std::string(5000, '\0'),
        "base_url=" + std::string(3000, 'u'), std::string("api_key_check=zz:\n")}) {
    write_settings(text);
    const xase_daemon_facts facts = look(kKey);
    EXPECT_NE(facts.api_key, XASE_KEY_SAME);
    EXPECT_LT(std::string(facts.base_url).size(), sizeof facts.base_url);
  }
}

}  // namespace
}  // namespace xase::test
