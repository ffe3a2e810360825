#!/usr/bin/env python3
"""The ledger's keys: a hardware module's (SoftHSM) beside the file's and alone, and their change."""

import base64
import json
import os
import pathlib
import shutil
import subprocess
import sys
import unittest

from harness import E2eTest, eventually, with_ids
from report_page import Page

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "interop"))
from checker import build_checker, run  # noqa: E402

MODULE = "/usr/lib/softhsm/libsofthsm2.so"
PIN = "739154"


class Token:
    """A token in a directory of the test's, with one P-256 key pair."""

    def __init__(self, test):
        self.folder = test.folder / "token"
        self.folder.mkdir()
        (self.folder / "tokens").mkdir()
        conf = self.folder / "softhsm2.conf"
        conf.write_text(f"directories.tokendir = {self.folder}/tokens\nlog.level = ERROR\n")
        self.env = {"SOFTHSM2_CONF": str(conf)}
        self.pin_file = self.folder / "pin"
        self.set_pin(PIN)
        self.run("softhsm2-util", "--init-token", "--free", "--label", "xase test", "--pin", PIN,
                 "--so-pin", "12345678")
        self.add_key("ledger", "a1")
        self.settings = {
            "ledger.pkcs11_module": MODULE,
            "ledger.pkcs11_token": "xase test",
            "ledger.pkcs11_key": "ledger",
            "ledger.pkcs11_pin_file": self.pin_file,
        }

    def run(self, *command):
        subprocess.run([str(part) for part in command], check=True, capture_output=True,
                       stdin=subprocess.DEVNULL, env={**os.environ, **self.env})

    def set_pin(self, pin):
        self.pin_file.write_text(pin + "\n")
        self.pin_file.chmod(0o600)

    def add_key(self, label, key_id):
        pem = self.folder / f"{label}.pem"
        self.run("openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256",
                 "-out", pem)
        self.run("softhsm2-util", "--import", pem, "--token", "xase test", "--label", label, "--id",
                 key_id, "--pin", PIN)

    def take_away(self):
        (self.folder / "tokens").rename(self.folder / "away")
        (self.folder / "tokens").mkdir()

    def put_back(self):
        (self.folder / "tokens").rmdir()
        (self.folder / "away").rename(self.folder / "tokens")


