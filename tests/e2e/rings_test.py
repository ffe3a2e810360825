#!/usr/bin/env python3
"""Rings: their folder removed under everyone, more of them than anyone asked for, two libraries in
one process, and children of fork().

XASE_E2E_RINGS: how many rings at once (300).
"""

import contextlib
import ctypes
import os
import pathlib
import re
import resource
import shutil
import stat
import subprocess
import sys
import threading
import time
import unittest

from client_library import BUILD, DELIVERED, JOURNALED, OK, QUEUE_FULL, Client, load
from harness import Daemon, E2eTest, Process, PATIENCE, eventually, with_ids

RINGS = int(os.environ.get("XASE_E2E_RINGS") or 300)
RINGS_OF_A_PROCESS = 2500
APP = pathlib.Path(__file__).with_name("rings_app.py")
SEGMENT_BYTES_A_RING = 8192


class RingsTest(E2eTest):
    def app(self, name, *arguments):
        """rings_app.py, and the file of what it said."""
        said = self.folder / f"{name}.said"
        with open(said, "wb") as out:
            process = Process(self, name, sys.executable, APP, *arguments, stdin=subprocess.PIPE,
                              stdout=out)
        self.addCleanup(process.popen.stdin.close)
        process.said = said
        return process

    def ids(self, process):
        """What it has recorded, without the line that a kill cut off."""
        text = process.said.read_text()
        return [line for line in text[: text.rfind("\n") + 1].split() if line != "ready"]

    def wait_ready(self, process):
        def ready():
            self.assertTrue(process.running(), process.log_text())
            return process.said.read_text().endswith("ready\n")
        eventually(ready, f"{process.name} is ready", timeout=PATIENCE + RINGS / 50)

    def record_all(self, client, records):
        for record in records:
            self.assertEqual(client.record(record), OK, client.last_error())
        return [record["transaction_id"] for record in records]


