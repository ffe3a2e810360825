#!/usr/bin/env python3
"""Nothing is lost: where the published SDK loses what its process held.

XASE_E2E_SCALE multiplies how much is recorded.
"""

import json
import signal
import unittest

from support import PRELOAD, AppTest, scaled

COUNT = scaled(1000)
BURST = scaled(15000)

RECORD = """
from harness import decisions
decisions = decisions()
def record(n, **more):
    decision = dict(decisions[n % len(decisions)])
    del decision["transaction_id"]  # so that the SDK would send no key
    decision["input"] = {**decision["input"], "id": n}
    client.record(decision, **more)
"""


class Killed(AppTest):
    def test_a_thousand_records_then_kill_minus_nine_at_once(self):
        api = self.api()
        daemon = self.daemon(api)
        self.run_app("app", RECORD + f"""
for n in range({COUNT}):
    record(n)
os.kill(os.getpid(), {int(signal.SIGKILL)})
""", run_dir=daemon.run_dir, exit_code=-signal.SIGKILL)
        daemon.drained(COUNT)
        self.assertEqual(self.ids_at(api), list(range(COUNT)))

    def test_the_same_with_no_daemon_until_later(self):
        self.run_app("app", RECORD + f"""
client = xase.XaseClient({{"queue_max_size": {COUNT}}})
for n in range({COUNT}):
    record(n)
status = client.status()
assert status["daemon"] == "away" and status["waiting"] == {COUNT}, status
os.kill(os.getpid(), {int(signal.SIGKILL)})
""", run_dir=self.folder / "run", exit_code=-signal.SIGKILL)
        api = self.api()
        self.daemon(api).drained(COUNT)
        self.assertEqual(self.ids_at(api), list(range(COUNT)))

    def test_a_process_that_ends_without_closing(self):
        api = self.api()
        daemon = self.daemon(api)
        self.run_app("app", RECORD + f"""
for n in range({COUNT}):
    record(n)
""", run_dir=daemon.run_dir)
        daemon.drained(COUNT)
        self.assertEqual(self.ids_at(api), list(range(COUNT)))


class Burst(AppTest):
    def test_a_burst_at_an_api_that_takes_50_ms(self):
        api = self.api()
        api.faults(latency_ms=50)
        # As many at a time as an operator may allow.
        daemon = self.daemon(api, settings={"api.max_in_flight": 256})
        # A loaded machine may keep the daemon from its journal for longer than the usual second.
        self.run_app("app", RECORD + f"""
client = xase.XaseClient({{"block_timeout": 60}})
for n in range({BURST}):
    record(n)
assert client.get_stats()["size"] > 0
""", run_dir=daemon.run_dir)
        daemon.drained(BURST, timeout=180)
        self.assertEqual(self.ids_at(api), list(range(BURST)))


class Forked(AppTest):
    def test_a_worker_forked_of_a_preloaded_app(self):
        api = self.api()
        daemon = self.daemon(api)
        self.run_app("app", RECORD + f"""
record(0)  # the parent has a ring already
child = os.fork()
if child == 0:
    for n in range(1, {COUNT} + 1):
        record(n)
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
record({COUNT} + 1)
""", run_dir=daemon.run_dir)
        daemon.drained(COUNT + 2)
        self.assertEqual(self.ids_at(api), list(range(COUNT + 2)))

    def test_a_worker_forked_while_other_threads_record(self):
        api = self.api()
        daemon = self.daemon(api)
        # A child of fork() waits for ever where another thread was in the sanitizer's malloc (the C
        # library's lets it go on). There the thread makes its ring before the first fork, and then
        # allocates only while it has the GIL, which os.fork() takes.
        process = self.run_app("app", RECORD + f"""
import threading
stop = threading.Event()
taken = []
def all_the_time():
    n = 100000
    while not stop.is_set():
        record(n)
        taken.append(n)
        n += 1
        time.sleep(0.0005)
thread = threading.Thread(target=all_the_time)
thread.start()
while {bool(PRELOAD)} and not taken: time.sleep(0.01)
children = []
for n in range(10):
    child = os.fork()
    if child == 0:
        for k in range(20):
            record(1000 * n + k)
        os._exit(0)
    children.append(child)
assert all(os.waitpid(child, 0)[1] == 0 for child in children)
stop.set()
thread.join()
print(len(taken), flush=True)
""", run_dir=daemon.run_dir)
        taken = int(process.log_text().split()[-1])
        daemon.drained(200 + taken)
        children = [1000 * n + k for n in range(10) for k in range(20)]
        self.assertEqual(self.ids_at(api), children + list(range(100000, 100000 + taken)))


class Full(AppTest):
    """A ring that nobody drains: what is refused was never taken, and is counted."""

    def test_the_newest_is_refused_after_one_wait_and_nothing_accepted_is_lost(self):
        process = self.run_app("app", RECORD.replace("client.record", "small.record") + """
small = xase.XaseClient({"ring_bytes": 65536, "block_timeout": 0.2})
taken = refused = 0
begun = time.monotonic()
for n in range(500):
    try:
        record(n)
        taken += 1
    except xase.XaseError as error:
        assert error.code == "QUEUE_FULL", error
        refused += 1
assert small.status()["refused"] == refused, small.status()
print(taken, refused, flush=True)
""", run_dir=self.folder / "run")
        taken, refused = map(int, process.log_text().split())
        self.assertEqual(taken + refused, 500)
        self.assertGreater(refused, 300)
        api = self.api()
        daemon = self.daemon(api)
        daemon.drained(taken, missing=refused)
        self.assertEqual(len(api.records()), taken)
        gaps = [json.loads(json.dumps(entry)) for entry in daemon.entries()
                if entry["type"] == "GAP"]
        self.assertTrue(gaps)

    def test_who_waits_for_room_goes_on_when_it_comes(self):
        process = self.start_app("app", RECORD.replace("client.record", "small.record") + """
small = xase.XaseClient({"ring_bytes": 65536, "block_timeout": 60})
for n in range(500):
    record(n)
""", run_dir=self.folder / "run")
        api = self.api()
        daemon = self.daemon(api)
        self.assertEqual(process.wait(), 0, process.log_text())
        daemon.drained(500)
        self.assertEqual(self.ids_at(api), list(range(500)))


if __name__ == "__main__":
    unittest.main()
