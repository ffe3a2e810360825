#!/usr/bin/env python3
"""Who may do what, by real users: the table of systemd/README.md."""

import contextlib
import json
import os
import pathlib
import re
import stat
import unittest

from access_rig import (DAEMON_UID, APP_GROUP, DAEMON, APP, OTHER_APP, OUTSIDER, ROOT_USER,
                        needs_root, As, attempt, ask, read, recording, Layout)
from client_library import DELIVERED, OK, QUEUE_FULL, Client
from harness import ROOT, with_ids


@needs_root
class Users(Layout):
    def setUp(self):
        super().setUp()
        self.make_folders()
        self.rings = self.run_dir / "rings"
        self.devapi = self.api()
        self.xased = self.user_daemon(self.devapi).start()

    def uids(self, prefix):
        """{transaction id: uid} of the records of that prefix; None where an entry attests none."""
        return {entry["payload"]["transaction_id"]: entry.get("uid")
                for entry in self.xased.entries(payload=True)
                if entry["type"] == "RECORD"
                and entry["payload"]["transaction_id"].startswith(f"{prefix}-")}

    def assert_denied(self, who, *actions):
        for number, action in enumerate(actions):
            self.assertEqual(attempt(who, action), (None, "PermissionError"), f"action {number}")

    def assert_serves(self, prefix):
        """An app in the group records, and all of it is delivered under the app's own uid."""
        with As(APP, recording(self.run_dir, with_ids(prefix, 3), DELIVERED)) as app:
            self.assertEqual(app.error, None)
        self.assertEqual(set(self.uids(prefix).values()), {APP["user"]})
        self.assertEqual(len(self.uids(prefix)), 3)

    def test_an_app_in_the_group_records_and_its_entry_attests_its_uid(self):
        records = with_ids("app", 5)
        with As(APP, recording(self.run_dir, records, DELIVERED)) as app, \
                As(OTHER_APP, recording(self.run_dir, with_ids("other", 2), DELIVERED)) as other:
            self.assertEqual((app.error, other.error), (None, None))
            names = self.assert_modes()
            self.assert_there(
                names, "/run/xased/rings/*.ring", "/run/xased/doorbell", "/run/xased/settings",
                "/run/xased/stats.sock", "/run/xased/xased.lock", "/var/lib/xased/journal/*.seg",
                "/var/lib/xased/keys/log.key", "/var/lib/xased/tree/tile/*")
            owners = {facts.st_uid for name, _, facts in self.found() if name.endswith(".ring")}
            self.assertEqual(owners, {APP["user"], OTHER_APP["user"]})
        self.assertEqual(self.uids("app"), {r["transaction_id"]: APP["user"] for r in records})
        self.assertEqual(set(self.uids("other").values()), {OTHER_APP["user"]})
        self.assert_delivered(self.devapi, [*self.uids("app"), *self.uids("other")])

    def test_an_outsider_gets_nothing(self):
        self.assert_serves("before")
        self.assert_denied(
            OUTSIDER,
            lambda: recording(self.run_dir, with_ids("out", 1))(contextlib.ExitStack()),
            lambda: (self.rings / "x").touch(),
            lambda: ask(self.run_dir, "GET", "/livez"),
            lambda: read(self.run_dir / "doorbell"),
            lambda: open(self.run_dir / "doorbell", "r+b").close(),
            lambda: read(self.run_dir / "settings"),
            lambda: os.listdir(self.run_dir),
            lambda: os.stat(self.run_dir / "rings").st_mode,
            lambda: os.listdir(self.state_dir),
            lambda: read(self.state_dir / "keys/log.key"),
            lambda: read(self.state_dir / "keys/log.vkey"))
        self.assertEqual(self.uids("out"), {})

    def test_an_app_reads_no_ledger_and_changes_nothing_of_the_daemons(self):
        self.assert_denied(
            APP,
            lambda: os.listdir(self.state_dir),
            lambda: read(self.state_dir / "journal/00000000000000000001.seg"),
            lambda: read(self.state_dir / "keys/log.key"),
            lambda: read(self.run_dir / "xased.lock"),
            lambda: open(self.run_dir / "settings", "r+b").close(),
            lambda: (self.run_dir / "doorbell").unlink(),
            lambda: (self.run_dir / "stats.sock").unlink(),
            lambda: (self.run_dir / "mine").touch(),
            lambda: self.rings.chmod(0o777))
        # What it is meant to have.
        self.assertEqual(attempt(APP, lambda: ask(self.run_dir, "GET", "/livez"))[0], [200, "ok\n"])
        self.assertEqual(attempt(APP, lambda: open(self.run_dir / "doorbell", "r+b").close()),
                         (None, None))
        self.assertGreater(attempt(APP, lambda: read(self.run_dir / "settings"))[0], 0)

    def test_an_app_has_no_part_in_another_apps_ring(self):
        with As(APP, recording(self.run_dir, with_ids("mine", 2))) as app:
            self.assertEqual(app.error, None)
            (ring,) = self.rings.iterdir()
            # Its name is no secret: the stats have it.
            self.assertIn(ring.stem, json.dumps(attempt(
                OTHER_APP, lambda: ask(self.run_dir, "GET", "/stats?fresh=1"))))
            bait = self.rings / "bait"
            self.assertEqual(attempt(OTHER_APP, bait.touch)[1], None)
            self.assert_denied(
                OTHER_APP,
                lambda: os.listdir(self.rings),
                lambda: read(ring),
                lambda: open(ring, "r+b").close(),
                lambda: os.truncate(ring, 0),
                ring.unlink,
                lambda: ring.rename(self.rings / "away") and None,
                lambda: bait.rename(ring) and None,
                lambda: ring.chmod(0o666),
                lambda: os.chown(ring, OTHER_APP["user"], -1))
            self.assertEqual(attempt(OTHER_APP, bait.unlink)[1], None)
        self.xased.drained(2)
        self.assertEqual(self.uids("mine"), {"mine-1": APP["user"], "mine-2": APP["user"]})

    # ---- what does not belong into rings/ ----

    def ring_elsewhere(self, who, name):
        """A ring with one record, made by that user in a folder of its own and open to all; nobody
        holds it any more."""
        home = self.folder / name
        home.mkdir()
        os.chown(home, who["user"], who["group"])

        def make():
            with Client(home) as client:
                if client.record(with_ids(name, 1)[0]) != OK:
                    raise PermissionError(client.last_error())
            (ring,) = (home / "rings").iterdir()
            for path, mode in ((home, 0o777), (home / "rings", 0o777), (ring, 0o666)):
                path.chmod(mode)
            return str(ring)

        ring, error = attempt(who, make)
        self.assertEqual(error, None)
        return pathlib.Path(ring)

    def entry_uids(self):
        """Those that any entry attests."""
        return {entry["uid"] for entry in self.xased.entries() if "uid" in entry}

    def test_a_link_a_fifo_and_a_folder_are_set_aside(self):
        secret = self.ring_elsewhere(APP, "linked")
        names = [f"{n:032x}.ring" for n in (1, 2, 3, 4)]

        def place():
            (self.rings / secret.name).symlink_to(secret)
            (self.rings / names[0]).symlink_to(self.state_dir / "keys/log.key")
            os.mkfifo(self.rings / names[1])
            (self.rings / names[1]).chmod(0o666)
            (self.rings / names[2]).mkdir()
            # One that the daemon may not open is passed over.
            (self.rings / names[3]).touch()
            (self.rings / names[3]).chmod(0o600)

        self.assertEqual(attempt(OTHER_APP, place), (None, None))
        self.xased.until(lambda s: s["rings_condemned"] == 4, "all four are set aside", fresh=True)
        self.assert_serves("good")
        self.assertEqual(self.uids("linked"), {})
        self.assertEqual(self.entry_uids(), {APP["user"]})
        self.assertTrue(self.xased.running())

    def test_another_users_file_moved_in_attests_nobody(self):
        ring = self.ring_elsewhere(APP, "moved")
        # Whoever may write to it may have made up what is in it.
        self.assertEqual(attempt(OTHER_APP, lambda: open(ring, "r+b").close()), (None, None))
        self.assertEqual(
            attempt(OTHER_APP, lambda: ring.rename(self.rings / ring.name) and None), (None, None))
        self.xased.drained(1)
        self.assertEqual(self.uids("moved"), {"moved-1": None})
        self.assertIn(f"not made in its place: its entries attest no uid ring={ring.name}",
                      self.xased.process.log_text())
        self.assertEqual(self.entry_uids(), set())
        self.assert_serves("good")

    def test_another_users_file_linked_in_attests_nobody(self):
        ring = self.ring_elsewhere(APP, "linked")
        self.assertEqual(attempt(OTHER_APP, lambda: os.link(ring, self.rings / ring.name)),
                         (None, None))
        self.xased.drained(1)
        self.assertEqual(self.uids("linked"), {"linked-1": None})
        self.assertEqual(self.entry_uids(), set())
        self.assert_serves("good")

    @unittest.skipUnless(pathlib.Path("/proc/sys/fs/protected_hardlinks").read_text().strip() == "1",
                         "this kernel lets users link what they cannot write")
    def test_nobody_links_in_what_he_cannot_write(self):
        with As(APP, recording(self.run_dir, with_ids("mine", 1))):
            (ring,) = self.rings.iterdir()
            self.assert_denied(
                OTHER_APP,
                lambda: os.link(ring, self.rings / "x.ring"),
                lambda: os.link(self.run_dir / "settings", self.rings / "y.ring"))

    # ---- the stats socket ----

    READS = {("GET", path) for path in
             ("/livez", "/readyz", "/stats", "/metrics", "/config", "/entries", "/deadletters")}
    PRIVILEGED = {("GET", "/entries?payload=1"), ("GET", "/deadletters/1"),
                  ("POST", "/deadletters/1/retry"), ("POST", "/deadletters/retry"),
                  ("POST", "/reload"), ("POST", "/keys/rotate")}

    def test_every_route_is_tried(self):
        source = (ROOT / "daemon/control/routes.cpp").read_text()
        served = set(re.findall(r'\{"(/[a-z/]+)", Kind::k', source))
        self.assertEqual(served - {path for _, path in self.READS | self.PRIVILEGED}, set())

    def test_an_app_may_ask_and_change_nothing_while_the_daemons_user_and_root_may(self):
        self.assert_serves("asked")
        before = self.xased.stats()
        for method, path in sorted(self.READS):
            (status, _), error = attempt(APP, lambda: ask(self.run_dir, method, path))
            self.assertEqual((status, error), (200, None), path)
        for method, path in sorted(self.PRIVILEGED):
            (status, body), error = attempt(APP, lambda: ask(self.run_dir, method, path))
            self.assertEqual((status, error), (403, None), path)
            self.assertIn("DENIED", body)
        self.assertEqual(self.xased.stats()["last_sequence"], before["last_sequence"])
        self.assertNotIn("asked-1", attempt(
            APP, lambda: ask(self.run_dir, "GET", "/entries?limit=1000"))[0][1])
        for who in (DAEMON, ROOT_USER):
            for method, path in sorted(self.READS | self.PRIVILEGED):
                (status, _), error = attempt(who, lambda: ask(self.run_dir, method, path))
                # 404: there is no such dead letter.
                self.assertIn(status, (200, 404) if "/1" in path else (200,), path)
                self.assertEqual(error, None)


