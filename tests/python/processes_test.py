#!/usr/bin/env python3
"""Where Python runs: threads, asyncio, fork, spawn, the end of the process."""

import json
import signal
import unittest

from support import AppTest, eventually

RECORD = """
def record(n, to=None):
    (to or client).record({"policy": "p", "input": {"id": n}, "output": {"ok": True}})
"""


class ProcessesTest(AppTest):
    def setUp(self):
        self.the_api = self.api()
        self.the_daemon = self.daemon(self.the_api)

    def run_it(self, code, count, name="app", **options):
        """Runs the code with a client, and expects the records 0 to count - 1 of it."""
        process = self.run_app(name, RECORD + code, run_dir=self.the_daemon.run_dir, **options)
        self.the_daemon.drained(count)
        self.assertEqual(self.ids_at(self.the_api), list(range(count)))
        return process


class Threads(ProcessesTest):
    def test_a_thread_that_is_not_the_main_one(self):
        self.run_it("""
import threading
thread = threading.Thread(target=lambda: [record(n) for n in range(100)])
thread.start()
thread.join()
""", 100)

    def test_many_threads_with_many_clients(self):
        self.run_it("""
import concurrent.futures
clients = [client] + [xase.XaseClient({"ring_bytes": 65536}) for _ in range(3)]
with concurrent.futures.ThreadPoolExecutor(8) as pool:
    list(pool.map(lambda n: record(n, clients[n % 4]), range(2000)))
assert sum(c.status()["committed"] for c in clients) == 2000
""", 2000)

    def test_threads_that_come_and_go_use_their_predecessors_rings(self):
        self.run_it("""
import threading
for n in range(200):
    thread = threading.Thread(target=record, args=(n,))
    thread.start()
    # Python's join() is back before the thread has given its ring back.
    while os.path.exists(f"/proc/self/task/{thread.native_id}"):
        time.sleep(0)
assert client.status()["rings"] == 1, client.status()
""", 200)

    def test_a_client_closed_under_those_who_record(self):
        process = self.run_app("app", RECORD + """
import threading
taken, refused, numbers = [], [], iter(range(10**9))
def work():
    while True:
        n = next(numbers)
        try:
            record(n)
        except xase.XaseError as error:
            assert error.code == "QUEUE_CLOSED", error
            return
        taken.append(n)
        time.sleep(0.001)
threads = [threading.Thread(target=work) for _ in range(4)]
for thread in threads:
    thread.start()
time.sleep(0.2)
client.close(0)
for thread in threads:
    thread.join()
assert client.status()["committed"] == len(taken), (client.status(), len(taken))
import json
print(json.dumps(sorted(taken)), flush=True)
""", run_dir=self.the_daemon.run_dir)
        taken = json.loads(process.log_text().splitlines()[-1])
        self.the_daemon.drained(len(taken), timeout=120)
        self.assertEqual(self.ids_at(self.the_api), taken)

    def test_under_asyncio_with_an_executor(self):
        self.run_it("""
import asyncio
async def main():
    loop = asyncio.get_running_loop()
    record(0)
    await asyncio.gather(*(loop.run_in_executor(None, record, n) for n in range(1, 100)))
asyncio.run(main())
""", 100)


