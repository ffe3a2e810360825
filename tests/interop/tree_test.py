#!/usr/bin/env python3
"""Our tree under the eyes of Go's checksum-database code, which nobody here wrote: sound as it is
written, and refuted with one byte of it changed.

The random choice of leaves is by a seed that is printed; XASE_SEED takes it again.
"""

import os
import pathlib
import random
import shutil
import sys
import tempfile
import unittest

from checker import BUILD, build_checker, run

EARLIER, SIZE = 50_000, 70_000
LEAF = 290  # in a bundle, its length before it
SEED = int(os.environ.get("XASE_SEED") or random.randrange(1 << 31))


class Tree(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = pathlib.Path(tempfile.mkdtemp(prefix="xase-interop-"))
        cls.addClassCleanup(shutil.rmtree, cls.folder)
        cls.program = build_checker(cls.folder, "check_tree")
        cls.tree = cls.folder / "tree"
        done = run(BUILD / "tests" / "interop-build-tree", cls.tree, EARLIER, SIZE)
        if done.returncode != 0:
            sys.exit(done.stderr)
        cls.key = done.stdout.strip()
        print(f"seed {SEED}, key {cls.key}", file=sys.stderr)

    def check(self, *arguments):
        return run(self.program, "-dir", self.tree, "-key", self.key, *arguments)

    def check_well(self, *arguments):
        done = self.check(*arguments)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def check_refuted(self, reason, *arguments):
        done = self.check(*arguments)
        self.assertEqual(done.returncode, 1, done.stdout)
        self.assertIn(reason, done.stderr)

    def with_flipped(self, name, at, bit, then):
        """Runs `then` while one bit of the file is another."""
        file = self.tree / name
        sound = file.read_bytes()
        changed = bytearray(sound)
        changed[at] ^= 1 << bit
        file.write_bytes(changed)
        try:
            then()
        finally:
            file.write_bytes(sound)

    def test_sound_tree_is_accepted(self):
        said = self.check_well("-random", 500, "-seed", SEED, "-all",
                               "-old", self.tree / f"checkpoint.{EARLIER}")
        self.assertIn(f": {SIZE} leaves\n", said)
        self.assertIn("inclusion: 500 leaves\n", said)
        self.assertIn(f"consistency: {EARLIER} to {SIZE}, ", said)
        # 273 full and one partial of level 0, one and one of level 1, one of level 2.
        self.assertIn(f"all: {SIZE} leaves, 277 tiles\n", said)

    def test_no_other_files_are_there(self):
        files = {path.relative_to(self.tree).as_posix()
                 for path in self.tree.rglob("*") if path.is_file()}
        full = {f"tile/{kind}/{n:03}" for kind in ("0", "entries") for n in range(SIZE // 256)}
        parts = {"tile/1/000", "tile/0/273.p/112", "tile/entries/273.p/112", "tile/1/001.p/17",
                 "tile/2/000.p/1"}
        checkpoints = {"checkpoint", f"checkpoint.{EARLIER}", f"checkpoint.{SIZE}",
                       "checkpoint.other"}
        self.assertEqual(files, full | parts | checkpoints)

    def test_flipped_bit_in_a_tile_is_refuted_by_the_proofs_through_it(self):
        for name, at, index in (
                ("tile/0/100", 32 * 7 + 3, 100 * 256 + 5),
                ("tile/0/273.p/112", 32 * 111, SIZE - 1),
                ("tile/1/000", 32 * 99, 100 * 256 + 5),
                ("tile/1/001.p/17", 5, SIZE - 1),
                ("tile/2/000.p/1", 31, 0)):
            with self.subTest(name=name):
                self.with_flipped(name, at, 4, lambda i=index: self.check_refuted(
                    f"leaf {i}:", "-index", i))
                self.check_well("-index", index)

    def test_flipped_bit_in_any_tile_is_refuted_by_making_it_again(self):
        names = ["tile/0/100", "tile/0/273.p/112", "tile/1/000", "tile/1/001.p/17", "tile/2/000.p/1"]
        for name in names:
            with self.subTest(name=name):
                size = (self.tree / name).stat().st_size
                at = random.Random(SEED).randrange(size)
                self.with_flipped(name, at, at % 8, lambda n=name: self.check_refuted(
                    f"{n} holds other hashes", "-all"))

    def test_flipped_bit_in_a_bundle_is_refuted(self):
        for name, leaf, first in (("tile/entries/100", 17, 100 * 256),
                                  ("tile/entries/273.p/112", 111, 273 * 256)):
            with self.subTest(name=name):
                index = first + leaf
                # In a commitment, which nothing but the hash watches.
                at = LEAF * leaf + 2 + 200
                self.with_flipped(name, at, 0, lambda i=index: self.check_refuted(
                    f"leaf {i}:", "-index", i))
                reason = f"leaf {index + 1} is not chained" if index + 1 < SIZE else "have root"
                self.with_flipped(name, at, 0, lambda r=reason: self.check_refuted(r, "-all"))
                self.with_flipped(name, LEAF * leaf, 0, lambda: self.check_refuted(
                    "has length", "-all"))

    def test_flipped_bit_in_the_checkpoint_is_refuted(self):
        note = (self.tree / "checkpoint").read_bytes()
        # The last digit of the signature has two bits that mean nothing, which Go passes over; ours
        # refuses what is not canonical.
        self.assertTrue(note.endswith(b"=\n"))
        for at in [at for at in range(len(note)) if at != len(note) - 3]:
            bit = (at + SEED) % 7
            with self.subTest(at=at, bit=bit):
                self.with_flipped("checkpoint", at, bit, lambda: self.check_refuted("checkpoint"))

    def test_other_key_is_refuted(self):
        other = self.folder / "other"
        done = run(BUILD / "tests" / "interop-build-tree", other, 1)
        self.assertEqual(done.returncode, 0, done.stderr)
        refused = run(self.program, "-dir", self.tree, "-key", done.stdout.strip())
        self.assertEqual(refused.returncode, 1)
        self.assertIn("no verifiable signatures", refused.stderr)

    def test_earlier_checkpoint_of_another_ledger_is_refuted(self):
        # Signed by the same key: a fork.
        self.check_refuted("consistency", "-old", self.tree / "checkpoint.other")

    def test_tree_that_went_back_is_refuted(self):
        head = self.tree / "checkpoint"
        sound = head.read_bytes()
        try:
            head.write_bytes((self.tree / f"checkpoint.{EARLIER}").read_bytes())
            self.check_well()
            self.check_refuted("invalid inputs", "-old", self.tree / f"checkpoint.{SIZE}")
        finally:
            head.write_bytes(sound)

    def test_missing_file_is_refuted(self):
        for name, arguments in (("tile/0/100", ("-index", 100 * 256)),
                                ("tile/entries/100", ("-index", 100 * 256)),
                                ("tile/2/000.p/1", ("-index", 0)), ("checkpoint", ())):
            with self.subTest(name=name):
                file = self.tree / name
                aside = self.folder / "aside"
                file.rename(aside)
                try:
                    self.check_refuted("no such file", *arguments)
                finally:
                    aside.rename(file)


if __name__ == "__main__":
    unittest.main()
