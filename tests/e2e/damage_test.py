#!/usr/bin/env python3
"""A disk that gives back other bytes than were written: what is sound around them is served, signed
and proven, and the rest is said to be lost."""

import json
import unittest

from harness import BIN, E2eTest, with_ids

LEAF_BYTES = 288
MIB = 1 << 20


class Damage(E2eTest):
    def flip(self, daemon, sequence, at):
        """One bit, `at` bytes behind the beginning of the entry's leaf."""
        found = []
        for segment in (daemon.state_dir / "journal").glob("*.seg"):
            content = bytearray(segment.read_bytes())
            leaf = content.find(b"XASELEAF")
            while leaf >= 0:
                if int.from_bytes(content[leaf + 48:leaf + 56], "little") == sequence:
                    found.append(segment)
                    content[leaf + at] ^= 1
                    segment.write_bytes(content)
                leaf = content.find(b"XASELEAF", leaf + 8)
        self.assertEqual(len(found), 1, found)

    def without_its_tree(self, daemon):
        """As where the damage came before the tree had got to it."""
        (daemon.state_dir / "tree").rename(daemon.state_dir.parent / "tree-before")

    def covered(self, daemon):
        return daemon.until(lambda s: s["last_sequence"] == s["checkpoint_size"] > 0,
                            "a head covers all")

    def verdicts(self, daemon, path, *options):
        done = self.ctl(daemon, "verify", "--json", *options, path)
        report = json.loads(done.stdout)
        return done.returncode, {one["name"]: one for one in report["properties"]}

    def records_of(self, daemon):
        return [entry["sequence"] for entry in daemon.entries() if entry["type"] == "RECORD"]

    def test_what_was_lost_before_it_was_signed(self):
        api = self.api()
        daemon = self.daemon(api, settings={"journal.keep_payloads": "0s",
                                            "journal.segment_bytes": "1MiB"})
        records = with_ids("before", 60)
        self.record(daemon, records)
        daemon.drained(60)
        sequences = self.records_of(daemon)
        daemon.stop()
        self.without_its_tree(daemon)
        gone, unreadable = sequences[20], sequences[30]
        self.flip(daemon, gone, at=100)
        self.flip(daemon, unreadable, at=LEAF_BYTES + 70)
        daemon.start()
        stats = self.covered(daemon)
        self.assertEqual((stats["tree_lost"], stats["tree_stalled"]), (1, False))
        self.assertIn("1 entry lost before being signed", self.ctl_ok(daemon, "status"))
        self.assertIn("xased_tree_lost_total 1", daemon.get("/metrics")[1])

        # It is told once, whoever comes across it, however often.
        for _ in range(2):
            self.assertEqual((stats["gaps"], stats["missing"]), (2, 2))
            daemon.stop()
            daemon.start()
            stats = self.covered(daemon)
        gaps = [entry["note"] for entry in daemon.entries() if entry["type"] == "GAP"]
        self.assertEqual(gaps, ["1 missing: journal_damaged"] * 2)

        # The ledger: both are missing in it, and the head is over what stands in their place.
        code, found = self.verdicts(daemon, daemon.state_dir)
        self.assertEqual(code, 1)
        self.assertEqual(found["complete"]["verdict"], "REFUTED")
        self.assertEqual(found["complete"]["first_bad_sequence"], gone)
        self.assertEqual(found["checkpoint"]["verdict"], "PROVEN", found["checkpoint"])
        self.assertEqual(found["tiles"]["verdict"], "PROVEN", found["tiles"])
        self.assertIn(f"in the place of 1 entry, the first of them {gone}", found["tiles"]["text"])

        # Decisions: all others can be proven.
        key, = json.loads(self.ctl_ok(daemon, "keys", "show", "--json", daemon.state_dir))
        pinned = ("--key", key["verifier_key"])
        proof = self.folder / "proof.json"
        self.ctl_ok(daemon, "prove", records[25]["transaction_id"], "--state-dir",
                    daemon.state_dir, "--out", proof)
        self.assertEqual(self.verdicts(daemon, proof, *pinned)[0], 0)

        # Stretches: around the lost one nothing is in doubt, and across it what it was is.
        def stretch(first, last):
            bundle = self.folder / f"{first}-{last}.tar"
            self.ctl_ok(daemon, "export", "--from", first, "--to", last, "--state-dir",
                        daemon.state_dir, "--out", bundle)
            return self.verdicts(daemon, bundle, *pinned)
        self.assertEqual(stretch(gone + 1, unreadable + 5)[0], 0)
        for first, last in ((gone - 3, gone + 3), (gone, gone + 1), (gone - 1, gone), (gone, gone)):
            code, found = stretch(first, last)
            self.assertEqual(code, 2, (first, last))
            self.assertEqual(found["leaves"]["verdict"], "NOT ESTABLISHED")
            self.assertIn(f"entry {gone} first", found["leaves"]["text"])
            self.assertEqual(found["inclusion"]["verdict"], "PROVEN")

        # It goes on: records are taken and delivered, heads follow from heads, and the damaged
        # segment goes when its time has come.
        kept = self.folder / "kept-head"
        kept.write_bytes((daemon.state_dir / "tree/checkpoint").read_bytes())
        large = [{**one, "input": {"text": "x" * 230_000}} for one in with_ids("behind", 16)]
        self.record(daemon, large)
        daemon.drained(60 + len(large))
        daemon.until(lambda s: s["segments_removed"] >= 2, "old segments go", fresh=True)
        self.covered(daemon)
        code, found = self.verdicts(daemon, daemon.state_dir, *pinned, "--checkpoint", kept)
        self.assertEqual(code, 0, found)
        self.assertEqual(found["extends"]["verdict"], "PROVEN")
        self.assertIn(f"in the place of 1 entry, the first of them {gone}", found["tiles"]["text"])


if __name__ == "__main__":
    unittest.main()
