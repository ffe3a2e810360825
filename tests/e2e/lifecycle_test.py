#!/usr/bin/env python3
"""Start, stop, restart, a second daemon, and records made while none runs."""

import json
import os
import signal
import unittest

from client_library import OK, Client
from harness import Daemon, DevApi, E2eTest, Process, Producer, BIN, eventually, free_port, with_ids


class TwoDaemons(E2eTest):
    def assert_refused(self, first, second):
        second.start(wait=False)
        self.assertEqual(second.process.wait(), 1)
        self.assertIn(f"pid {first.process.pid}", second.process.log_text())
        self.assertTrue(first.running())
        self.record(first, with_ids("still", 10))
        first.drained(10)

    def test_the_second_on_a_state_directory_refuses_and_names_the_first(self):
        first = self.daemon(self.api())
        self.assert_refused(first, Daemon(self, name="second", run_dir=self.folder / "run2"))

    def test_the_second_on_a_run_directory_refuses_and_names_the_first(self):
        first = self.daemon(self.api())
        self.assert_refused(first, Daemon(self, name="second", state_dir=self.folder / "state2"))

    def test_after_a_kill_the_next_one_starts(self):
        daemon = self.daemon(self.api())
        daemon.kill()
        second = Daemon(self, name="second").start()
        self.assertNotEqual(second.stats()["pid"], 0)

    def test_two_on_directories_of_their_own_do_not_meet(self):
        api = self.api()
        first = self.daemon(api)
        second = Daemon(self, api, name="second", run_dir=self.folder / "run2",
                        state_dir=self.folder / "state2").start()
        self.record(first, with_ids("first", 20))
        self.record(second, with_ids("second", 30))
        self.assertEqual(first.drained(20)["committed"], 20)
        self.assertEqual(second.drained(30)["committed"], 30)
        self.assertNotEqual(first.stats()["log_id"], second.stats()["log_id"])


