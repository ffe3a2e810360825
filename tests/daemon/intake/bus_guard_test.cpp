#include "daemon/intake/bus_guard.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <csignal>
#include <cstring>
#include <memory>
#include <thread>
#include <vector>

#include "daemon/intake/doorbell.hpp"
#include "proto/run_dir.hpp"
#include "tests/support/temp_dir.hpp"

namespace xased {
namespace {

using test::TempDir;

constexpr std::size_t kPages = 4;

// A file of some pages, mapped.
class MappedFile {
 public:
  MappedFile() {
    page_ = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
    const std::string path = dir_ / "file";
    fd_ = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    EXPECT_EQ(::posix_fallocate(fd_, 0, static_cast<off_t>(bytes())), 0);
    void* at = ::mmap(nullptr, bytes(), PROT_READ | PROT_WRITE, MAP_SHARED, fd_, 0);
    EXPECT_NE(at, MAP_FAILED);
    data_ = static_cast<volatile unsigned char*>(at);
    for (std::size_t i = 0; i < kPages; ++i) data_[i * page_] = static_cast<unsigned char>(i + 1);
  }
  ~MappedFile() {
    ::munmap(const_cast<unsigned char*>(data_), bytes());
    ::close(fd_);
  }
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  void truncate(std::size_t pages) {
    EXPECT_EQ(::ftruncate(fd_, static_cast<off_t>(pages * page_)), 0);
  }
  unsigned char first_of(std::size_t page) const { return data_[page * page_]; }
  void write(std::size_t page, unsigned char value) { data_[page * page_] = value; }
  const void* start() const { return const_cast<const unsigned char*>(data_); }
  std::size_t bytes() const { return kPages * page_; }

 private:
  TempDir dir_;
  std::size_t page_ = 0;
  int fd_ = -1;
  volatile unsigned char* data_ = nullptr;
};

TEST(BusGuard, GivesZerosWhereTheFileEndsAndSaysSo) {
  MappedFile file;
  BusGuard guard(file.start(), file.bytes());
  ASSERT_TRUE(guard.ok());
  EXPECT_EQ(file.first_of(3), 4);
  EXPECT_FALSE(guard.faulted());
  file.truncate(2);
  EXPECT_EQ(file.first_of(1), 2);
  EXPECT_FALSE(guard.faulted());
  EXPECT_EQ(file.first_of(3), 0);
  EXPECT_TRUE(guard.faulted());
  EXPECT_EQ(file.first_of(0), 1);
}

TEST(BusGuard, SwallowsWritesToo) {
  MappedFile file;
  const BusGuard guard(file.start(), file.bytes());
  file.truncate(0);
  for (std::size_t page = 0; page < kPages; ++page) file.write(page, 9);
  EXPECT_TRUE(guard.faulted());
  EXPECT_EQ(file.first_of(2), 9);
}

TEST(BusGuard, TellsWhoseMappingItWas) {
  MappedFile cut;
  MappedFile whole;
  const BusGuard a(cut.start(), cut.bytes());
  const BusGuard b(whole.start(), whole.bytes());
  cut.truncate(0);
  EXPECT_EQ(cut.first_of(0), 0);
  EXPECT_EQ(whole.first_of(0), 1);
  EXPECT_TRUE(a.faulted());
  EXPECT_FALSE(b.faulted());
}

TEST(BusGuard, StartsAnewInAPlaceThatWasUsedBefore) {
  for (int i = 0; i < 3; ++i) {
    MappedFile file;
    const BusGuard guard(file.start(), file.bytes());
    EXPECT_FALSE(guard.faulted());
    file.truncate(0);
    EXPECT_EQ(file.first_of(0), 0);
    EXPECT_TRUE(guard.faulted());
  }
}

TEST(BusGuard, GuardsAnyThread) {
  MappedFile file;
  const BusGuard guard(file.start(), file.bytes());
  file.truncate(1);
  std::vector<std::thread> threads;
  for (std::size_t page = 1; page < kPages; ++page) {
    threads.emplace_back([&file, page] { EXPECT_EQ(file.first_of(page), 0); });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_TRUE(guard.faulted());
}

TEST(BusGuardDeathTest, LetsAFaultElsewhereEndTheProcess) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(
      {
        MappedFile guarded;
        MappedFile other;
        const BusGuard guard(guarded.start(), guarded.bytes());
        other.truncate(0);
        (void)other.first_of(0);
        std::_Exit(0);
      },
      testing::KilledBySignal(SIGBUS), "");
}

TEST(BusGuardDeathTest, GuardsNoLongerThanItLives) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(
      {
        MappedFile file;
        { const BusGuard guard(file.start(), file.bytes()); }
        file.truncate(0);
        (void)file.first_of(0);
        std::_Exit(0);
      },
      testing::KilledBySignal(SIGBUS), "");
}

class DoorbellTest : public testing::Test {
 protected:
  TempDir dir_;
  Wake wake_;
  DoorbellFile bell_{dir_.path()};
  const std::string path_ = dir_ / std::string(xase::proto::kDoorbellFile);

