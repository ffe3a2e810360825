#!/usr/bin/env python3
"""What the package costs: printed, beside json.dumps in the same run. Times are no criterion, since
machines differ; memory is.

    tests/python/cost_test.py       prints the table that client/python/README.md shows
"""

import json
import sys
import unittest

from support import PRELOAD, AppTest, Process, app_environment

ROUNDS = 20000
RSS_LIMIT_BYTES = 1 << 20

MEASURE = """
import json
from harness import decisions

def rss_without_rings():
    # Of a ring, the kernel counts the mapped file's pages as ours.
    total = 0
    with open("/proc/self/smaps") as smaps:
        counted = True
        for line in smaps:
            if "-" in line.split(" ", 1)[0] and not line.startswith("Vm"):
                counted = ".ring" not in line
            elif counted and line.startswith("Rss:"):
                total += int(line.split()[1]) * 1024
    return total
"""


class Cost(AppTest):
    def test_a_call_beside_json_dumps(self):
        daemon = self.daemon(self.api(), settings={"delivery.enabled": "false"})
        process = self.run_app("app", MEASURE + f"""
decision = decisions()[0]
client.record(decision)
clock = time.perf_counter_ns
nothing, dumps, record, sorted_ = [], [], [], {{}}
def time_one(call, into):
    begun = clock()
    call(decision)
    into.append(clock() - begun)
for _ in range({ROUNDS}):
    time_one(len, nothing)
    time_one(json.dumps, dumps)
    time_one(client.record, record)
def at(times, part):
    return sorted(times)[int(len(times) * part)] / 1000
own = at(nothing, 0.5)
result = {{
    "len_us": own, "dumps_us": at(dumps, 0.5) - own, "record_us": at(record, 0.5) - own,
    "dumps_99_us": at(dumps, 0.99) - own, "record_99_us": at(record, 0.99) - own,
    "bytes": len(json.dumps(decision))}}
assert client.status()["committed"] == 1 + {ROUNDS}
print(json.dumps(result), flush=True)
""", run_dir=daemon.run_dir)
        result = json.loads(process.log_text().splitlines()[-1])
        print(f"\na decision of {result['bytes']} bytes, {ROUNDS} calls, by turns:")
        print(f"  client.record()  median {result['record_us']:.2f} us, 99 % "
              f"{result['record_99_us']:.2f} us")
        print(f"  json.dumps()     median {result['dumps_us']:.2f} us, 99 % "
              f"{result['dumps_99_us']:.2f} us")

    def test_memory_and_import(self):
        daemon = self.daemon(self.api(), settings={"delivery.enabled": "false"})
        file = self.folder / "app.py"
        # What every service has loaded, the measurement among it, is not the client's.
        file.write_text("import json, sys, threading, time, weakref\n" + MEASURE + f"""
some = decisions()[:100]
rss_without_rings()
before = rss_without_rings()
begun = time.perf_counter()
import xase
imported = time.perf_counter() - begun
client = xase.XaseClient()
for n in range({ROUNDS}):
    client.record(some[n % len(some)])
print(json.dumps([rss_without_rings() - before, imported * 1000]))
""")
        samples = []
        for n in range(5):
            process = Process(self, f"app{n}", sys.executable, file,
                              env=app_environment(XASE_RUN_DIR=daemon.run_dir))
            self.assertEqual(process.wait(), 0, process.log_text())
            samples.append(json.loads(process.log_text()))
        memory, imported = (sorted(column)[2] for column in zip(*samples))
        print(f"\nresident memory added, rings apart: {memory / 1024:.0f} KiB")
        print(f"import xase: {imported:.1f} ms")
        if not PRELOAD and not hasattr(sys, "gettotalrefcount"):
            self.assertLess(memory, RSS_LIMIT_BYTES)


if __name__ == "__main__":
    unittest.main()