class Forks(ProcessesTest):
    def test_multiprocessing_by_fork_with_a_client_of_the_parent(self):
        self.run_it("""
import multiprocessing
record(0)
with multiprocessing.get_context("fork").Pool(3) as pool:
    pool.map(record, range(1, 300))
""", 300)

    def test_multiprocessing_by_spawn_with_a_client_as_an_argument(self):
        self.run_it("""
import multiprocessing
if __name__ == "__main__":
    record(0)
    child = multiprocessing.get_context("spawn").Process(target=record, args=(1, client))
    child.start()
    child.join()
    assert child.exitcode == 0
""", 2)

    def test_callbacks_in_parent_and_child_are_each_their_own(self):
        process = self.run_it("""
def told(receipt):
    got.append(receipt["transaction_id"])
got = []
mine = xase.XaseClient({"on_success": told})
record(0, mine)
mine.flush(30)
while len(got) < 1: time.sleep(0.01)
pid = os.fork()
if pid == 0:
    del got[:]
    for n in range(1, 11):
        record(n, mine)
    mine.flush(30)
    end = time.monotonic() + 30
    while len(got) < 10 and time.monotonic() < end: time.sleep(0.01)
    os._exit(len(set(got)) != 10)
assert os.waitpid(pid, 0)[1] == 0
record(11, mine)
mine.flush(30)
while len(got) < 2: time.sleep(0.01)
print(len(got), flush=True)
""", 12)
        self.assertTrue(process.log_text().endswith("2\n"), process.log_text())

    def test_a_child_awaits_receipts_of_its_own(self):
        self.run_it("""
import asyncio
def awaited(n):
    payload = {"policy": "p", "input": {"id": n}, "output": {}}
    assert asyncio.run(client.record_async(payload))["success"]
awaited(0)
pid = os.fork()
if pid == 0:
    awaited(1)
    os._exit(0)
assert os.waitpid(pid, 0)[1] == 0
awaited(2)
""", 3)

    def test_a_child_of_a_child_of_a_child(self):
        self.run_it("""
record(0)
for n in range(1, 5):
    pid = os.fork()
    if pid:
        assert os.waitpid(pid, 0)[1] == 0
        os._exit(0)
    record(n)
os._exit(0)
""", 5)


class Endings(ProcessesTest):
    def test_in_atexit_handlers_registered_before_and_after(self):
        self.run_it("""
import atexit
atexit.register(record, 0)
mine = xase.XaseClient({"on_success": print})
mine.record({"policy": "p", "input": {"id": 1}, "output": {}})
atexit.register(record, 2, mine)
atexit.register(record, 3)
""", 4)

    def test_in_a_finaliser_while_the_interpreter_goes(self):
        self.run_it("""
class Last:
    def __del__(self, record=record):
        record(1)
last = Last()
record(0)
""", 2)

    def test_in_a_daemon_thread_that_never_ends(self):
        process = self.run_app("app", RECORD + """
import threading
def forever():
    n = 0
    while True:
        record(n)
        n += 1
        os.write(1, b"%d\\n" % n)
        time.sleep(0.001)
threading.Thread(target=forever, daemon=True).start()
time.sleep(0.3)
""", run_dir=self.the_daemon.run_dir)
        told = int(process.log_text().split()[-1])
        self.the_daemon.until(lambda s: s["delivered"] >= told, "all that it told of")

    def test_an_interrupt_ends_it_as_usual(self):
        process = self.start_app("app", RECORD + """
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)  # whoever started the tests may ignore it
record(0)
print("recorded", flush=True)
time.sleep(60)
""", run_dir=self.the_daemon.run_dir)
        eventually(lambda: "recorded" in process.log_text(), "it runs")
        process.signal(signal.SIGINT)
        self.assertEqual(process.wait(), -signal.SIGINT)
        self.the_daemon.drained(1)

    def test_sigterm_ends_it_as_usual(self):
        process = self.start_app("app", RECORD + """
mine = xase.XaseClient({"on_success": print})
record(0, mine)
print("recorded", flush=True)
time.sleep(60)
""", run_dir=self.the_daemon.run_dir)
        eventually(lambda: "recorded" in process.log_text(), "it runs")
        process.signal(signal.SIGTERM)
        self.assertEqual(process.wait(), -signal.SIGTERM)
        self.the_daemon.drained(1)


class TheDaemonIsAway(AppTest):
    def test_records_wait_and_status_says_so(self):
        api = self.api()
        daemon = self.daemon(api)
        client = self.client(daemon)

        def record(n):
            client.record({"policy": "p", "input": {"id": n}, "output": {}})

        record(0)
        client.flush(30)
        self.assertEqual(client.status()["daemon"], "running")
        daemon.kill()
        for n in range(1, 100):
            record(n)
        status = client.status()
        self.assertEqual((status["daemon"], status["waiting"], status["pending"]),
                         ("away", 99, 99))
        daemon.start()
        client.flush(30)
        status = client.status()
        self.assertEqual((status["daemon"], status["waiting"], status["delivered"]),
                         ("running", 0, 100))
        self.assertEqual(self.ids_at(api), list(range(100)))


if __name__ == "__main__":
    unittest.main()