class Removed(RingsTest):
    """What lies in the runtime directory is removed by someone, while everyone goes on."""

    MODES = {".": (0o750,), "rings": (0o3733, 0o1733), "settings": (0o640,),
             "stats.sock": (0o660,), "doorbell": (0o660,), "xased.lock": (0o600,)}

    def modes(self, daemon):
        found = {}
        for name in self.MODES:
            with contextlib.suppress(FileNotFoundError):
                # What the set-group-id folder around it hands down is not ours to say.
                mode = stat.S_IMODE((daemon.run_dir / name).stat().st_mode)
                found[name] = mode if name == "rings" else mode & ~stat.S_ISGID
        return found

    def assert_made_again(self, daemon):
        eventually(lambda: self.modes(daemon).keys() == self.MODES.keys(),
                   lambda: f"all is there again: {self.modes(daemon)}")
        for name, mode in self.modes(daemon).items():
            self.assertIn(mode, self.MODES[name], f"{name}: {mode:o}")
        daemon.wait_ready()

    def go_on(self, remove):
        """`remove(run_dir)` under a daemon and an app; what both do then."""
        api = self.api()
        daemon = self.daemon(api)
        ids = []
        with Client(daemon.run_dir) as old:
            ids += self.record_all(old, with_ids("before", 50))
            self.assertEqual(old.flush(JOURNALED, 60000), OK)
            remove(daemon.run_dir)
            # Nobody has noticed yet.
            ids += self.record_all(old, with_ids("meanwhile", 50))
            self.assert_made_again(daemon)
            with Client(daemon.run_dir) as new:
                ids += self.record_all(new, with_ids("new", 50))
                self.assertEqual(new.flush(DELIVERED, 60000), OK, new.last_error())
            n = 0

            def replaced():
                nonlocal n
                n += 1
                ids.extend(self.record_all(old, with_ids(f"until{n}", 1)))
                return old.stats()["rings_replaced"] == 1
            eventually(replaced, "the app with a ring without a name makes another")
            # From here on the app's records outlive the daemon again.
            self.assertEqual(old.flush(DELIVERED, 60000), OK, old.last_error())
            counts = old.stats()
            self.assertEqual((counts["pending"], counts["refused"]), (0, 0))
            self.assertEqual(counts["delivered"], len(ids) - 50)
            daemon.kill()
            ids += self.record_all(old, with_ids("away", 50))
            daemon.start()
            daemon.drained(len(ids))
            self.assertEqual(old.stats()["rings_replaced"], 1)
        self.assert_delivered(api, ids)
        self.assert_no_rings(daemon)
        self.assertEqual(daemon.stop(), 0)
        self.verify(daemon)
        return daemon

    def test_the_runtime_directory(self):
        self.go_on(shutil.rmtree)

    def test_the_runtime_directory_moved_away(self):
        self.go_on(lambda run_dir: run_dir.rename(run_dir.with_name("elsewhere")))

    def test_the_folder_of_the_rings(self):
        self.go_on(lambda run_dir: shutil.rmtree(run_dir / "rings"))

    def test_the_runtime_directory_while_no_daemon_is_there(self):
        """Nobody finds what is in such a ring any more: that is an entry."""
        api = self.api()
        daemon = self.daemon(api)
        lost = 0
        with Client(daemon.run_dir) as client, Client(daemon.run_dir) as silent:
            ids = self.record_all(client, with_ids("before", 20))
            ids += self.record_all(silent, with_ids("silent-before", 20))
            daemon.drained(len(ids))
            daemon.kill()
            lost += len(self.record_all(client, with_ids("away", 30)))
            lost += len(self.record_all(silent, with_ids("silent-away", 10)))
            shutil.rmtree(daemon.run_dir)
            daemon.start()

            def replaced():
                nonlocal lost
                record = with_ids(f"until{lost}", 1)
                self.record_all(client, record)
                if client.stats()["rings_replaced"] == 1:
                    ids.append(record[0]["transaction_id"])
                    return True
                lost += 1
                time.sleep(0.05)
                return False
            eventually(replaced, "an app notices within seconds that nobody reads")
            ids += self.record_all(client, with_ids("after", 20))
        # The other one has recorded nothing since, and says so when it ends.
        stats = daemon.drained(len(ids), missing=lost)
        self.assertEqual((stats["missing"], stats["refused"]), (lost, 0))
        notes = [e["note"] for e in daemon.entries() if e["type"] == "GAP"]
        self.assertEqual(len(notes), 2, notes)
        for note in notes:
            self.assertIn("ring_disappeared", note)
        self.assertEqual(sum(int(note.split()[0]) for note in notes), lost, notes)
        self.assert_delivered(api, ids)
        self.assert_no_rings(daemon)
        self.assertEqual(daemon.stop(), 0)
        self.verify(daemon)

    def test_one_file_after_the_other(self):
        api = self.api()
        daemon = self.daemon(api)
        ids = []
        with Client(daemon.run_dir) as old:
            for name in ("doorbell", "stats.sock", "settings", "xased.lock"):
                with self.subTest(name):
                    (daemon.run_dir / name).unlink()
                    ids += self.record_all(old, with_ids(f"{name}-old", 20))
                    self.assert_made_again(daemon)
                    with Client(daemon.run_dir) as new:
                        ids += self.record_all(new, with_ids(f"{name}-new", 20))
                    daemon.drained(len(ids))
            self.assertEqual(old.stats()["rings_replaced"], 0)
        self.assert_delivered(api, ids)

    def test_no_second_daemon_comes_in_by_it(self):
        daemon = self.daemon(self.api())
        shutil.rmtree(daemon.run_dir)
        self.assert_made_again(daemon)
        second = Daemon(self, name="second", state_dir=self.folder / "state2").start(wait=False)
        self.assertEqual(second.process.wait(), 1)
        self.assertIn(f"pid {daemon.process.pid}", second.process.log_text())
        self.assertTrue(daemon.running())

    def test_a_parent_that_is_gone_for_a_while_is_told_and_waited_for(self):
        api = self.api()
        parent = self.folder / "parent"
        parent.mkdir()
        daemon = Daemon(self, api, run_dir=parent / "run").start()
        with Client(daemon.run_dir) as client:
            ids = self.record_all(client, with_ids("before", 20))
            eventually(lambda: len(api.keys()) == 20, "delivered")
            shutil.rmtree(parent)
            parent.write_text("in the way")
            eventually(lambda: "cannot be made again" in daemon.process.log_text(), "it is told")
            ids += self.record_all(client, with_ids("meanwhile", 20))
            eventually(lambda: len(api.keys()) == 40, "what is mapped goes on")
            parent.unlink()
            parent.mkdir()
            self.assert_made_again(daemon)
            self.record(daemon, with_ids("after", 20))
        ids += [r["transaction_id"] for r in with_ids("after", 20)]
        daemon.drained(len(ids))
        self.assert_delivered(api, ids)


