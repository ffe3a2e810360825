#!/usr/bin/env python3
"""Full: the ring, and the disk. Producers are told, what is missing is an entry, nothing taken is
lost, and it goes on by itself once there is room.
"""

import os
import re
import subprocess
import unittest

from client_library import OK, QUEUE_FULL, Client
from harness import Daemon, E2eTest, Producer, eventually, with_ids

MIB = 1 << 20


class FullRing(E2eTest):
    RING = "64KiB"

    def fill(self, client, records):
        """Records all of them, and returns those that were taken."""
        taken = []
        for record in records:
            error = client.record(record)
            self.assertIn(error, (OK, QUEUE_FULL), client.last_error())
            if error == OK:
                taken.append(record)
        return taken

    def gaps(self, daemon):
        """What the GAP entries say: [(count, reason)]."""
        notes = [e["note"] for e in daemon.entries() if e["type"] == "GAP"]
        found = [re.fullmatch(r"(\d+) missing: (\w+)", note).groups() for note in notes]
        return [(int(count), reason) for count, reason in found]

    def test_what_finds_no_room_is_told_counted_and_an_entry(self):
        api = self.api()
        daemon = self.daemon(api, settings={"ring.bytes": self.RING})
        records = with_ids("full", 400)
        with Client(daemon.run_dir) as client:
            before = self.fill(client, records[:10])
            self.assertEqual(len(before), 10)
            daemon.drained(10)
            daemon.freeze()
            taken = self.fill(client, records[10:300])
            refused = 290 - len(taken)
            self.assertGreater(refused, 0, "the ring never filled")
            self.assertGreater(len(taken), 20)
            self.assertEqual(client.stats()["refused"], refused)
            self.assertIn("full", client.last_error())
            daemon.thaw()
            daemon.until(lambda s: s["journaled"] == 10 + len(taken), "what was taken is entries")
            after = self.fill(client, records[300:310])
            self.assertEqual(len(after), 10)
            stats = daemon.drained(10 + len(taken) + 10, missing=refused)
            self.assertEqual(stats["missing"], refused)
            self.assertEqual(sum(count for count, _ in self.gaps(daemon)), refused)
            self.assertEqual({reason for _, reason in self.gaps(daemon)}, {"queue_full"})
            self.assertEqual(stats["gaps"], len(self.gaps(daemon)))
            # The gap lies between the records that it is between.
            types = [e["type"] for e in daemon.entries() if e["type"] in ("RECORD", "GAP")]
            last_gap = len(types) - 1 - types[::-1].index("GAP")
            self.assertEqual(types[last_gap + 1:].count("RECORD"), 10)
        self.assert_delivered(api, [r["transaction_id"] for r in before + taken + after])
        self.assert_no_rings(daemon)
        self.verify(daemon)

    def test_the_gap_of_a_producer_that_died_is_an_entry_too(self):
        api = self.api()
        daemon = self.daemon(api, settings={"ring.bytes": self.RING})
        daemon.freeze()
        producer = Producer(self, daemon, with_ids("dead", 300), options=("--room-timeout", "0.2"))
        self.assertEqual(producer.process.wait(), 1)
        self.assertIn("QUEUE_FULL", producer.process.log_text())
        acked = producer.acked_ids()
        self.assertGreater(len(acked), 20)
        daemon.thaw()
        stats = daemon.drained(len(acked), missing=1)
        self.assertEqual((stats["missing"], self.gaps(daemon)), (1, [(1, "queue_full")]))
        self.assert_delivered(api, acked)
        self.assert_no_rings(daemon)
        self.verify(daemon)

    def test_a_producer_that_waits_for_room_loses_nothing(self):
        api = self.api()
        daemon = self.daemon(api, settings={"ring.bytes": self.RING})
        daemon.freeze()
        producer = Producer(self, daemon, with_ids("block", 300), options=("--room-timeout", "60"))
        eventually(lambda: len(producer.acked()) > 20, "the ring is nearly full")
        daemon.thaw()
        self.assertEqual(producer.process.wait(), 0, producer.process.log_text())
        stats = daemon.drained(300)
        self.assertEqual((stats["gaps"], stats["missing"]), (0, 0))
        self.assert_delivered(api, producer.acked_ids())

    def test_no_daemon_and_a_full_ring(self):
        api = self.api()
        daemon = Daemon(self, api, settings={"ring.bytes": self.RING})
        with Client(daemon.run_dir, ring_bytes=64 << 10) as client:
            taken = self.fill(client, with_ids("none", 200))
            self.assertLess(len(taken), 200)
            daemon.start()
            stats = daemon.drained(len(taken), missing=200 - len(taken))
            self.assertEqual(stats["missing"], 200 - len(taken))
        self.assert_delivered(api, [r["transaction_id"] for r in taken])
        self.assert_no_rings(daemon)
        self.verify(daemon)


