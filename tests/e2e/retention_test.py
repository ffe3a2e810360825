#!/usr/bin/env python3
"""Retention: what was kept for long enough goes, and nothing else; what is left verifies."""

import json
import unittest

from harness import E2eTest, eventually, with_ids

MIB = 1 << 20
# About four records fill one of the smallest segments.
LARGE = "x" * 230_000


def large(prefix, count):
    return [{**one, "input": {"text": LARGE}} for one in with_ids(prefix, count)]


class Retention(E2eTest):
    SETTINGS = {"journal.segment_bytes": "1MiB", "journal.max_bytes": "8MiB",
                "journal.reserve_bytes": "1MiB", "journal.sync_interval": "1ms"}

    def daemon_keeping(self, keep, api, **more):
        return self.daemon(api, settings={**self.SETTINGS, "journal.keep_payloads": keep, **more})

    def segments(self, daemon):
        return sorted((daemon.state_dir / "journal").glob("*.seg"))

    def erased(self, daemon):
        return [entry["note"] for entry in daemon.entries() if entry["type"] == "ERASE"]

    def verify_pinned(self, daemon):
        key, = json.loads(self.ctl_ok(daemon, "keys", "show", "--json", daemon.state_dir))
        return self.ctl_ok(daemon, "verify", "--key", key["verifier_key"], daemon.state_dir)

    def test_delivered_records_go_and_the_ledger_verifies(self):
        api = self.api()
        daemon = self.daemon_keeping("0s", api)
        records = large("gone", 24)
        self.record(daemon, records)
        daemon.drained(24)
        daemon.until(lambda s: s["segments_removed"] >= 5, "old segments go", fresh=True)
        self.assertLessEqual(len(self.segments(daemon)), 3)
        self.assertTrue(self.erased(daemon)[0].startswith("1 to "))
        daemon.until(lambda s: s["checkpoint_size"] >= s["last_sequence"], "a head covers all")
        self.assertIn("removed by retention", self.verify_pinned(daemon))
        # What is gone is not sent again, nor said to be lost, by the next start.
        daemon.stop()
        daemon.start()
        self.record(daemon, large("behind", 4))
        stats = daemon.drained(28)
        self.assertEqual(stats["gaps"], 0)
        self.assert_delivered(api, [one["transaction_id"] for one in records + large("behind", 4)])
        self.verify(daemon)

    def test_what_is_not_delivered_stays(self):
        api = self.api()
        daemon = self.daemon_keeping("0s", api)
        api.stop()
        records = large("kept", 16)
        self.record(daemon, records)
        daemon.until(lambda s: s["journaled"] == 16, "all are taken")
        before = self.segments(daemon)
        self.assertGreater(len(before), 3)
        # Long enough for a look at what may go.
        seen = daemon.stats()["checkpoint_size"]
        self.record(daemon, large("more", 1))
        daemon.until(lambda s: s["checkpoint_size"] > seen, "a checkpoint covers them", fresh=True)
        self.assertEqual(self.segments(daemon)[0], before[0])
        api.start()
        daemon.drained(17)
        daemon.until(lambda s: s["segments_removed"] >= 3, "then they go", fresh=True)
        self.assert_delivered(api, [one["transaction_id"] for one in records + large("more", 1)])

    def test_a_full_journal_makes_room_of_what_is_delivered(self):
        api = self.api()
        daemon = self.daemon_keeping("365d", api)
        for part in range(8):
            self.record(daemon, large(f"part{part}", 8))
            daemon.drained(8 * (part + 1))
        stats = daemon.stats(fresh=True)
        self.assertGreater(stats["segments_removed_early"], 5)
        self.assertLessEqual(stats["journal_bytes"], 8 * MIB)
        self.assertIn("room", self.erased(daemon)[-1])
        self.assertEqual(stats["refused"], 0)
        self.assertIn("for want of room", self.verify(daemon))

    def test_a_record_that_was_refused_and_is_gone_is_not_promised_again(self):
        api = self.api()
        daemon = self.daemon_keeping("0s", api)
        api.faults(status={"status": 422})
        self.record(daemon, large("refused", 1))
        daemon.until(lambda s: s["dead_letter"] == 1, "it is set aside")
        api.faults()
        self.record(daemon, large("well", 12))
        daemon.until(lambda s: s["segments_removed"] >= 1, "it is gone", fresh=True)
        daemon.stop()
        daemon.start()
        letter = json.loads(self.ctl_ok(daemon, "deadletter", "list", "--json"))
        self.assertTrue(letter["removed"])
        self.assertIn("(removed)", self.ctl_ok(daemon, "deadletter", "list"))
        done = self.ctl(daemon, "deadletter", "retry", str(letter["sequence"]))
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("no longer in the journal", done.stderr)

    def test_a_key_pinned_before_the_change_that_was_removed(self):
        api = self.api()
        daemon = self.daemon_keeping("0s", api)
        before, = json.loads(self.ctl_ok(daemon, "keys", "show", "--json", daemon.state_dir))
        self.record(daemon, large("before", 2))
        self.ctl_ok(daemon, "keys", "rotate")
        daemon.until(lambda s: s["checkpoint_size"] >= s["last_sequence"], "the new key signs")
        change = max(one["sequence"] for one in daemon.entries() if one["type"] == "KEY")
        self.record(daemon, large("after", 24))
        daemon.drained(26)
        daemon.until(lambda s: s["segments_removed"] >= 5, "old segments go", fresh=True)
        daemon.until(lambda s: s["checkpoint_size"] >= s["last_sequence"], "a head covers all")
        self.assertGreater(daemon.entries()[0]["sequence"], change)

        def signer():
            done = self.ctl(daemon, "verify", "--json", "--key", before["verifier_key"],
                            daemon.state_dir)
            found = {one["name"]: one for one in json.loads(done.stdout)["properties"]}
            return done.returncode, found["signer"]["verdict"]
        self.assertEqual(signer(), (0, "PROVEN"))
        self.verify(daemon)
        # Also behind another start, and not without what is kept beside the tree.
        daemon.kill()
        daemon.start()
        self.record(daemon, large("later", 1))
        daemon.drained(27)
        daemon.until(lambda s: s["checkpoint_size"] >= s["last_sequence"], "a head covers all")
        self.assertEqual(signer(), (0, "PROVEN"))
        (daemon.state_dir / "tree/keys").rename(self.folder / "away")
        self.assertEqual(signer(), (2, "NOT ESTABLISHED"))

    def test_a_beginning_that_someone_took_away_is_refuted(self):
        api = self.api()
        daemon = self.daemon_keeping("365d", api)
        self.record(daemon, large("taken", 12))
        daemon.drained(12)
        daemon.stop()
        self.segments(daemon)[0].unlink()
        done = self.ctl(daemon, "verify", daemon.state_dir)
        self.assertEqual(done.returncode, 1, done.stdout)
        self.assertIn("no ERASE entry tells", done.stdout)


if __name__ == "__main__":
    unittest.main()
