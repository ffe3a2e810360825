// A token of SoftHSM, Debian's stand-in for a hardware module, in a directory of its own.
#pragma once

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>
#include <string>

#include "tests/support/temp_dir.hpp"

namespace xased::test {

// One at a time in a process: the module finds its tokens by the environment.
class SoftHsmToken {
 public:
  static constexpr const char* kModule = "/usr/lib/softhsm/libsofthsm2.so";
  static constexpr const char* kLabel = "xase test";
  static constexpr const char* kPin = "739154";

  SoftHsmToken() {
    std::filesystem::create_directory(dir_ / "tokens");
    dir_.write("softhsm2.conf",
               "directories.tokendir = " + (dir_ / "tokens") + "\nlog.level = ERROR\n");
    ::setenv("SOFTHSM2_CONF", (dir_ / "softhsm2.conf").c_str(), 1);
    run(std::string("softhsm2-util --init-token --free --so-pin 12345678 --label '") + kLabel +
        "' --pin " + kPin);
    set_pin(kPin);
  }
  ~SoftHsmToken() { ::unsetenv("SOFTHSM2_CONF"); }
  SoftHsmToken(const SoftHsmToken&) = delete;
  SoftHsmToken& operator=(const SoftHsmToken&) = delete;

  // `id`: hex. `curve`: as OpenSSL names it.
  void add_key(const std::string& label, const std::string& id,
               const std::string& curve = "P-256") {
    const std::string pem = dir_ / (id + ".pem");
    run("openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:" + curve + " -out " + pem);
    run("softhsm2-util --import " + pem + " --token '" + kLabel + "' --label '" + label +
        "' --id " + id + " --pin " + kPin);
  }
  void set_pin(const std::string& pin, mode_t mode = 0600) {
    dir_.write("pin", pin + "\n");
    EXPECT_EQ(::chmod(pin_file().c_str(), mode), 0);
  }
  std::string pin_file() const { return dir_ / "pin"; }
  std::string path(const std::string& name) const { return dir_ / name; }
  // What a daemon finds that is unplugged.
  void take_away() {
    std::filesystem::rename(dir_ / "tokens", dir_ / "away");
    std::filesystem::create_directory(dir_ / "tokens");
  }
  void put_back() {
    std::filesystem::remove(dir_ / "tokens");
    std::filesystem::rename(dir_ / "away", dir_ / "tokens");
  }

 private:
  static void run(const std::string& command) {
    const int code = std::system((command + " >/dev/null 2>&1").c_str());
    EXPECT_EQ(code, 0) << command << "\ndeploy/install-deps --tests brings what it needs";
  }

  TempDir dir_;
};

}  // namespace xased::test
