#!/usr/bin/env python3
"""An app that misbehaves beside an honest one, round after round: it harms its own records and
nothing else, its harm is an entry and counted, and the daemon lives through all of it.

XASE_E2E_HOSTILE: rounds of each hostility (3). XASE_E2E_SEED: the draw of a run that failed.
"""

import json
import os
import random
import subprocess
import time
import unittest

from client_library import BUILD, DURABLE, JOURNALED, OK, Client
from harness import PATIENCE, Daemon, E2eTest, Process, decisions, eventually, key_of

ROUNDS = int(os.environ.get("XASE_E2E_HOSTILE") or 3)
CONDEMNED_FILES_KEPT = 16
MISSING_MAX = 2**64 - 1  # soon reached, where an app may say what it was refused

# What each leaves in the ledger: a GAP about the ring that was given up, a GAP about a file that
# never was one, refused records, or nothing at all.
RING, FILE, REFUSED, NOTHING = "its ring", "its file", "its records", "nothing"
HOSTILITIES = {
    "truncated": RING,
    "scribbled": RING,
    "billion-byte-length": RING,
    "position-going-back": RING,
    "position-too-far": RING,
    "newer-version": FILE,
    "flipped-header-bit": FILE,
    "another-name": FILE,
    "hard-link": FILE,
    "symbolic-link": FILE,
    "fifo": FILE,
    "directory": FILE,
    "garbage": FILE,
    "flood": REFUSED,
    "removed": NOTHING,
    "doorbell-scribbled": NOTHING,
    "doorbell-cut-off": NOTHING,
}


