#include "daemon/ctl/line_reader.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "daemon/ctl/terminal.hpp"

namespace xased::ctl {
namespace {

class Pipe {
 public:
  Pipe() {
    int ends[2] = {-1, -1};
    if (pipe(ends) != 0) std::abort();
    read_end = ends[0];
    write_end = ends[1];
  }
  ~Pipe() {
    close(read_end);
    end();
  }
  Pipe(const Pipe&) = delete;
  Pipe& operator=(const Pipe&) = delete;
  void end() {
    if (write_end >= 0) close(write_end);
    write_end = -1;
  }
  int read_end = -1;
  int write_end = -1;
};

// What a reader makes of `text` that comes in pieces of random sizes: lines, "<long>" for a long
// one.
std::vector<std::string> lines_of(const std::string& text, std::size_t line_bytes_max,
                                  unsigned seed) {
  Pipe pipe;
  std::thread writer([&] {
    std::mt19937 random(seed);
    for (std::size_t at = 0; at < text.size();) {
      const std::size_t size = std::min<std::size_t>(1 + random() % 50'000, text.size() - at);
      write_all(pipe.write_end, std::string_view(text).substr(at, size));
      at += size;
    }
    pipe.end();
  });
  LineReader reader(pipe.read_end, line_bytes_max, 64);
  std::vector<std::string> lines;
  while (true) {
    const auto step = reader.next();
    if (!step.ok() || *step == LineReader::Step::kEnd) break;
    lines.emplace_back(*step == LineReader::Step::kTooLong ? "<long>" : reader.line());
    EXPECT_EQ(reader.line_number(), lines.size());
  }
  writer.join();
  return lines;
}

using Lines = std::vector<std::string>;

TEST(LineReader, GivesLinesWithoutTheirNewline) {
  EXPECT_EQ(lines_of("a\nbb\n\nc\n", 100, 1), (Lines{"a", "bb", "", "c"}));
}

TEST(LineReader, TheLastLineNeedsNoNewline) {
  EXPECT_EQ(lines_of("a\nb", 100, 1), (Lines{"a", "b"}));
  EXPECT_EQ(lines_of("", 100, 1), Lines{});
  EXPECT_EQ(lines_of("\n", 100, 1), Lines{""});
}

TEST(LineReader, ALongLineIsSkippedAndThoseBehindItAreRead) {
  EXPECT_EQ(
      lines_of("a\n" + std::string(101, 'x') + "\nb\n" + std::string(100, 'y') + "\n", 100, 1),
      (Lines{"a", "<long>", "b", std::string(100, 'y')}));
  EXPECT_EQ(lines_of("a\n" + std::string(3'000'000, 'x') + "\nb", 1000, 1),
            (Lines{"a", "<long>", "b"}));
  EXPECT_EQ(lines_of(std::string(3'000'000, 'x'), 1000, 1), Lines{"<long>"});
}

TEST(LineReader, AgreesWithASimpleModelHoweverTheBytesCome) {
  for (unsigned seed = 1; seed <= 20; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::mt19937 random(seed);
    std::string text;
    Lines expected;
    for (int i = 0; i < 200; ++i) {
      const std::size_t size = random() % 20 == 0 ? random() % 400'000 : random() % 200;
      expected.push_back(size > 300'000 ? "<long>"
                                        : std::string(size, static_cast<char>('a' + i % 26)));
      text += std::string(size, static_cast<char>('a' + i % 26)) + "\n";
    }
    EXPECT_EQ(lines_of(text, 300'000, seed), expected);
  }
}

TEST(LineReader, GivesALineOutBeforeTheNextComes) {
  Pipe pipe;
  write_all(pipe.write_end, "first\nsec");
  LineReader reader(pipe.read_end, 100, 64);
  ASSERT_EQ(*reader.next(), LineReader::Step::kLine);
  EXPECT_EQ(reader.line(), "first");
}

TEST(LineReader, APipeCannotBeReadTwice) {
  Pipe pipe;
  LineReader reader(pipe.read_end, 100, 64);
  EXPECT_FALSE(reader.rewind().ok());
}

}  // namespace
}  // namespace xased::ctl