  // What a producer does.
  void ring() {
    const int fd = ::open(path_.c_str(), O_RDWR | O_CLOEXEC);
    ASSERT_GE(fd, 0);
    xase::proto::Mapping mapping;
    ASSERT_EQ(mapping.map(fd, xase::proto::kDoorbellBytes), 0);
    ::close(fd);
    auto* words = reinterpret_cast<xase::proto::Doorbell*>(mapping.data());
    words->bell.fetch_add(1);
    if (words->sleeping.load() != 0) futex_wake_all(words->bell);
  }
};

TEST_F(DoorbellTest, MakesAPageThatProducersCanRing) {
  ASSERT_TRUE(bell_.ensure(wake_).ok());
  EXPECT_EQ(std::filesystem::file_size(path_), xase::proto::kDoorbellBytes);
  const std::uint32_t ticket = wake_.ticket();
  ring();
  EXPECT_NE(wake_.ticket(), ticket);
  wake_.wait(ticket, std::chrono::hours(1));  // returns at once
}

TEST_F(DoorbellTest, UsesThePageThatAProducerMadeFirst) {
  dir_.write(std::string(xase::proto::kDoorbellFile),
             std::string(xase::proto::kDoorbellBytes, '\0'));
  ASSERT_TRUE(bell_.ensure(wake_).ok());
  const std::uint32_t ticket = wake_.ticket();
  ring();
  EXPECT_NE(wake_.ticket(), ticket);
}

TEST_F(DoorbellTest, TakesUpAPageThatReplacedItsOwn) {
  ASSERT_TRUE(bell_.ensure(wake_).ok());
  std::filesystem::remove(path_);
  dir_.write(std::string(xase::proto::kDoorbellFile),
             std::string(xase::proto::kDoorbellBytes, '\0'));
  ASSERT_TRUE(bell_.ensure(wake_).ok());
  const std::uint32_t ticket = wake_.ticket();
  ring();
  EXPECT_NE(wake_.ticket(), ticket);
}

TEST_F(DoorbellTest, SurvivesAPageThatIsCutAndMakesAnother) {
  ASSERT_TRUE(bell_.ensure(wake_).ok());
  std::filesystem::resize_file(path_, 0);
  wake_.ring();
  wake_.wait(wake_.ticket() - 1, std::chrono::hours(1));
  ASSERT_TRUE(bell_.ensure(wake_).ok());
  EXPECT_EQ(std::filesystem::file_size(path_), xase::proto::kDoorbellBytes);
  const std::uint32_t ticket = wake_.ticket();
  ring();
  EXPECT_NE(wake_.ticket(), ticket);
}

TEST_F(DoorbellTest, ReplacesWhatIsNoPage) {
  dir_.write("elsewhere", std::string(xase::proto::kDoorbellBytes, 'x'));
  std::filesystem::create_symlink(dir_ / "elsewhere", path_);
  ASSERT_TRUE(bell_.ensure(wake_).ok());
  EXPECT_FALSE(std::filesystem::is_symlink(path_));
  wake_.ring();
  std::ifstream other(dir_ / "elsewhere");
  std::string bytes;
  other >> bytes;
  EXPECT_EQ(bytes, std::string(xase::proto::kDoorbellBytes, 'x'));
}

}  // namespace
}  // namespace xased