@needs_root
class Modes(Layout):
    """What the daemon makes where nothing is there yet, whatever its umask."""

    def live_through(self, umask):
        """A daemon that has made every kind of file."""
        self.run_dir = self.folder / "made/by/run"
        self.state_dir = self.folder / "made/state"
        home = self.folder / "made"
        home.mkdir()
        os.chown(home, DAEMON_UID, APP_GROUP)
        home.chmod(0o755)
        api = self.api()
        api.faults(status={"status": 400, "count": 1})
        daemon = self.user_daemon(api, who={**DAEMON, "umask": umask}, settings={
            "ledger.epoch": "1s", "ledger.seal_interval": "1s", "ledger.origin": "modes"})
        daemon.start()
        with As(APP, recording(self.run_dir, with_ids("a", 20), DELIVERED)) as app:
            self.assertEqual(app.error, None)
            names = self.assert_modes(owners=False)
            self.assert_there(names, "/run/xased/rings/*.ring", "/var/lib/xased/keys/epoch-*.key")
            daemon.until(lambda s: s["checkpoint_size"] >= 40, "it is signed")
            daemon.kill()
        # The end of the journal goes, and with it what was signed.
        segment = max((self.state_dir / "journal").glob("*.seg"))
        end = len(segment.read_bytes().rstrip(b"\0"))
        with open(segment, "r+b") as file:
            file.seek(end - 2000)
            file.write(b"\xff" * 2000)
        stray = self.run_dir / "rings" / f"{7:032x}.ring"
        stray.write_bytes(b"no ring")
        stray.chmod(self.row("/run/xased/rings/x.ring").mode)
        daemon.start()
        daemon.until(lambda s: s["rings_condemned"] == 1 and s["checkpoint_size"] > 0,
                     "the stray file is set aside, and the rest is signed anew", fresh=True)
        names = self.assert_modes(owners=False)
        self.assert_there(
            names, "/run/xased/rings/.condemned-*.ring", "/run/xased/doorbell",
            "/run/xased/settings", "/run/xased/stats.sock", "/run/xased/xased.lock",
            "/var/lib/xased/lock", "/var/lib/xased/journal/*.seg", "/var/lib/xased/journal/*.tmp",
            "/var/lib/xased/quarantine/torn-*", "/var/lib/xased/quarantine/tree-*/checkpoint",
            "/var/lib/xased/keys/log.key", "/var/lib/xased/keys/log.vkey",
            "/var/lib/xased/delivery/cursor.0", "/var/lib/xased/delivery/dead_letters.idx",
            "/var/lib/xased/tree/tile/*", "/var/lib/xased/index")
        # Folders above as well: whoever may enter RUN_DIR must get there.
        self.assertEqual(stat.S_IMODE(self.run_dir.parent.stat().st_mode),
                         self.row("/run/xased", True).mode)

    def test_with_umask_000(self):
        self.live_through(0)

    def test_with_umask_077(self):
        self.live_through(0o077)


