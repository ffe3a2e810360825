// Keys in a hardware module, by the stand-in that SoftHSM is.
#include <gtest/gtest.h>

#include <thread>

#include "daemon/ledger/tree/pkcs11_keys.hpp"
#include "daemon/ledger/tree/pkcs11_module.hpp"
#include "daemon/ledger/tree/verify_signature.hpp"
#include "tests/support/softhsm_token.hpp"

namespace xased {
namespace {

using std::chrono::milliseconds;
using test::SoftHsmToken;
using xase::proto::as_bytes;
using xase::proto::VerifierKey;

VerifierKey verifier_key(const Pkcs11Module::Key& key) {
  return {"host/test/1", xase::proto::KeyAlgorithm::kEcdsaP256, key.public_key};
}

class Pkcs11 : public testing::Test {
 protected:
  std::unique_ptr<Pkcs11Module> load() {
    auto module = Pkcs11Module::load(SoftHsmToken::kModule);
    EXPECT_TRUE(module.ok()) << module.status().message();
    return module.ok() ? std::move(*module) : nullptr;
  }
  std::unique_ptr<Pkcs11Keys> open(const std::string& key = "ledger",
                                   const std::string& module = SoftHsmToken::kModule) {
    return std::make_unique<Pkcs11Keys>(
        Pkcs11Options{module, SoftHsmToken::kLabel, key, token_.pin_file()}, "host/test/1");
  }
  // Until the module's own thread has come so far.
  template <class Done>
  void wait_until(Done done) {
    for (int i = 0; i < 6000; ++i) {
      if (done()) return;
      std::this_thread::sleep_for(milliseconds(5));
    }
    FAIL() << "the module does not come to it";
  }
  // As all who sign do: asks again until it is there.
  Result<std::vector<std::byte>> sign(Signer& signer, const std::string& text) {
    Result<std::vector<std::byte>> signature = Status(Code::kTimeout, "");
    wait_until([&] {
      signature = signer.sign(as_bytes(text));
      return signature.ok() || signature.status().code() != Code::kTimeout;
    });
    return signature;
  }