class Keys(E2eTest):
    def setUp(self):
        super().setUp()
        self.token = Token(self)

    def start(self, api, signers, **settings):
        return self.daemon(api, settings={"ledger.signers": signers, **self.token.settings,
                                          **settings}, env=self.token.env)

    def shown(self, daemon):
        return json.loads(self.ctl_ok(daemon, "keys", "show", "--json", daemon.state_dir))

    def until_in_force(self, daemon, algorithms):
        def in_force():
            shown = self.ctl(daemon, "keys", "show", "--json", daemon.state_dir)
            return (shown.returncode == 0 and
                    [key["algorithm"] for key in json.loads(shown.stdout)] == algorithms)
        eventually(in_force, f"{algorithms} are in force")

    def until_covered(self, daemon):
        daemon.until(lambda s: s["checkpoint_size"] >= s["last_sequence"], "a checkpoint covers all")

    def verified(self, daemon, *keys):
        pins = [option for key in keys for option in ("--key", key)]
        done = self.ctl(daemon, "verify", "--json", *pins, daemon.state_dir)
        verdicts = {p["name"]: p["verdict"] for p in json.loads(done.stdout)["properties"]}
        return done.returncode, verdicts

    def assert_verifies(self, daemon, *keys):
        code, verdicts = self.verified(daemon, *keys)
        self.assertEqual((code, verdicts["signer"], verdicts["end"], verdicts["seals"]),
                         (0, "PROVEN", "PROVEN", "PROVEN"))

    def check_with_openssl(self, daemon, verifier_key):
        """The checkpoint's line of this key, by a program that knows nothing of ours."""
        name, key_id, encoded = verifier_key.split("+", 2)
        public = base64.b64decode(encoded)
        self.assertEqual(public[0], 2)
        text, signatures = (daemon.state_dir / "tree/checkpoint").read_text().split("\n\n")
        lines = [line.split(" ") for line in signatures.splitlines()]
        found = [base64.b64decode(line[2]) for line in lines if line[1] == name]
        signature, = [line[4:] for line in found if line[:4].hex() == key_id]
        files = {"public": public[1:], "signature": signature, "text": (text + "\n").encode()}
        for file, content in files.items():
            (self.folder / file).write_bytes(content)
        self.token.run("openssl", "dgst", "-sha256", "-keyform", "DER", "-verify",
                       self.folder / "public", "-signature", self.folder / "signature",
                       self.folder / "text")
        (self.folder / "text").write_bytes(files["text"].replace(b"\n", b" \n", 1))
        with self.assertRaises(subprocess.CalledProcessError):
            self.token.run("openssl", "dgst", "-sha256", "-keyform", "DER", "-verify",
                           self.folder / "public", "-signature", self.folder / "signature",
                           self.folder / "text")

    def check_with_go(self, daemon, verifier_key):
        """The same by Go's note package, which passes over the lines of other keys."""
        program = build_checker(self.folder, "check_note")
        head = daemon.state_dir / "tree/checkpoint"
        done = run(program, "-note", head, "-key", verifier_key)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn(" entries", done.stdout)
        (self.folder / "forged").write_text(head.read_text().replace("\n", "x\n", 1))
        self.assertEqual(run(program, "-note", self.folder / "forged", "-key",
                             verifier_key).returncode, 1)

    def test_both_sign_and_either_verifies_and_the_files_is_rotated(self):
        api = self.api()
        daemon = self.start(api, "both")
        self.until_in_force(daemon, ["Ed25519", "ECDSA P-256"])
        self.record(daemon, with_ids("both", 20), "--wait", "delivered")
        self.until_covered(daemon)
        file, module = [key["verifier_key"] for key in self.shown(daemon)]
        self.check_with_openssl(daemon, module)
        rotated = self.ctl_ok(daemon, "keys", "rotate").split()
        self.assertEqual([rotated[1], len(rotated)], [module, 2])
        self.assertNotEqual(rotated[0], file)
        self.assertEqual(rotated, [key["verifier_key"] for key in self.shown(daemon)])
        self.record(daemon, with_ids("rotated", 20), "--wait", "delivered")
        self.until_covered(daemon)
        eventually(lambda: not (daemon.state_dir / "keys/next.key").exists(),
                   "the old private half is erased")
        daemon.stop()
        for pinned in ([file], [module], [rotated[0]], rotated, [file, *rotated]):
            self.assert_verifies(daemon, *pinned)
        self.check_with_openssl(daemon, module)
        self.check_with_go(daemon, module)
        # Stripped of a line: the Ed25519 one of an epoch is behind those of the ledger.
        head = daemon.state_dir / "tree/checkpoint"
        lines = head.read_text().splitlines(keepends=True)
        head.write_text("".join(lines[:5] + lines[6:]))
        code, verdicts = self.verified(daemon, rotated[0])
        self.assertEqual((code, verdicts["signer"]), (1, "REFUTED"))

    def test_the_module_alone_signs(self):
        api = self.api()
        daemon = self.start(api, "pkcs11")
        self.until_in_force(daemon, ["ECDSA P-256"])
        self.record(daemon, with_ids("alone", 20), "--wait", "delivered")
        self.until_covered(daemon)
        daemon.stop()
        self.assertFalse((daemon.state_dir / "keys/log.key").exists())
        key = self.shown(daemon)[0]["verifier_key"]
        self.assert_verifies(daemon, key)
        self.check_with_openssl(daemon, key)
        # In a browser too, which the report's own code cannot do without WebCrypto.
        report = self.folder / "report.html"
        self.ctl_ok(daemon, "report", "--state-dir", daemon.state_dir, "--out", report, "--key", key)
        page = Page(self, report)
        self.assertEqual((page.told["verdict"], page.told["verified"], page.told["failed"]),
                         ("verified", "20", "0"), page.told)
        self.assertIn("WebCrypto", page.told["signatures"])
        without = Page(self, report, "#fallback")
        self.assertEqual((without.told["verdict"], without.told["verified"]), ("failed", "0"))
        self.assertIn("Open the file in another browser", without.dom)
        # Another key of the same module takes over.
        self.token.add_key("next", "a2")
        daemon = self.start(api, "pkcs11", **{"ledger.pkcs11_key": "next"})
        eventually(lambda: self.shown(daemon)[0]["verifier_key"] != key, "the next key is in force")
        self.record(daemon, with_ids("next", 5), "--wait", "delivered")
        self.until_covered(daemon)
        daemon.stop()
        self.assert_verifies(daemon, key)
        self.assert_verifies(daemon, self.shown(daemon)[0]["verifier_key"])

    def test_a_token_that_goes_away_is_told_of_and_comes_back(self):
        daemon = self.start(self.api(), "both")
        self.until_in_force(daemon, ["Ed25519", "ECDSA P-256"])
        self.until_covered(daemon)
        keys = [key["verifier_key"] for key in self.shown(daemon)]
        self.token.take_away()
        daemon.kill()
        daemon.start()
        self.record(daemon, with_ids("away", 10), "--wait", "delivered")
        daemon.until(lambda s: "xase test" in s["keys_trouble"], "the status says why")
        self.until_covered(daemon)
        code, verdicts = self.verified(daemon, *keys)
        self.assertEqual((code, verdicts["signer"]), (2, "NOT ESTABLISHED"))
        self.token.put_back()
        daemon.until(lambda s: s["keys_trouble"] == "", "all keys sign", timeout=60)
        self.record(daemon, with_ids("back", 10), "--wait", "delivered")
        self.until_covered(daemon)
        daemon.stop()
        self.assert_verifies(daemon, *keys)

    def test_a_wrong_pin_is_tried_once_and_records_are_taken_all_the_same(self):
        self.token.set_pin("000000")
        daemon = self.start(self.api(), "pkcs11")
        self.record(daemon, with_ids("wrong", 10), "--wait", "delivered")
        daemon.until(lambda s: "refused the PIN" in s["keys_trouble"], "the status says why")
        self.assertNotIn("000000", daemon.process.log_text())
        self.assertEqual(daemon.stats()["checkpoint_size"], 0)
        self.token.set_pin(PIN)
        self.until_in_force(daemon, ["ECDSA P-256"])
        self.until_covered(daemon)
        daemon.stop()
        code, verdicts = self.verified(daemon, self.shown(daemon)[0]["verifier_key"])
        # What was taken before there was a key lies in no epoch.
        self.assertEqual((code, verdicts["signer"], verdicts["seals"]),
                         (2, "PROVEN", "NOT ESTABLISHED"))