class Many(RingsTest):
    def start(self, api, rings, **settings):
        """A daemon that may hold so many, started where descriptors are short at first."""
        segment_bytes = max(2 << 20, rings * SEGMENT_BYTES_A_RING * 5 // 4)
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(256, soft), hard))
        try:
            return self.daemon(api, settings={"journal.segment_bytes": segment_bytes,
                                              "journal.reserve_bytes": "2MiB", **settings})
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))

    def memory(self, daemon):
        """MiB that are the daemon's own: rings are pages of files."""
        text = pathlib.Path(f"/proc/{daemon.process.pid}/status").read_text()
        return int(re.search(r"RssAnon:\s+(\d+) kB", text)[1]) / 1024

    def test_each_of_many_rings_is_read_and_an_honest_one_does_not_starve(self):
        api = self.api()
        daemon = self.start(api, RINGS + 16)
        quiet = self.memory(daemon)
        records = 2
        apps = [self.app(f"app{n}", "rings", daemon.run_dir, f"app{n}",
                         min(RINGS_OF_A_PROCESS, RINGS - n), records)
                for n in range(0, RINGS, RINGS_OF_A_PROCESS)]
        honest, slowest, done = [], 0.0, threading.Event()
        with Client(daemon.run_dir) as client:
            def wait_ready():
                try:
                    for app in apps:
                        self.wait_ready(app)
                finally:
                    done.set()
            waiting = threading.Thread(target=wait_ready)
            waiting.start()
            rounds = 0
            while not done.is_set() or rounds < 20:
                rounds += 1
                honest += self.record_all(client, with_ids(f"honest{rounds}", 5))
                began = time.monotonic()
                self.assertEqual(client.flush(JOURNALED, int(PATIENCE * 1000)), OK,
                                 "an honest app starves: " + client.last_error())
                slowest = max(slowest, time.monotonic() - began)
            waiting.join()
            ids = [one for app in apps for one in self.ids(app)]
            self.assertEqual(len(ids), RINGS * records)
            stats = daemon.drained(len(ids) + len(honest), timeout=PATIENCE + RINGS / 20)
            self.assertEqual((stats["producers"], stats["rings_waiting"]), (RINGS + 1, 0))
            self.assertEqual((stats["missing"], stats["rings_condemned"]), (0, 0))
            full = self.memory(daemon)
            # Their descriptors, a context each and some words: nothing that a record leaves behind.
            self.assertLess(full - quiet, 64 + RINGS * 0.02)
            for app in apps:
                app.popen.stdin.close()
            daemon.until(lambda s: s["producers"] == 1, "the rings are gone",
                         timeout=PATIENCE + RINGS / 50)
        for app in apps:
            self.assertEqual(app.wait(), 0, app.log_text())
        self.assert_no_rings(daemon)
        self.assert_delivered(api, ids + honest)
        self.verify(daemon)
        print(f"\n{RINGS} rings: the daemon's own memory {quiet:.1f} MiB before, {full:.1f} MiB "
              f"with them; an honest app's 5 records were journaled after "
              f"{slowest * 1000:.0f} ms at most, over {rounds} rounds")

    def beyond(self, daemon, api, held):
        """Three apps of 20 rings where the daemon may hold `held`."""
        apps = []
        for n in range(3):
            apps.append(self.app(f"app{n}", "rings", daemon.run_dir, f"app{n}", 20, 3))
            self.wait_ready(apps[-1])
        waiting = 60 - held
        stats = daemon.until(lambda s: s["rings_waiting"] == waiting, f"{waiting} rings wait",
                             fresh=True)
        self.assertEqual(stats["producers"], held)
        self.assertIn("too many rings", daemon.process.log_text())
        self.assertIn(f"{waiting} waiting", self.ctl_ok(daemon, "status"))
        self.assertIn(f"xased_rings_waiting {waiting}", daemon.get("/metrics")[1])
        ids = [one for app in apps for one in self.ids(app)]
        self.assertEqual(len(ids), 180)
        # Also when nobody is there any more: none is lost, and the daemon may end meanwhile.
        for app in apps[:2]:
            app.popen.stdin.close()
            self.assertEqual(app.wait(), 0)
        daemon.kill()
        daemon.start()
        apps[2].popen.stdin.close()
        daemon.drained(len(ids))
        self.assert_no_rings(daemon)
        self.assertEqual(daemon.stats(fresh=True)["rings_waiting"], 0)
        self.assert_delivered(api, ids)
        self.verify(daemon)

    def test_those_beyond_the_limit_wait_and_are_told(self):
        api = self.api()
        self.beyond(self.daemon(api, settings={"ring.rings_max": 20}), api, 20)

    def test_those_beyond_the_descriptors_wait_and_leave_enough_for_all_else(self):
        class Short(Daemon):
            def command(self, *more):
                # Half of them are for what is no ring.
                return ["sh", "-c", 'ulimit -n 80; exec "$@"', "sh", *super().command(*more)]
        api = self.api()
        daemon = Short(self, api, settings={"api.max_in_flight": 4}).start()
        self.assertIn("the limit on open files", daemon.process.log_text())
        self.beyond(daemon, api, 40)


