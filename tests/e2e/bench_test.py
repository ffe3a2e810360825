#!/usr/bin/env python3
"""xase-bench measures, on next to nothing: what it prints is complete. No figure is judged here."""

import json
import os
import subprocess
import unittest

from harness import BIN, E2eTest


class Bench(E2eTest):
    def measured(self, *arguments):
        done = subprocess.run([str(BIN / "xase-bench"), "--json", "--folder", str(self.folder),
                               *arguments], capture_output=True, text=True, timeout=300,
                              stdin=subprocess.DEVNULL, env={**os.environ, "XASED_CONFIG": ""})
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(list(self.folder.glob("xase-bench-*")), [], "its folder is left")
        return json.loads(done.stdout)

    def test_a_call_and_its_alternatives(self):
        result = self.measured("record", "--runs", "2", "--records", "4000")
        self.assertEqual(len(result["bursts"]), 7)
        self.assertEqual(len(result["calls"]), 3)
        for line in result["bursts"]:
            ns = line["ns_a_record"]
            self.assertTrue(0 < ns["lowest"] <= ns["median"] <= ns["highest"], line)
        for line in result["calls"]:
            self.assertTrue(0 < line["median_ns"] <= line["p99_ns"] <= line["highest_ns"], line)

    def test_ring_to_durable_and_its_limits(self):
        result = self.measured("durable", "--runs", "1", "--records", "8000", "--producers", "4")
        self.assertEqual(set(result["records_a_second"]),
                         {"limit_hashing", "limit_writing", "one_producer", "many_producers"})
        for name, spread in result["records_a_second"].items():
            self.assertGreater(spread["median"], 0, name)
        for name in ("waited_us", "sync_us", "wake_up_us", "alone_ms"):
            self.assertGreater(result[name]["median"], 0, name)


if __name__ == "__main__":
    unittest.main()
