#!/usr/bin/env python3
"""Our proofs and bundles under the eyes of OpenSSL's command line: it checks the signature, and
computes each hash. What is written here follows proto/FORMATS.md alone and shares no code with the
ledger's own verifier, which has to come to the same end.
"""

import base64
import json
import os
import pathlib
import random
import shutil
import struct
import subprocess
import sys
import tarfile
import tempfile
import unittest

from checker import BUILD, run

XASECTL = pathlib.Path(os.environ["XASE_BIN"]) / "xasectl"
SEED = int(os.environ.get("XASE_SEED") or random.randrange(1 << 31))
RECORDS = 110
PARTS = ["input", "output", "context", "rest"]
# What SubjectPublicKeyInfo has before the 32 bytes of an Ed25519 key: RFC 8410.
ED25519_DER = bytes.fromhex("302a300506032b6570032100")


class Refuted(Exception):
    pass


def require(holds, what):
    if not holds:
        raise Refuted(what)


def sha256(data):
    done = subprocess.run(["openssl", "dgst", "-sha256", "-binary"], input=data,
                          capture_output=True, check=True, timeout=60)
    return done.stdout


def node_hash(left, right):
    return sha256(b"\x01" + left + right)


def leaf_hash(leaf):
    return sha256(b"\x00" + leaf)


def open_checkpoint(text, verifier_key, folder):
    """Size and root, where that key signed them."""
    name, key_id, key = verifier_key.split("+", 2)
    key = base64.b64decode(key)
    require(key[0] == 1 and len(key) == 33, "the key is no Ed25519 key")
    require(sha256(name.encode() + b"\n" + key)[:4].hex() == key_id, "the key has another id")
    signed, _, lines = text.rpartition("\n\n")
    signed += "\n"
    start = "\u2014 " + name + " "
    signatures = [base64.b64decode(line[len(start):]) for line in lines.splitlines()
                  if line.startswith(start)]
    signatures = [s[4:] for s in signatures if s[:4].hex() == key_id]
    require(len(signatures) == 1, "the key did not sign")
    (folder / "key.der").write_bytes(ED25519_DER + key[1:])
    (folder / "text").write_bytes(signed.encode())
    (folder / "signature").write_bytes(signatures[0])
    done = run("openssl", "pkeyutl", "-verify", "-pubin", "-inkey", folder / "key.der",
               "-keyform", "DER", "-rawin", "-in", folder / "text", "-sigfile",
               folder / "signature")
    require(done.returncode == 0, "the signature: " + done.stdout + done.stderr)
    origin, size, root = signed.splitlines()
    require(origin == name, "another origin")
    return int(size), base64.b64decode(root)


def check_commitment(leaf, part):
    """A disclosed part against the leaf."""
    index = PARTS.index(part["part"])
    data = part["text"].encode() if "text" in part else base64.b64decode(part["base64"])
    commitment = sha256(b"XASECMT1" + bytes([index]) + base64.b64decode(part["random"]) +
                        struct.pack("<Q", len(data)) + data)
    require(leaf[160 + 32 * index:][:32] == commitment, f"the {part['part']} is another")


def check_inclusion(entry, verifier_key, folder):
    """One entry of a proof: the leaf, its path, the head."""
    leaf = base64.b64decode(entry["leaf"])
    sequence, = struct.unpack_from("<Q", leaf, 48)
    require(sequence == entry["sequence"], "the leaf is another entry's")
    path, _, checkpoint = entry["inclusion"].partition("\n\n")
    kind, index, *hashes = path.splitlines()
    require(kind == "c2sp.org/tlog-proof@v1" and index == f"index {sequence - 1}",
            "the path is another entry's")
    size, root = open_checkpoint(checkpoint, verifier_key, folder)
    # RFC 9162, section 2.1.3.2.
    at, last = sequence - 1, size - 1
    require(at <= last, "the head does not cover it")
    here = leaf_hash(leaf)
    for line in hashes:
        require(last != 0, "the path is too long")
        other = base64.b64decode(line)
        if at & 1 or at == last:
            here = node_hash(other, here)
            while at & 1 == 0 and at != 0:
                at, last = at >> 1, last >> 1
        else:
            here = node_hash(here, other)
        at, last = at >> 1, last >> 1
    require(last == 0 and here == root, "the path does not lead to the root")
    for part in entry["disclosed"]:
        check_commitment(leaf, part)
    return leaf


def check_proof(proof, verifier_key, folder):
    leaf = check_inclusion(proof, verifier_key, folder)
    if "receipt" in proof:
        receipt = proof["receipt"]
        check_inclusion(receipt, verifier_key, folder)
        body = base64.b64decode(receipt["disclosed"][0].get("base64") or "") or \
            receipt["disclosed"][0]["text"].encode()
        require(leaf_hash(leaf) in body, "the receipt is another record's")


def largest_node(begin, end):
    """The size of the largest node that begins at leaf `begin` and does not reach beyond `end`."""
    size = begin & -begin if begin else 1 << end.bit_length()
    while begin + size > end:
        size >>= 1
    return size