class TwoLibraries(RingsTest):
    def test_two_copies_in_one_process_and_its_children(self):
        api = self.api()
        daemon = self.daemon(api)
        libraries = []
        for name in ("first.so", "second.so"):
            shutil.copy(BUILD / "lib/libxase.so.1", self.folder / name)
            libraries.append(load(self.folder / name))
        addresses = {ctypes.cast(one.xase_record, ctypes.c_void_p).value for one in libraries}
        self.assertEqual(len(addresses), 2, "one library was loaded twice")
        ids = []
        with Client(daemon.run_dir, library=libraries[0]) as first, \
                Client(daemon.run_dir, library=libraries[1]) as second:
            for n in range(100):
                for name, client in (("first", first), ("second", second)):
                    ids += self.record_all(client, with_ids(f"{name}{n}", 1))
            child = os.fork()
            if child == 0:
                codes = [client.record(with_ids(f"child-{name}", 1)[0])
                         for name, client in (("first", first), ("second", second))]
                os._exit(0 if codes == [OK, OK] else 1)
            self.assertEqual(os.waitpid(child, 0)[1], 0)
            ids += ["child-first-1", "child-second-1"]
            # What one fails with is not what the other says.
            self.assertNotEqual(first.record({}), OK)
            self.assertNotEqual(first.last_error(), second.last_error())
            ids += self.record_all(second, with_ids("last", 1))
            self.assertEqual([client.stats()["rings"] for client in (first, second)], [1, 1])
        daemon.drained(len(ids))
        self.assert_delivered(api, ids)
        self.assert_no_rings(daemon)


class Away(RingsTest):
    def test_what_each_policy_takes_while_nobody_is_there_arrives_and_the_rest_is_a_gap(self):
        api = self.api()
        daemon = self.daemon(api)
        taken, refused = [], {"fail": 0, "block": 0}
        with Client(daemon.run_dir, ring_bytes=64 << 10) as fail, \
                Client(daemon.run_dir, ring_bytes=64 << 10, block_timeout_ms=1) as block:
            clients = {"fail": fail, "block": block}
            for name, client in clients.items():
                taken += self.record_all(client, with_ids(f"{name}-before", 5))
            daemon.drained(10)
            daemon.kill()
            for name, client in clients.items():
                for record in with_ids(name, 300):
                    error = client.record(record)
                    self.assertIn(error, (OK, QUEUE_FULL), client.last_error())
                    if error == OK:
                        taken.append(record["transaction_id"])
                    else:
                        refused[name] += 1
                self.assertGreater(refused[name], 100)
                self.assertEqual(client.stats()["refused"], refused[name])
            daemon.start()
            daemon.drained(len(taken), missing=sum(refused.values()))
            for name, client in clients.items():
                taken += self.record_all(client, with_ids(f"{name}-after", 5))
            stats = daemon.drained(len(taken))
            self.assertEqual(stats["committed"], len(taken))
            self.assertEqual(stats["missing"], sum(refused.values()))
        notes = re.findall(r"(\d+) missing: queue_full",
                           "\n".join(e["note"] for e in daemon.entries() if e["type"] == "GAP"))
        self.assertEqual(sum(int(count) for count in notes), sum(refused.values()))
        self.assert_delivered(api, taken)
        self.assert_no_rings(daemon)
        self.verify(daemon)


class Forks(RingsTest):
    def test_in_the_middle_of_another_threads_record(self):
        api = self.api()
        daemon = self.daemon(api)
        app = self.app("app", "forks", daemon.run_dir, "app", 20)
        self.wait_ready(app)
        ids = self.ids(app)
        self.assertEqual(len([one for one in ids if "child" in one]), 10)
        # Its ten children that called exec() live on, and hold nothing of its ring.
        app.kill()
        self.assert_no_rings(daemon)
        children = [path for path in pathlib.Path("/proc").glob("[0-9]*/stat")
                    if self.is_cat_of(app, path)]
        self.assertEqual(len(children), 10)
        daemon.drained(len(ids))
        self.assert_delivered(api, ids)

    def is_cat_of(self, app, path):
        """A `cat` that waits for the end of the app's input."""
        with contextlib.suppress(OSError):
            own = os.readlink(f"/proc/self/fd/{app.popen.stdin.fileno()}")
            return (path.read_text().split()[1] == "(cat)"
                    and os.readlink(path.with_name("fd") / "0") == own)
        return False


if __name__ == "__main__":
    unittest.main(verbosity=2)