class Stop(E2eTest):
    def test_sigterm_delivers_what_is_there_and_ends_with_0(self):
        api = self.api()
        api.faults(latency_ms=20)
        daemon = self.daemon(api)
        records = with_ids("drain", 200)
        self.record(daemon, records)
        self.assertEqual(daemon.stop(), 0)
        self.assert_delivered(api, [r["transaction_id"] for r in records])
        self.verify(daemon)
        self.assertFalse((daemon.run_dir / "stats.sock").exists())

    def test_sigint_is_the_same(self):
        daemon = self.daemon(self.api())
        self.record(daemon, with_ids("int", 10))
        daemon.process.signal(signal.SIGINT)
        self.assertEqual(daemon.process.wait(), 0)
        self.verify(daemon)

    def test_the_drain_ends_at_its_timeout_and_the_rest_goes_out_after_the_next_start(self):
        api = self.api()
        daemon = self.daemon(api, settings={"delivery.drain_timeout": "300ms",
                                            "api.max_in_flight": "1"})
        api.faults(hang={"hang_ms": 60000})
        records = with_ids("rest", 50)
        self.record(daemon, records)
        daemon.until(lambda s: s["in_flight"] == 1, "a request hangs")
        # It would hang for a minute: the patience below is less.
        self.assertEqual(daemon.stop(timeout=20), 0)
        api.faults()
        daemon.start()
        daemon.drained(len(records))
        self.assert_delivered(api, [r["transaction_id"] for r in records])
        self.verify(daemon)

    def test_a_second_sigterm_skips_delivery(self):
        api = DevApi(self)  # never started
        daemon = self.daemon(api, settings={"delivery.drain_timeout": "1h"})
        self.record(daemon, with_ids("skip", 20))
        daemon.until(lambda s: s["attempts"] > 0, "it tries")
        daemon.process.signal(signal.SIGTERM)
        daemon.until(lambda s: s["stopping"], "it stops")
        self.assertEqual(daemon.get("/readyz")[0], 503)
        self.assertEqual(daemon.stop(timeout=20), 0)
        self.verify(daemon)

    def test_a_clean_stop_leaves_a_ledger_that_says_so(self):
        daemon = self.daemon(self.api())
        self.record(daemon, with_ids("clean", 5))
        daemon.drained(5)
        self.assertEqual(daemon.stop(), 0)
        before = len([1 for _ in daemon.state_dir.rglob("*")])
        daemon.start()
        types = [e["type"] for e in daemon.entries()]
        self.assertEqual(types[0], "START")
        self.assertEqual(types[-5:], ["SEAL", "STOP", "START", "KEY", "SEAL"])
        self.assertNotIn("RECOVERED", types)
        self.assertGreater(before, 0)
        stats = daemon.stats()
        self.assertEqual((stats["delivered"], stats["committed"]), (5, 5))

    def test_epochs_close_with_their_own_keys_which_are_gone_then(self):
        api = self.api()
        daemon = self.daemon(api, settings={"ledger.epoch": "1s", "ledger.seal_interval": "1s"})
        keys = daemon.state_dir / "keys"

        def epochs():
            return sorted(int(path.stem.split("-")[1]) for path in keys.glob("epoch-*.key"))
        self.record(daemon, with_ids("first", 5))
        eventually(lambda: epochs() and epochs()[0] >= 3, "two epochs have ended")
        daemon.kill()
        open_epochs = epochs()
        self.assertIn(len(open_epochs), (1, 2))
        daemon.start()
        self.record(daemon, with_ids("second", 5))
        daemon.drained(10)
        eventually(lambda: epochs()[0] > open_epochs[-1], "the one that was open is closed too")
        self.assertEqual(daemon.stop(), 0)
        self.assertEqual(epochs(), [])
        done = self.ctl(daemon, "verify", daemon.state_dir, "--key", keys / "log.vkey", "--json")
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        seals = [p for p in json.loads(done.stdout)["properties"] if p["name"] == "seals"]
        self.assertEqual([p["verdict"] for p in seals], ["PROVEN"], seals)

    def test_counts_and_the_log_go_on_over_restarts(self):
        api = self.api()
        daemon = self.daemon(api)
        log_id = daemon.stats()["log_id"]
        ids = []
        for turn in range(5):
            records = with_ids(f"turn{turn}", 40)
            ids += [r["transaction_id"] for r in records]
            self.record(daemon, records)
            if turn % 2:
                daemon.kill()
            else:
                self.assertEqual(daemon.stop(), 0)
            daemon.start()
        stats = daemon.drained(200)
        self.assertEqual((stats["committed"], stats["durable"], stats["log_id"]),
                         (200, 200, log_id))
        self.assert_delivered(api, ids)
        self.assert_no_rings(daemon)
        self.verify(daemon)


class WithoutADaemon(E2eTest):
    def test_records_made_before_the_daemon_ever_ran(self):
        api = self.api()
        daemon = Daemon(self, api)
        records = with_ids("early", 200)
        self.record(daemon.run_dir, records)  # makes the run directory
        self.assertEqual(len(daemon.ring_files()), 1)
        daemon.start()
        daemon.drained(len(records))
        self.assert_delivered(api, [r["transaction_id"] for r in records])
        self.assert_no_rings(daemon)
        self.verify(daemon)

    def test_records_made_while_the_daemon_is_away(self):
        api = self.api()
        daemon = self.daemon(api)
        records = with_ids("away", 300)
        with Client(daemon.run_dir) as client:
            for record in records[:100]:
                self.assertEqual(client.record(record), OK, client.last_error())
            daemon.until(lambda s: s["journaled"] == 100, "taken")
            self.assertEqual(daemon.stop(), 0)
            for record in records[100:200]:
                self.assertEqual(client.record(record), OK, client.last_error())
            daemon.start()
            for record in records[200:]:
                self.assertEqual(client.record(record), OK, client.last_error())
            daemon.drained(len(records))
            counts = client.stats()
            self.assertEqual((counts["committed"], counts["refused"], counts["rings_replaced"]),
                             (300, 0, 0))
        self.assert_delivered(api, [r["transaction_id"] for r in records])
        self.assert_no_rings(daemon)

    def test_a_producer_goes_on_through_a_restart(self):
        api = self.api()
        daemon = self.daemon(api)
        # Many seconds' worth, so that each restart falls into its life.
        producer = Producer(self, daemon, with_ids("through", 3000), options=("--rate", "300"))
        for end in (daemon.stop, daemon.kill, daemon.stop):
            before = len(producer.acked())
            eventually(lambda: len(producer.acked()) > before + 20, "the producer goes on")
            end()
            daemon.start()
        self.assertEqual(producer.process.wait(), 0)
        daemon.drained(3000)
        self.assert_delivered(api, producer.acked_ids())
        self.assert_no_rings(daemon)
        self.verify(daemon)