@needs_root
class ClosedFolders(Layout):
    """A folder of the state directory is closed to the daemon while it runs, and opened again."""

    def setUp(self):
        super().setUp()
        self.make_folders()
        self.devapi = self.api()
        self.xased = self.user_daemon(self.devapi, settings={
            "ring.bytes": "2MiB", "journal.segment_bytes": "1MiB",
            "ledger.seal_interval": "1s"}).start()
        self.ids = []

    def record_some(self, prefix, count):
        records = with_ids(prefix, count)
        with As(APP, recording(self.run_dir, records)) as app:
            self.assertEqual(app.error, None)
        self.ids += [r["transaction_id"] for r in records]

    @contextlib.contextmanager
    def closed(self, name):
        folder = self.state_dir / name
        mode = folder.stat().st_mode
        folder.chmod(0)
        try:
            yield
        finally:
            folder.chmod(stat.S_IMODE(mode))

    def assert_all_there(self, missing=0):
        stats = self.xased.drained(len(self.ids), missing=missing)
        self.assertEqual((stats["missing"], stats["dead_letter"]), (missing, 0))
        self.assertEqual(self.xased.get("/readyz")[0], 200)
        self.assert_delivered(self.devapi, self.ids)
        self.assertEqual(self.xased.stop(), 0)
        self.verify(self.xased)

    def test_the_journal(self):
        records = with_ids("full", 20000)

        def fill(stack):
            client = stack.enter_context(Client(self.run_dir, block_timeout_ms=2000))
            taken = 0
            for record in records:
                error = client.record(record)
                if error != OK:
                    return taken, error
                taken += 1
            return taken, OK
        self.record_some("before", 10)
        self.xased.drained(10)
        with self.closed("journal"):
            with As(APP, fill) as app:
                taken, error = app.value
                self.assertEqual(error, QUEUE_FULL)
                status, why = self.xased.get("/readyz")
                self.assertEqual(status, 503)
                self.assertIn("ermission denied", why)
                self.assertFalse(self.xased.stats()["disk_full"])
                self.assertEqual(self.xased.get("/livez")[0], 200)
        self.ids += [r["transaction_id"] for r in records[:taken]]
        self.record_some("after", 10)
        self.assert_all_there(missing=1)

    def test_the_cursor(self):
        self.record_some("before", 10)
        self.xased.drained(10)
        with self.closed("delivery"):
            # Both of its files are open already.
            self.record_some("closed", 1000)
            self.xased.drained(1010)
        self.record_some("after", 10)
        self.assert_all_there()

    def test_the_tree(self):
        self.record_some("before", 10)
        self.xased.drained(10)
        with self.closed("tree"):
            self.record_some("closed", 600)
            stats = self.xased.drained(610)
            # The ledger goes on; that its head is signed no more is told.
            signed = stats["checkpoint_size"]
            self.xased.until(lambda s: s["alarms"] > 0, "an alarm")
            self.assertEqual(self.xased.stats()["checkpoint_size"], signed)
            self.assertEqual(self.xased.get("/readyz")[0], 200)
        self.xased.until(lambda s: s["checkpoint_size"] >= stats["last_sequence"], "it is signed")
        self.record_some("after", 10)
        self.assert_all_there()


if __name__ == "__main__":
    unittest.main(verbosity=2)
