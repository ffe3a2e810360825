#!/usr/bin/env python3
"""xase-bench measures, on next to nothing: what it prints is complete. No figure is judged here."""

import json
import os
import subprocess
import unittest

from harness import BIN, E2eTest


class Bench(E2eTest):
    def measured(self, *arguments):
        """The figures by key, and the series by key."""
        done = subprocess.run([str(BIN / "xase-bench"), "--json", "--folder", str(self.folder),
                               *arguments], capture_output=True, text=True, timeout=300,
                              stdin=subprocess.DEVNULL, env={**os.environ, "XASED_CONFIG": ""})
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(list(self.folder.glob("xase-bench-*")), [], "its folder is left")
        report = json.loads(done.stdout)
        self.assertEqual(report["command"], arguments[0])
        self.assertGreater(report["cache_line_round_trip_ns"]["before"], 0)
        for line in report["lines"]:
            self.assertLessEqual(line["lowest"], line["median"], line)
            self.assertLessEqual(line["median"], line["highest"], line)
        lines = {line["key"]: line["median"] for line in report["lines"]}
        self.assertEqual(len(lines), len(report["lines"]), "a key is there twice")
        for series in report["series"]:
            self.assertTrue(series["points"], series["key"])
        return lines, {series["key"]: series["points"] for series in report["series"]}

    def assert_positive(self, lines, keys):
        for key in keys:
            self.assertGreater(lines[key], 0, key)

    def test_a_call_and_its_alternatives(self):
        lines, series = self.measured("record", "--runs", "2", "--records", "4000")
        self.assert_positive(lines, (
            "burst." + way for way in
            ("copy", "record", "shared_copy", "boost", "datagram", "pipe", "append", "spdlog")))
        for case in ("paced", "sparse", "asleep", "cold", "colder", "coldest"):
            self.assertLessEqual(lines[f"call.{case}.median"], lines[f"call.{case}.p99"])
            shares = [share for share, _ in series[f"distribution.{case}"]]
            times = [ns for _, ns in series[f"distribution.{case}"]]
            self.assertEqual((shares[0], shares[-1]), (0, 100))
            self.assertEqual(times, sorted(times))

    def test_ring_to_durable_and_its_limits(self):
        lines, _ = self.measured("durable", "--runs", "1", "--records", "8000", "--producers", "4",
                                 "--calls", "20")
        self.assert_positive(lines, (
            "limit.pass", "limit.write", "limit.hashing", "limit.sync", "limit.wake_up",
            "durable.one", "durable.many", "waited", "alone"))

    def test_from_a_ring_to_private_memory(self):
        lines, _ = self.measured("drain", "--runs", "1", "--records", "20000")
        self.assert_positive(lines, ("limit.copy", "limit.pread", "drain"))

    def test_producers_and_the_ledger_grow(self):
        _, series = self.measured("scale", "--runs", "1", "--records", "2000", "--producers", "4",
                                  "--ledger", "10000")
        self.assertEqual([count for count, _ in series["producers"]], [1, 2, 4])
        self.assertEqual([count for count, _ in series["ledger"]], [10000])

    def test_what_is_delivered(self):
        lines, _ = self.measured("delivery", "--runs", "1", "--records", "600",
                                 "--limited-seconds", "1")
        self.assert_positive(lines, ("quick.posted", "quick.alone", "quick", "slow.posted", "slow",
                                     "limited"))
        self.assertEqual(lines["slow.limit"], 1280)

    def test_an_idle_daemon(self):
        lines, _ = self.measured("idle", "--runs", "1", "--seconds", "1")
        self.assert_positive(lines, ("cpu", "limit.cpu", "resident", "resident.own"))

    def test_the_library(self):
        lines, _ = self.measured("library", "--threads", "5")
        self.assert_positive(lines, ("size", "limit.file", "first", "second"))

    def test_a_backlog_is_there_after_each_kill(self):
        lines, _ = self.measured("backlog", "--records", "3000", "--restarts", "2")
        self.assertEqual((lines["records"], lines["records.after"]), (3000, 3000))
        self.assert_positive(lines, ("memory.idle", "memory.full", "ready", "ready.empty"))

    def test_an_outage_loses_nothing(self):
        lines, series = self.measured("outage", "--before", "0.5", "--away", "1", "--rate", "200")
        self.assertGreater(lines["recorded"], 200)
        self.assertEqual((lines["refused"], lines["missing"]), (0, 0))
        self.assertGreaterEqual(lines["peak"], 100)
        self.assertEqual(len(series["away"]), 2)
        self.assertGreater(len(series["backlog"]), 4)


if __name__ == "__main__":
    unittest.main()