class DevMode(E2eTest):
    def test_everything_under_one_directory(self):
        directory = self.folder / "dev"
        port = free_port()
        # No root, no key, no configuration: not even where there is one.
        process = Process(self, "xased-dev", BIN / "xased", "--dev", "--dir", directory,
                          "--api-port", port, env={"XASE_API_KEY": "", "HOME": str(self.folder)})
        api = DevApi(self)
        api.port = port
        run_dir = directory / "run"
        eventually(lambda: self.ctl(run_dir, "ready").returncode == 0, "it is ready")
        self.assertIn("dev mode", process.log_text())
        self.assertIn(f"xasectl --run-dir {run_dir} status", process.log_text())
        records = with_ids("dev", 50)
        self.record(run_dir, records, "--wait", "delivered")
        self.assert_delivered(api, [r["transaction_id"] for r in records])
        self.assertEqual(process.terminate(), 0)
        self.verify(directory / "state")
        self.assertEqual({entry.name for entry in directory.iterdir()},
                         {"api", "api-key", "run", "state"})
        # And again on the same directory: what was there is still there.
        process = Process(self, "xased-dev", BIN / "xased", "--dev", "--dir", directory,
                          "--api-port", port)
        eventually(lambda: self.ctl(run_dir, "ready").returncode == 0, "it is ready again")
        status = json.loads(self.ctl_ok(run_dir, "status", "--json"))
        self.assertEqual((status["delivered"], status["undelivered"]), (50, 0))
        self.assertEqual(api.stats()["records"], 50)
        self.assertEqual(process.terminate(), 0)

    def test_a_port_that_is_taken_is_told(self):
        api = self.api()
        process = Process(self, "xased-dev", BIN / "xased", "--dev", "--dir", self.folder / "dev",
                          "--api-port", api.port)
        self.assertEqual(process.wait(), 1)
        self.assertIn(str(api.port), process.log_text())

    @unittest.skipUnless(os.geteuid() == 0, "becomes another user")
    def test_without_root(self):
        self.folder.chmod(0o755)
        directory = self.folder / "dev"
        directory.mkdir()
        os.chown(directory, 65534, 65534)
        command = [BIN / "xased", "--dev", "--dir", directory]
        process = Process(self, "xased-dev", "setpriv", "--reuid=65534", "--regid=65534",
                          "--clear-groups", *command, cwd="/")
        if not os.access(BIN, os.X_OK) or "ermission denied" in process.log_text():
            self.skipTest(f"{BIN} is not for other users")
        run_dir = directory / "run"
        eventually(lambda: self.ctl(run_dir, "ready").returncode == 0, "it is ready")
        self.record(run_dir, with_ids("user", 10), "--wait", "delivered")
        self.assertEqual(process.terminate(), 0)


if __name__ == "__main__":
    unittest.main(verbosity=2)
