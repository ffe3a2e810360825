#!/usr/bin/env python3
"""xasectl report: one HTML file, opened in a headless Chromium that verifies it again."""

import base64
import json
import re
import shutil
import struct
import unittest

from harness import E2eTest, decisions, with_ids
from report_page import Page

FRAME_HEADER_BYTES = 32
LEAF_BYTES = 288
RECORD = 2
COUNT = 60


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


class Journal:
    """The frames of a ledger that has one segment; edits go to the file at once."""

    def __init__(self, state_dir):
        self.path, = sorted((state_dir / "journal").glob("*.seg"))
        self.bytes = bytearray(self.path.read_bytes())
        self.frames = {}  # sequence: (type, position, bytes of the erasable part)
        at = 4096
        while self.bytes[at:at + 4] == b"XFRM":
            kind, leaf, erasable, sequence = struct.unpack_from("<HIIQ", self.bytes, at + 6)
            if kind != 0xFFFF:
                self.frames[sequence] = (kind, at, erasable)
            at += (FRAME_HEADER_BYTES + leaf + erasable + 7) // 8 * 8

    def records(self):
        return [sequence for sequence, frame in self.frames.items() if frame[0] == RECORD]

    def change(self, sequence, offset, sealed):
        """Flips a bit of the frame's content, at `offset` behind its header. `sealed`: with a
        checksum that holds, as someone would who means it."""
        _, at, erasable = self.frames[sequence]
        self.bytes[at + FRAME_HEADER_BYTES + offset] ^= 1
        if sealed:
            end = at + FRAME_HEADER_BYTES + LEAF_BYTES + erasable
            struct.pack_into("<I", self.bytes, at + 24, 0)
            struct.pack_into("<I", self.bytes, at + 24, crc32c(self.bytes[at:end]))
        self.path.write_bytes(self.bytes)

    def change_payload(self, sequence, sealed):
        """One digit of the input's first number."""
        _, at, erasable = self.frames[sequence]
        begin = at + FRAME_HEADER_BYTES + LEAF_BYTES
        digit = re.search(rb": \d", self.bytes[begin:begin + erasable])
        self.change(sequence, LEAF_BYTES + digit.start() + 2, sealed)


