#!/usr/bin/env python3
"""What tests/bench/hot-path counts of one record(): none of it depends on how fast anything is."""

import json
import os
import pathlib
import subprocess
import unittest

HERE = pathlib.Path(__file__).resolve().parent
BUILD = pathlib.Path(os.environ.get("XASE_BUILD") or HERE.parents[1] / "build/release")

# Of a release build: 1,200 when this was written; a parse or a hash of the record would be far
# beyond.
INSTRUCTIONS_MAX = 2500
# A decision of 805 bytes and its header are 14 lines; one more where they do not start at one, and
# the line of the positions.
RING_LINES_MAX = 16


class HotPath(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        done = subprocess.run([str(HERE / "hot-path"), "--json", "--build", str(BUILD)], text=True,
                              capture_output=True, stdin=subprocess.DEVNULL, timeout=300)
        if done.returncode != 0:
            raise AssertionError(done.stderr)
        cls.counts = {line["key"]: line["median"] for line in json.loads(done.stdout)["lines"]}

    def test_no_system_call(self):
        self.assertEqual(self.counts["system_calls"], 0)

    def test_the_ring_is_written_once_and_hardly_read(self):
        self.assertGreater(self.counts["lines.ring.written"], 13)
        self.assertLessEqual(self.counts["lines.ring.written"], RING_LINES_MAX)
        self.assertLessEqual(self.counts["lines.ring.read"], 2)

    def test_instructions_are_those_of_a_copy_and_a_few(self):
        optimised = "RelWithDebInfo" in (BUILD / "CMakeCache.txt").read_text()
        self.assertGreater(self.counts["instructions"], self.counts["instructions.copy"])
        self.assertLess(self.counts["instructions"], INSTRUCTIONS_MAX * (1 if optimised else 10))


if __name__ == "__main__":
    unittest.main()