class FileKey(E2eTest):
    """What becomes of a daemon whose key files are gone or garbage: it runs, and says so."""

    def started_without(self, spoil):
        api = self.api()
        daemon = self.daemon(api)
        self.record(daemon, with_ids("before", 3))
        daemon.drained(3)
        daemon.stop()
        spoil(daemon.state_dir / "keys")
        daemon.start()
        return daemon

    def test_a_private_key_that_is_gone_stops_no_record(self):
        def take_away(keys):
            (keys / "log.key").rename(keys.parent / "elsewhere")
        daemon = self.started_without(take_away)
        self.record(daemon, with_ids("without", 3))
        daemon.drained(6)
        daemon.until(lambda s: "log.key" in s["keys_trouble"], "it says which key is gone")
        before = daemon.stats()["checkpoint_size"]
        self.assertLess(before, daemon.stats()["last_sequence"])
        self.assertIn("log.key", self.ctl_ok(daemon, "status"))
        # Put back, it signs all of it, without a restart.
        (daemon.state_dir / "elsewhere").rename(daemon.state_dir / "keys/log.key")
        daemon.until(lambda s: s["checkpoint_size"] > before and not s["keys_trouble"],
                     "the key signs again")
        daemon.stop()
        shown = json.loads(self.ctl_ok(daemon, "keys", "show", "--json", daemon.state_dir))
        done = self.ctl(daemon, "verify", "--json", "--key", shown[0]["verifier_key"],
                        daemon.state_dir)
        verdicts = {p["name"]: p["verdict"] for p in json.loads(done.stdout)["properties"]}
        # No epoch could be opened meanwhile: that is not passed over, and all else is shown.
        self.assertEqual(verdicts.pop("seals"), "NOT ESTABLISHED")
        unasked = {"extends", "witnesses", "anchors"}
        self.assertEqual({verdicts[name] for name in verdicts.keys() - unasked}, {"PROVEN"})

    def test_garbage_in_each_file_is_set_aside_and_told(self):
        def spoil(keys):
            for name in ("log.vkey", "next.vkey", "next.key"):
                (keys / name).write_text("garbage\n")
                (keys / name).chmod(0o600)
        daemon = self.started_without(spoil)
        self.record(daemon, with_ids("after", 3))
        daemon.drained(6)
        keys = daemon.state_dir / "keys"
        self.assertEqual(sorted(path.name for path in keys.glob("*.damaged")),
                         ["log.vkey.damaged", "next.key.damaged", "next.vkey.damaged"])
        told = [entry for entry in daemon.entries() if entry["type"] == "RECOVERED"]
        self.assertEqual(len(told), 3)
        daemon.until(lambda s: s["checkpoint_size"] >= 1, "the key signs")
        self.verify(daemon)

    def test_another_key_in_its_place_signs_nothing(self):
        def replace(keys):
            (keys / "log.key").unlink()
            subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519", "-out",
                            str(keys / "log.key")], check=True, capture_output=True)
            (keys / "log.key").chmod(0o600)
        daemon = self.started_without(replace)
        self.record(daemon, with_ids("after", 3))
        daemon.drained(6)
        daemon.until(lambda s: "another key" in s["keys_trouble"], "it says so")
        self.verify(daemon)


if __name__ == "__main__":
    assert shutil.which("softhsm2-util"), "deploy/install-deps --tests installs softhsm2"
    unittest.main(verbosity=2)