class HostileApp:
    def __init__(self, test, daemon, seed):
        self.process = Process(test, "hostile", BUILD / "tests/hostile-app", daemon.run_dir, seed,
                               stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def say(self, line):
        self.process.popen.stdin.write(line.encode() + b"\n")
        self.process.popen.stdin.flush()

    def close(self):
        for pipe in (self.process.popen.stdin, self.process.popen.stdout):
            pipe.close()

    def answer(self):
        """(ring id, records committed, records refused)"""
        line = self.process.popen.stdout.readline().split()
        if len(line) != 3:
            raise AssertionError("the hostile app has ended:\n" + self.process.log_text())
        return line[0].decode(), int(line[1]), int(line[2])


class Honest:
    """Records without a pause between the rounds, and knows what it has recorded."""

    def __init__(self, client):
        self.client = client
        self.ids = []
        self.decisions = decisions()

    def record(self, count):
        for _ in range(count):
            n = len(self.ids) + 1
            decision = dict(self.decisions[n % len(self.decisions)], transaction_id=f"honest-{n}")
            if self.client.record(decision) != OK:
                raise AssertionError(f"an honest record is refused: {self.client.last_error()}")
            self.ids.append(f"honest-{n}")

    def flush(self, until=DURABLE):
        """However others behave, what is recorded is taken."""
        if self.client.flush(until, int(PATIENCE * 1000)) != OK:
            raise AssertionError(f"an honest app starves: {self.client.last_error()}")


class Hostile(E2eTest):
    def setUp(self):
        seed = int(os.environ.get("XASE_E2E_SEED") or random.SystemRandom().randrange(1 << 32))
        print(f"{self.id()}: XASE_E2E_SEED={seed}")
        self.seed = seed
        self.random = random.Random(seed)

    def test_an_app_that_misbehaves_harms_its_own_records_and_nothing_else(self):
        api = self.api()
        daemon = Daemon(self, api, settings={"journal.segment_bytes": "16MiB"}).start()
        hostile = HostileApp(self, daemon, self.seed)
        self.addCleanup(hostile.close)
        self.told = {name: dict.fromkeys(("rounds", "gaps", "missing", "aside", "rejected"), 0)
                     for name in HOSTILITIES}
        with Client(daemon.run_dir) as client:
            honest = Honest(client)
            honest.record(1)
            honest.flush()
            rounds = list(HOSTILITIES) * ROUNDS
            self.random.shuffle(rounds)
            # Last: a daemon takes a new page only so often, and then looks by its timer alone.
            rounds.sort(key=lambda name: name == "doorbell-cut-off")
            for name in rounds:
                self.round(daemon, hostile, honest, name)
            honest.record(1)
            self.assertEqual(client.stats()["rings_replaced"], 0, "its ring was never in question")
        hostile.close()
        self.assertEqual(hostile.process.wait(), 0, hostile.process.log_text())
        stats = daemon.drained(timeout=PATIENCE + len(rounds))
        self.assertEqual(stats["dead_letter"], 0)
        self.assert_no_rings_but_those_set_aside(daemon)
        self.assert_arrived_in_order(api, honest.ids, stats)
        self.assertEqual(daemon.stop(), 0)
        self.verify(daemon)
        self.print_told(len(honest.ids))

    def test_no_thread_ends_with_the_doorbell_whichever_meets_the_cut_first(self):
        daemon = self.daemon(self.api())
        doorbell = daemon.run_dir / "doorbell"
        for _ in range(12):
            eventually(lambda: doorbell.stat().st_size > 0, "there is a doorbell again")
            # Intake sleeps now, and who asks for fresh figures rings it.
            time.sleep(0.15)
            os.truncate(doorbell, 0)
            daemon.stats(fresh=True)
        self.assertEqual(daemon.stop(), 0)

    def round(self, daemon, hostile, honest, name):
        before = daemon.stats(fresh=True)
        honest.record(2)
        hostile.say(name)
        honest.record(3)
        honest.flush(JOURNALED)
        ring, committed, refused = hostile.answer()
        if name == "flood":
            # It is under way, and does not stop before the honest app's records are taken.
            honest.record(20)
            honest.flush(JOURNALED)
            hostile.say("enough")
            ring, committed, refused = hostile.answer()
        leaves = HOSTILITIES[name]
        aside = int(leaves in (RING, FILE))

        def settled(s):
            return (s["rings_condemned"] >= before["rings_condemned"] + aside
                    and s["gaps"] >= before["gaps"] + aside and s["producers"] == 1
                    and s["last_sequence"] == s["durable_sequence"]
                    and (leaves != REFUSED
                         or s["missing"] == min(before["missing"] + refused, MISSING_MAX)))

        stats = daemon.until(settled, f"{name} leaves {leaves} behind", fresh=True)
        grown = {key: stats[key] - before[key]
                 for key in ("rings_condemned", "gaps", "missing", "rejected")}
        self.assertEqual(grown["rings_condemned"], aside, name)
        if leaves == REFUSED:
            self.assertEqual(grown["rejected"], committed, name)
            self.assertGreater(refused, 0, name)
        elif name != "scribbled":  # which may say anything of what it was refused
            self.assertEqual((grown["gaps"], grown["rejected"]), (aside, 0), name)
        if leaves != REFUSED:
            self.assert_entries(daemon, before["last_sequence"], name, ring, committed)
        told = self.told[name]
        told["rounds"] += 1
        told["aside"] += grown["rings_condemned"]
        for key in ("gaps", "missing", "rejected"):
            told[key] += grown[key]

    def assert_entries(self, daemon, after, name, ring, committed):
        """The round's entries: one GAP for what is set aside, by name where it had one."""
        entries = json.loads(daemon.get(f"/entries?after={after}&limit=1000")[1])["entries"]
        condemned = [e.get("ring_id") for e in entries
                     if e["type"] == "GAP" and e["note"].endswith("ring_condemned")]
        expected = {RING: [ring], FILE: [None]}.get(HOSTILITIES[name], [])
        self.assertEqual(condemned, expected, name)
        if name != "scribbled":
            taken = [e["ring_sequence"] for e in entries
                     if e["type"] == "RECORD" and e["ring_id"] == ring]
            self.assertEqual(taken, list(range(1, committed + 1)), f"{name}: sound records before")

    def assert_no_rings_but_those_set_aside(self, daemon):
        daemon.until(lambda s: not [name for name in daemon.ring_files()
                                    if not name.startswith(".condemned-")],
                     "no ring is left", fresh=True)
        self.assertLessEqual(len(daemon.ring_files()), CONDEMNED_FILES_KEPT)

    def assert_arrived_in_order(self, api, ids, stats):
        honest = {key_of(one): one for one in ids}
        records = api.records()
        self.assertEqual(len(records), stats["delivered"])
        stored = sorted((json.loads(record["body"])["context"]["xase_ledger"]["sequence"],
                         honest[record["idempotency_key"]])
                        for record in records if record["idempotency_key"] in honest)
        self.assertTrue([one for _, one in stored] == ids,
                        f"{len(ids)} honest records were made, {len(stored)} are stored")

    def print_told(self, honest):
        print(f"\n{'hostility':20} {'rounds':>6} {'set aside':>9} {'gaps':>6} {'rejected':>9} "
              f"{'refused':>9}")
        for name, told in self.told.items():
            missing = "any" if name == "scribbled" else told["missing"]
            print(f"{name:20} {told['rounds']:6} {told['aside']:9} {told['gaps']:6} "
                  f"{told['rejected']:9} {missing:>9}")
        print(f"{honest} honest records, each stored once and in order; 0 refused")


if __name__ == "__main__":
    unittest.main(verbosity=2)