def check_bundle(file, verifier_key, folder):
    with tarfile.open(file) as tar:
        names = [member.name for member in tar.getmembers()]
        require(names == ["bundle.json", "checkpoint", "leaves", "disclosed.jsonl"], "other files")
        files = {name: tar.extractfile(name).read() for name in names}
    about = json.loads(files["bundle.json"])
    first, last = about["first"], about["last"]
    size, root = open_checkpoint(files["checkpoint"].decode(), verifier_key, folder)
    leaves = [files["leaves"][at:at + 288] for at in range(0, len(files["leaves"]), 288)]
    require(len(leaves) == last - first + 1, "there are leaves too many or too few")
    hashes = [leaf_hash(leaf) for leaf in leaves]
    for i, leaf in enumerate(leaves):
        require(struct.unpack_from("<Q", leaf, 48)[0] == first + i, "a leaf is another entry's")
        require(i == 0 or leaf[56:88] == hashes[i - 1], "the chain is broken")
    # Nodes from left to right as (size, hash): equal neighbours at their place are folded, and at
    # the end all that is left, from the right.
    left = [base64.b64decode(node) for node in about["left"]]
    right = [base64.b64decode(node) for node in about["right"]]
    nodes, at = [], 0

    def push(width, value):
        nonlocal at
        nodes.append((width, value))
        at += width
        while len(nodes) > 1 and nodes[-1][0] == nodes[-2][0] and \
                (at - 2 * nodes[-1][0]) % (2 * nodes[-1][0]) == 0:
            (width, b), (_, a) = nodes.pop(), nodes.pop()
            nodes.append((2 * width, node_hash(a, b)))

    for node in left:
        push(largest_node(at, first - 1), node)
    require(at == first - 1, "the nodes before do not reach to the first entry")
    for value in hashes:
        push(1, value)
    for node in right:
        require(at < size, "there are nodes too many behind")
        push(largest_node(at, size), node)
    require(at == size, "the nodes behind do not reach to the end")
    while len(nodes) > 1:
        (b_width, b), (a_width, a) = nodes.pop(), nodes.pop()
        nodes.append((a_width + b_width, node_hash(a, b)))
    require(nodes[0][1] == root, "the leaves do not lead to the root")
    parts = [json.loads(line) for line in files["disclosed.jsonl"].splitlines()]
    for part in parts:
        check_commitment(leaves[part["sequence"] - first], part)
    return len(leaves), len(parts)


class OpenSsl(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = pathlib.Path(tempfile.mkdtemp(prefix="xase-openssl-"))
        cls.addClassCleanup(shutil.rmtree, cls.folder)
        cls.state = cls.folder / "state"
        done = run(BUILD / "tests" / "interop-build-ledger", cls.state, RECORDS)
        if done.returncode != 0:
            sys.exit(done.stderr)
        cls.key = done.stdout.strip()
        cls.random = random.Random(SEED)
        print(f"seed {SEED}, key {cls.key}", file=sys.stderr)

    def made(self, name, *arguments):
        out = self.folder / name
        done = run(XASECTL, *arguments, "--state-dir", self.state, "--out", out)
        self.assertEqual(done.returncode, 0, done.stderr)
        return out

    def proof(self, entry):
        return json.loads(self.made("proof.json", "prove", entry, "--disclose", "all").read_text())

    def test_proofs_hold(self):
        for n in [1, RECORDS, *self.random.sample(range(2, RECORDS), 2)]:
            with self.subTest(n=n):
                check_proof(self.proof(f"loan-{n}"), self.key, self.folder)

    def test_bundles_hold(self):
        total = json.loads(run(XASECTL, "verify", self.state, "--json").stdout)["last_sequence"]
        ranges = [(1, 1), (1, total), (total, total)]
        for _ in range(2):
            first = self.random.randint(1, total)
            ranges.append((first, self.random.randint(first, min(first + 20, total))))
        for first, last in ranges:
            with self.subTest(first=first, last=last):
                file = self.made("bundle.tar", "export", "--from", first, "--to", last,
                                 "--disclose", "input,output")
                entries, _ = check_bundle(file, self.key, self.folder)
                self.assertEqual(entries, last - first + 1)

    def test_a_transactions_bundle_holds_and_shows_its_parts_alone(self):
        file = self.made("bundle.tar", "export", "--transaction", "loan-5", "--disclose", "input")
        entries, parts = check_bundle(file, self.key, self.folder)
        self.assertGreater(entries, 100, "its answer comes 100 records later")
        self.assertEqual(parts, 2)

    def test_what_was_changed_is_refuted(self):
        def in_proof(change):
            proof = self.proof("loan-5")
            change(proof)
            with self.assertRaises(Refuted):
                check_proof(proof, self.key, self.folder)

        def change_part(proof):
            proof["disclosed"][0]["text"] = proof["disclosed"][0]["text"].replace("0", "1", 1)

        def change_size(proof):
            lines = proof["inclusion"].split("\n\n")
            name, size, rest = lines[1].split("\n", 2)
            lines[1] = f"{name}\n{int(size) + 1}\n{rest}"
            proof["inclusion"] = "\n\n".join(lines)

        def change_leaf(proof):
            leaf = bytearray(base64.b64decode(proof["leaf"]))
            leaf[100] ^= 1
            proof["leaf"] = base64.b64encode(leaf).decode()

        def change_path(proof):
            lines = proof["inclusion"].split("\n")
            lines[3], lines[4] = lines[4], lines[3]
            proof["inclusion"] = "\n".join(lines)

        def change_receipt(proof):
            proof["receipt"] = self.proof("loan-6")["receipt"]

        for change in (change_part, change_size, change_leaf, change_path, change_receipt):
            with self.subTest(change=change.__name__):
                in_proof(change)

    def test_a_changed_bundle_is_refuted(self):
        file = self.made("bundle.tar", "export", "--from", 30, "--to", 60)
        sound = file.read_bytes()
        with tarfile.open(file) as tar:
            begin = tar.getmember("leaves").offset_data
        for at in (begin + 100, begin + 288 * 30 + 5):
            with self.subTest(at=at):
                changed = bytearray(sound)
                changed[at] ^= 1
                file.write_bytes(changed)
                with self.assertRaises(Refuted):
                    check_bundle(file, self.key, self.folder)


if __name__ == "__main__":
    unittest.main()
