#!/usr/bin/env python3
"""Our proofs under the eyes of Go's checksum-database code, and of xasectl on a machine that has
nothing but the file and the key.

XASE_PROOF_RECORDS says how many records the ledger has: 1000000 is the size that is promised for,
and takes a minute and 3 GB of disk. The choice of records is by a seed that is printed; XASE_SEED
takes it again.
"""

import json
import os
import pathlib
import random
import shutil
import sys
import tempfile
import time
import unittest

from checker import BUILD, build_checker, run

XASECTL = pathlib.Path(os.environ["XASE_BIN"]) / "xasectl"
RECORDS = int(os.environ.get("XASE_PROOF_RECORDS") or 70_000)
SEED = int(os.environ.get("XASE_SEED") or random.randrange(1 << 31))
HASH_BYTES_MAX = 2048


class Proof(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = pathlib.Path(tempfile.mkdtemp(prefix="xase-proof-"))
        cls.addClassCleanup(shutil.rmtree, cls.folder)
        cls.program = build_checker(cls.folder, "check_proof")
        cls.state = cls.folder / "state"
        done = run(BUILD / "tests" / "interop-build-ledger", cls.state, RECORDS)
        if done.returncode != 0:
            sys.exit(done.stderr)
        cls.key = done.stdout.strip()
        print(f"seed {SEED}, {RECORDS} records, key {cls.key}", file=sys.stderr)

    def prove(self, entry, *arguments):
        """Gives the file and what xasectl says of it."""
        out = self.folder / "proof.json"
        begin = time.monotonic()
        done = run(XASECTL, "prove", entry, "--state-dir", self.state, "--out", out, "--json",
                   *arguments)
        took = time.monotonic() - begin
        self.assertEqual(done.returncode, 0, done.stderr)
        said = json.loads(done.stdout)
        print(f"{entry}: {took * 1000:.0f} ms, {said['bytes']} bytes, {said['hash_bytes']} of them "
              "hashes", file=sys.stderr)
        return out, said

    def check(self, file, key=None):
        return run(self.program, "-proof", file, "-key", key or self.key)

    def test_any_record_is_found_by_its_id_and_proven_to_both(self):
        choice = random.Random(SEED)
        for n in [1, RECORDS - 150, *(choice.randint(1, RECORDS - 100) for _ in range(6))]:
            with self.subTest(n=n):
                file, said = self.prove(f"loan-{n}", "--disclose", "all")
                self.assertLess(said["hash_bytes"], HASH_BYTES_MAX)
                go = self.check(file)
                self.assertEqual(go.returncode, 0, go.stderr)
                self.assertIn(f"entry {said['sequence']}: ", go.stdout)
                self.assertIn(f"receipt {said['receipt_sequence']}: ", go.stdout)
                ours = run(XASECTL, "verify", file, "--key", self.key, "--json")
                self.assertEqual(ours.returncode, 0, ours.stderr)
                shown = json.loads(ours.stdout)["disclosed"]
                self.assertEqual(shown["transaction_id"], f"loan-{n}")
                self.assertEqual(shown["input"], '{"income":%d}' % (20_000 + n % 90_000))

    def test_record_without_an_answer_is_proven_alone(self):
        file, said = self.prove(f"loan-{RECORDS}")
        self.assertIsNone(said["receipt_sequence"])
        self.assertEqual(self.check(file).returncode, 0)
        self.assertEqual(run(XASECTL, "verify", file, "--key", self.key).returncode, 0)

    def test_unknown_id_is_told_of(self):
        done = run(XASECTL, "prove", "loan-0", "--state-dir", self.state)
        self.assertEqual(done.returncode, 1)
        self.assertIn("transaction_id loan-0", done.stderr)

    def test_what_was_changed_is_refuted_by_both(self):
        file, _ = self.prove("loan-500", "--disclose", "output")
        sound = json.loads(file.read_text())

        def other(change):
            proof = json.loads(json.dumps(sound))
            change(proof)
            file.write_text(json.dumps(proof))
            self.assertEqual(self.check(file).returncode, 1)
            self.assertIn(run(XASECTL, "verify", file, "--key", self.key).returncode, (1, 3))

        def change_text(proof):
            proof["disclosed"][0]["text"] = proof["disclosed"][0]["text"].replace("APPROVED", "DENIED")

        def change_leaf(proof):
            proof["leaf"] = proof["leaf"][:300] + ("A" if proof["leaf"][300] != "A" else "B") + \
                proof["leaf"][301:]

        def change_index(proof):
            proof["inclusion"] = proof["inclusion"].replace("index ", "index 1", 1)

        def change_receipt(proof):
            proof["receipt"] = json.loads(self.prove("loan-501")[0].read_text())["receipt"]

        for change in (change_text, change_leaf, change_index, change_receipt):
            with self.subTest(change=change.__name__):
                other(change)

    def test_others_key_does_not_pass(self):
        other = self.folder / "other"
        done = run(BUILD / "tests" / "interop-build-ledger", other, 1)
        self.assertEqual(done.returncode, 0, done.stderr)
        file, _ = self.prove("loan-7")
        self.assertEqual(self.check(file, done.stdout.strip()).returncode, 1)
        self.assertEqual(
            run(XASECTL, "verify", file, "--key", done.stdout.strip()).returncode, 2)

    def test_without_an_index_it_takes_reading_and_gives_the_same(self):
        file, _ = self.prove("loan-321", "--disclose", "all")
        sound = file.read_text()
        index = self.state / "index"
        aside = self.state / "aside"
        index.rename(aside)
        try:
            file, _ = self.prove("loan-321", "--disclose", "all")
            self.assertEqual(file.read_text(), sound)
        finally:
            aside.rename(index)


if __name__ == "__main__":
    unittest.main()