  SoftHsmToken token_;
};

TEST_F(Pkcs11, SignsAsTheKeysPublicHalfVerifies) {
  token_.add_key("ledger", "a1");
  const auto module = load();
  ASSERT_TRUE(module->log_in(SoftHsmToken::kLabel, SoftHsmToken::kPin).ok());
  const auto keys = module->find_keys();
  ASSERT_TRUE(keys.ok());
  ASSERT_EQ(keys->size(), 1U);
  EXPECT_EQ(keys->front().label, "ledger");
  // Numbers with and without leading zeros or a sign bit.
  for (int i = 0; i < 64; ++i) {
    const std::string text = "text " + std::to_string(i) + "\n";
    const auto signature = module->sign(keys->front(), as_bytes(text));
    ASSERT_TRUE(signature.ok()) << signature.status().message();
    EXPECT_TRUE(verify_signature(verifier_key(keys->front()), as_bytes(text), *signature).ok());
    EXPECT_FALSE(
        verify_signature(verifier_key(keys->front()), as_bytes(text + "x"), *signature).ok());
  }
}

TEST_F(Pkcs11, PassesOverKeysOfOtherCurves) {
  token_.add_key("ledger", "a1", "P-384");
  const auto module = load();
  ASSERT_TRUE(module->log_in(SoftHsmToken::kLabel, SoftHsmToken::kPin).ok());
  EXPECT_TRUE(module->find_keys()->empty());
}

TEST_F(Pkcs11, SaysWhatIsMissing) {
  EXPECT_EQ(Pkcs11Module::load(token_.path("none.so")).status().code(), Code::kNotFound);
  EXPECT_EQ(Pkcs11Module::load("libm.so.6").status().code(), Code::kInvalid);
  const auto module = load();
  EXPECT_EQ(module->log_in("another", SoftHsmToken::kPin).code(), Code::kNotFound);
  const Status denied = module->log_in(SoftHsmToken::kLabel, "000000");
  EXPECT_EQ(denied.code(), Code::kDenied);
  EXPECT_EQ(denied.message().find("000000"), std::string::npos);
  EXPECT_NE(denied.message().find("CKR_PIN_INCORRECT"), std::string::npos);
}

TEST_F(Pkcs11, APinThatOthersMayReadIsRefused) {
  token_.set_pin(SoftHsmToken::kPin, 0640);
  const auto pin = read_pin(token_.pin_file());
  ASSERT_FALSE(pin.ok());
  EXPECT_EQ(pin.status().code(), Code::kDenied);
  EXPECT_EQ(pin.status().message().find(SoftHsmToken::kPin), std::string::npos);
  token_.set_pin(SoftHsmToken::kPin);
  EXPECT_EQ(*read_pin(token_.pin_file()), SoftHsmToken::kPin);
}

TEST_F(Pkcs11, TheThreadShowsTheWantedKeyAndSigns) {
  token_.add_key("another", "a1");
  token_.add_key("ledger", "a2");
  const auto keys = open();
  wait_until([&] { return keys->wanted().ok(); });
  const std::shared_ptr<Signer> signer = *keys->wanted();
  const auto signature = sign(*signer, "text\n");
  ASSERT_TRUE(signature.ok()) << signature.status().message();
  EXPECT_TRUE(verify_signature(signer->verifier_key(), as_bytes("text\n"), *signature).ok());
  EXPECT_EQ(keys->find(signer->verifier_key()), signer);
  EXPECT_TRUE(keys->trouble().ok());
}

TEST_F(Pkcs11, AKeyThatIsNotThereIsSaidToBeMissingWhileTheOthersSign) {
  token_.add_key("ledger", "a1");
  const auto keys = open("next");
  wait_until([&] { return keys->trouble().ok(); });
  EXPECT_EQ(keys->wanted().status().code(), Code::kNotFound);
  EXPECT_NE(keys->wanted().status().message().find("\"next\""), std::string::npos);
}

TEST_F(Pkcs11, TwoKeysOfOneLabelAreNotGuessedBetween) {
  token_.add_key("ledger", "a1");
  token_.add_key("ledger", "a2");
  const auto keys = open();
  wait_until([&] { return keys->trouble().ok(); });
  EXPECT_NE(keys->wanted().status().message().find("several"), std::string::npos);
}

TEST_F(Pkcs11, AModuleThatIsMissingIsToldOf) {
  const auto keys = open("ledger", token_.path("none.so"));
  wait_until([&] { return keys->trouble().code() == Code::kNotFound; });
  EXPECT_FALSE(keys->wanted().ok());
}

TEST_F(Pkcs11, ARefusedPinIsNotTriedAgainUntilTheFileHoldsAnother) {
  token_.add_key("ledger", "a1");
  token_.set_pin("000000");
  const auto keys = open();
  wait_until(
      [&] { return keys->trouble().message().find("not tried again") != std::string::npos; });
  EXPECT_EQ(keys->trouble().code(), Code::kDenied);
  token_.set_pin(SoftHsmToken::kPin);
  wait_until([&] { return keys->wanted().ok(); });
}

TEST_F(Pkcs11, ATokenThatWasAwaySignsAgain) {
  token_.add_key("ledger", "a1");
  const auto keys = open();
  wait_until([&] { return keys->wanted().ok(); });
  const std::shared_ptr<Signer> signer = *keys->wanted();
  ASSERT_TRUE(sign(*signer, "before\n").ok());
  token_.take_away();
  // SoftHSM keeps what it has open; another process takes the session's place when it is gone.
  (void)sign(*signer, "away\n");
  token_.put_back();
  Result<std::vector<std::byte>> signature = Status(Code::kIo, "");
  wait_until([&] {
    signature = signer->sign(as_bytes("after\n"));
    return signature.ok();
  });
  EXPECT_TRUE(verify_signature(signer->verifier_key(), as_bytes("after\n"), *signature).ok());
}

TEST_F(Pkcs11, ASessionThatIsClosedUnderItIsOpenedAgain) {
  token_.add_key("ledger", "a1");
  const auto keys = open();
  wait_until([&] { return keys->wanted().ok(); });
  const std::shared_ptr<Signer> signer = *keys->wanted();
  ASSERT_TRUE(sign(*signer, "before\n").ok());
  // The same library in the same process: its end ends every session.
  {
    const auto intruder = load();
    (void)intruder->log_in(SoftHsmToken::kLabel, SoftHsmToken::kPin);
    intruder->log_out();
  }
  Result<std::vector<std::byte>> signature = Status(Code::kIo, "");
  wait_until([&] {
    signature = signer->sign(as_bytes("after\n"));
    return signature.ok();
  });
  EXPECT_TRUE(verify_signature(signer->verifier_key(), as_bytes("after\n"), *signature).ok());
}

}  // namespace
}  // namespace xased