class Report(E2eTest):
    def ledger(self, records=None):
        """A stopped daemon's ledger, its state folder."""
        daemon = self.daemon(self.api())
        records = records or decisions()[:COUNT]
        # In pieces, so that there is some time to be seen on the timeline.
        piece = max(6, len(records) // 10)
        for begin in range(0, len(records), piece):
            self.record(daemon, records[begin:begin + piece])
        daemon.drained(len(records))
        self.assertEqual(daemon.stop(), 0)
        return daemon.state_dir

    def report(self, state_dir, *options, name="report"):
        out = self.folder / f"{name}-{state_dir.name}.html"
        self.ctl_ok(self.folder, "report", "--state-dir", state_dir, "--out", out, *options)
        return out

    def record_screenshot(self, name, state_dir, sequence):
        """Of a report of one record, which is open."""
        out = self.report(state_dir, "--disclose", "all", "--from", sequence, "--to", sequence,
                          name=name)
        Page(self, out).screenshot(name, "1280,4000")

    def tampered(self, state_dir, name="tampered"):
        copy = self.folder / name
        shutil.copytree(state_dir, copy)
        return copy, Journal(copy)

    def assert_page(self, page, verified, failed, verdict=None):
        self.assertEqual((page.told["verified"], page.told["failed"], page.told["unsigned"]),
                         (str(verified), str(failed), "0"), page.told)
        self.assertEqual(page.told["verdict"], verdict or ("failed" if failed else "verified"))

    def test_a_sound_ledger_is_green_by_webcrypto_and_by_the_pages_own_code(self):
        state_dir = self.ledger()
        out = self.report(state_dir, "--disclose", "all")
        page = Page(self, out)
        self.assert_page(page, COUNT, 0)
        self.assertEqual(page.told["others-failed"], "0")
        self.assertIn("WebCrypto", page.told["hashes"])
        self.assertEqual(set(page.rows.values()), {"verified"})
        self.assertEqual(len(page.rows), COUNT)
        page.screenshot("report-sound", "1280,2600")
        page.screenshot("report-sound-narrow", "800,2600")
        first = min(page.rows)
        self.record_screenshot("report-record", state_dir, first)
        fallback = Page(self, out, "#fallback")
        self.assert_page(fallback, COUNT, 0)
        self.assertIn("in this page", fallback.told["hashes"])
        self.assertEqual(fallback.told["signatures"], "the Ed25519 in this page")

    def test_tampering_is_red_exactly_where_it_was(self):
        copy, journal = self.tampered(self.ledger())
        records = journal.records()
        # A payload and a leaf by who can make checksums, and one of each by a failing disk.
        victims = [records[5], records[20], records[31], records[44]]
        journal.change_payload(victims[0], sealed=True)
        journal.change(victims[1], 170, sealed=True)  # inside the commitment to the input
        journal.change_payload(victims[2], sealed=False)
        journal.change(victims[3], 90, sealed=False)
        out = self.report(copy, "--disclose", "all")
        page = Page(self, out)
        self.assertEqual(page.failed(), victims)
        self.assert_page(page, COUNT - len(victims), len(victims))
        self.assertEqual(page.told["others-failed"], "0")
        self.assertEqual(page.told["first-bad"], str(victims[0]))
        page.screenshot("report-tampered", "1280,3300")
        self.record_screenshot("report-tampered-record", copy, victims[0])
        fallback = Page(self, out, "#fallback")
        self.assertEqual(fallback.failed(), victims)

    def test_a_withheld_payload_is_not_in_the_file_and_still_told_where_it_does_not_fit(self):
        copy, journal = self.tampered(self.ledger())
        victim = journal.records()[7]
        journal.change_payload(victim, sealed=True)
        out = self.report(copy)
        text = out.read_text()
        for shift in range(3):  # base64 of it, wherever it begins
            encoded = base64.b64encode(b"_" * shift + b"checking_account").decode()
            self.assertNotIn(encoded[4:-4], text)
        self.assertNotIn("checking_account", text)
        self.assertEqual(Page(self, out).failed(), [victim])

    def test_a_changed_head_and_another_key_leave_nothing_green(self):
        state_dir = self.ledger()
        copy, _ = self.tampered(state_dir)
        head = copy / "tree" / "checkpoint"
        lines = head.read_text().split("\n")
        lines[1] = str(int(lines[1]) - 1)
        head.write_text("\n".join(lines))
        page = Page(self, self.report(copy))
        self.assertEqual((page.told["verdict"], page.told["verified"]), ("failed", "0"))
        other = self.daemon(self.api(name="other-api"), name="other", state_dir=self.folder / "other",
                            run_dir=self.folder / "other-run")
        key = self.ctl_ok(self.folder, "keys", "show", other.state_dir).strip()
        page = Page(self, self.report(state_dir, "--key", key))
        self.assertEqual((page.told["verdict"], page.told["verified"]), ("failed", "0"))

    def test_what_a_record_holds_is_text_and_never_markup(self):
        evil = "</script><script>document.documentElement.dataset.evil='1'</script><img src=x onerror=alert(1)>"
        records = [dict(record, policy=evil, input={evil: evil}, output={"decision": evil},
                        model_id="<!--<script>")
                   for record in with_ids("evil", 3)]
        out = self.report(self.ledger(records), "--disclose", "all")
        self.assertEqual(out.read_text().count("<script"), 2)
        page = Page(self, out)
        self.assert_page(page, 3, 0)
        self.assertNotIn("evil", page.told)
        self.assertNotIn("<img", page.dom)

    def test_what_the_service_took_and_does_not_stand_by_is_shown(self):
        api = self.api()
        daemon = self.daemon(api, settings={
            "anchor.always": "true", "anchor.interval": "1s", "audit.one_in": "1",
            "audit.max_per_minute": "3000"})
        api.faults(forget={})
        self.record(daemon, with_ids("witness", 12))
        daemon.drained(12)
        daemon.until(lambda s: s["anchored_size"] > 0 and s["audit_findings"]["lost"] > 0,
                     "a head is anchored and a loss is found")
        daemon.stop()
        out = self.report(daemon.state_dir)
        page = Page(self, out)
        self.assert_page(page, 12, 0)
        self.assertEqual(page.told["others-failed"], "0")
        anchors = [r for r in api.records() if "xase.checkpoint" in r["body"]]
        last = max(anchors, key=lambda r: json.loads(r["body"])["output"]["size"])
        self.assertTrue(f"as {last['transaction_id']}" in page.dom, "the last head is named")
        self.assertTrue("it no longer has the record" in page.dom, "the loss is told")
        page.screenshot("report-witness", "1280,2600")

    def test_the_default_is_the_last_records_and_a_range_can_be_asked_for(self):
        records = with_ids("many", 1100)
        state_dir = self.ledger(records)
        page = Page(self, self.report(state_dir))
        self.assert_page(page, 1000, 0)
        self.assertIn("earlier ones are not in this report", page.dom)
        page = Page(self, self.report(state_dir, "--from", "3", "--to", "12"))
        self.assertEqual(page.told["failed"], "0")
        self.assertLessEqual(set(page.rows), set(range(3, 13)))
        self.assertNotEqual(page.rows, {})
        # Their answers came later, and are there.
        self.assertNotIn(">waiting<", page.dom)

    def test_json_and_errors_are_for_programs(self):
        state_dir = self.ledger()
        out = self.folder / "r.html"
        told = json.loads(self.ctl_ok(self.folder, "--json", "report", "--state-dir", state_dir,
                                      "--out", out))
        self.assertEqual((told["records"], told["faults"]), (COUNT, 0))
        self.assertEqual(out.stat().st_mode & 0o777, 0o600)
        for code, options in ((2, ["--disclose", "inputs"]), (3, ["--from", "100000"]),
                              (3, ["--key", "nonsense"])):
            done = self.ctl(self.folder, "report", "--state-dir", state_dir, "--out", out, *options)
            self.assertEqual(done.returncode, code, done.stderr)


if __name__ == "__main__":
    unittest.main(verbosity=2)