@unittest.skipUnless(os.geteuid() == 0, "mounts a file system of its own")
class FullDisk(E2eTest):
    def mount(self, size_mib):
        """A tmpfs of that size for the state directory."""
        self.state_dir = self.folder / "state"
        self.state_dir.mkdir()
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size_mib}m,mode=700", "tmpfs",
                               self.state_dir], text=True, capture_output=True)
        if done.returncode != 0 and "permission denied" in done.stderr:
            self.skipTest(f"this root may not mount a tmpfs: {done.stderr.strip()}")
        self.assertEqual(done.returncode, 0, f"a tmpfs is needed here: {done.stderr}")
        self.addCleanup(subprocess.run, ["umount", "-l", self.state_dir], check=True)

    def grow(self, size_mib):
        subprocess.run(["mount", "-o", f"remount,size={size_mib}m", self.state_dir], check=True)

    def full(self, api, room_timeout="5", **settings):
        """A daemon whose disk has just become full, and the producer that found it so."""
        self.mount(16)
        daemon = Daemon(self, api, settings={
            "ring.bytes": "256KiB", "journal.segment_bytes": "1MiB",
            "journal.reserve_bytes": "5MiB", "journal.max_bytes": "1GiB", **settings}).start()
        producer = Producer(self, daemon, with_ids("disk", 20000), "filler",
                            ("--room-timeout", room_timeout, "--rate", "4000"))
        daemon.until(lambda s: s["disk_full"], "the disk is full")
        return daemon, producer

    def test_producers_are_told_deliveries_go_on_and_it_resumes_by_itself(self):
        api = self.api()
        daemon, producer = self.full(api)
        # Producers: QUEUE_FULL, and no more than that.
        self.assertEqual(producer.process.wait(), 1)
        self.assertIn("QUEUE_FULL", producer.process.log_text())
        status, why = daemon.get("/readyz")
        self.assertEqual(status, 503)
        self.assertIn("room", why)
        self.assertEqual(daemon.get("/livez")[0], 200)
        done = self.ctl(daemon, "ready")
        self.assertEqual(done.returncode, 1)
        self.assertIn("room", done.stderr)
        # Deliveries: all that is journaled goes out, on the reserve.
        stats = daemon.until(lambda s: s["undelivered"] == 0, "all that is journaled is delivered")
        self.assertTrue(stats["disk_full"])
        self.assertTrue(daemon.running())
        acked = producer.acked_ids()
        self.assertGreater(len(acked), stats["delivered"], "records wait in their ring")
        # Room again: nobody has to do anything else.
        self.grow(128)
        stats = daemon.drained(len(acked), missing=1)
        self.assertFalse(stats["disk_full"])
        self.assertEqual(daemon.get("/readyz")[0], 200)
        self.assertEqual(stats["missing"], 1)
        more = with_ids("more", 500)
        self.record(daemon, more)
        daemon.drained(len(acked) + 500)
        self.assert_delivered(api, acked + [r["transaction_id"] for r in more])
        self.assert_no_rings(daemon)
        self.verify(daemon)

    def test_killed_and_stopped_while_full(self):
        api = self.api()
        # It waits all the while: what it records keeps the disk full after each start.
        daemon, producer = self.full(api, room_timeout="300")
        for end, code in ((daemon.kill, -9), (daemon.stop, 0), (daemon.kill, -9)):
            self.assertEqual(end(), code)
            daemon.start(wait=False)
            daemon.until(lambda s: s["disk_full"] or not s["ready"], "it starts, and is still full")
        producer.process.kill()
        acked = producer.acked_ids()
        self.grow(128)
        daemon.drained()
        keys = self.assert_delivered(api, acked, also=[f"disk-{len(acked) + 1}"])
        self.assertIn(keys - len(acked), (0, 1))
        self.assert_no_rings(daemon)
        self.verify(daemon)

    def test_full_while_the_api_is_away(self):
        api = self.api()
        api.faults(status={"status": 503})
        daemon, producer = self.full(api)
        self.assertEqual(producer.process.wait(), 1)
        acked = producer.acked_ids()
        stats = daemon.stats()
        self.assertEqual((stats["delivered"], stats["dead_letter"]), (0, 0))
        # The API is back and the disk is still full: receipts go to the reserve as far as it
        # reaches, and nothing is counted as delivered beyond that.
        api.faults()
        daemon.until(lambda s: s["delivered"] > 0, "deliveries go on")
        self.grow(128)
        daemon.drained(len(acked))
        self.assert_delivered(api, acked)
        self.verify(daemon)


class MaxBytes(E2eTest):
    """journal.max_bytes instead of the disk's end."""

    def test_at_the_limit_producers_are_told_and_a_higher_one_takes_what_waits(self):
        api = self.api()
        api.faults(status={"status": 503})
        daemon = self.daemon(api, settings={
            "journal.segment_bytes": "1MiB", "journal.max_bytes": "6MiB",
            "journal.reserve_bytes": "1MiB", "ring.bytes": "256KiB"})
        with Client(daemon.run_dir, block_timeout_ms=3000) as client:
            taken = []
            for record in with_ids("limit", 12000):
                if client.record(record) != OK:
                    break
                taken.append(record["transaction_id"])
            self.assertLess(len(taken), 12000, "the limit was never reached")
            status, why = daemon.get("/readyz")
            self.assertEqual(status, 503)
            self.assertIn("room", why)
            stats = daemon.stats()
            self.assertLessEqual(stats["journal_bytes"], 6 * MIB)
            self.assertEqual((stats["delivered"], stats["dead_letter"]), (0, 0))
            # Deliveries need room for receipts alone, and that is set apart.
            api.faults()
            daemon.until(lambda s: s["delivered"] > 0, "deliveries go on")
            self.assertEqual(daemon.stop(), 0)
            daemon.settings["journal.max_bytes"] = "64MiB"
            daemon.start()
            stats = daemon.drained(len(taken), missing=1)
            self.assertEqual(stats["missing"], 1)
            self.assertEqual(daemon.get("/readyz")[0], 200)
        self.assert_delivered(api, taken)
        self.verify(daemon)


if __name__ == "__main__":
    unittest.main(verbosity=2)
