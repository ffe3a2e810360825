#!/usr/bin/env python3
"""Who may do what, by real users: the table of systemd/README.md, the API key, and TLS."""

import contextlib
import fnmatch
import http.server
import json
import os
import pathlib
import random
import re
import resource
import shutil
import signal
import ssl
import stat
import subprocess
import threading
import unittest

import client_library
from client_library import COMMITTED, DELIVERED, OK, QUEUE_FULL, RUN_DIR_UNAVAILABLE, Client
from harness import API_KEY, BIN, ROOT, Daemon, E2eTest, UnixConnection, with_ids

# No such users need exist: the kernel knows numbers alone. Names as in systemd/README.md.
DAEMON_UID, DAEMON_GROUP, APP_GROUP = 30100, 30100, 30101
DAEMON = {"user": DAEMON_UID, "group": APP_GROUP, "extra_groups": [DAEMON_GROUP], "umask": 0o077}
APP = {"user": 30001, "group": 30001, "extra_groups": [APP_GROUP], "umask": 0o077}
OTHER_APP = {"user": 30002, "group": 30002, "extra_groups": [APP_GROUP], "umask": 0o022}
OUTSIDER = {"user": 30003, "group": 30003, "extra_groups": [], "umask": 0o077}
ROOT_USER = {"user": 0, "group": 0, "extra_groups": [], "umask": 0o022}

needs_root = unittest.skipUnless(os.geteuid() == 0, "needs root, to be several users")


class As:
    """A forked child that does `action` as that user and stays until the block ends."""

    def __init__(self, who, action):
        self.who = who
        self.action = action

    def __enter__(self):
        answer, tell = os.pipe()
        stay, self.leave = os.pipe()
        self.child = os.fork()
        if self.child == 0:
            os.close(self.leave)
            self._be(tell, stay)
        os.close(tell)
        os.close(stay)
        with os.fdopen(answer) as pipe:
            line = pipe.readline()
        self.value, self.error = json.loads(line or '[null, "it died"]')
        return self

    def _be(self, tell, stay):
        # Nothing may leave a forked test but by _exit().
        try:
            os.setgroups(self.who["extra_groups"])
            os.setresgid(*[self.who["group"]] * 3)
            os.setresuid(*[self.who["user"]] * 3)
            os.umask(self.who["umask"])
            with contextlib.ExitStack() as stack:
                try:
                    answer = [self.action(stack), None]
                except OSError as error:
                    answer = [None, type(error).__name__]
                os.write(tell, (json.dumps(answer) + "\n").encode())
                os.read(stay, 1)
        except BaseException as error:
            os.write(tell, (json.dumps([None, f"unexpected: {error!r}"]) + "\n").encode())
        finally:
            os._exit(0)

    def __exit__(self, *_):
        os.close(self.leave)
        os.waitpid(self.child, 0)


def attempt(who, action):
    """(value, name of the error) of `action` by that user."""
    with As(who, lambda _: action()) as done:
        return done.value, done.error


def ask(run_dir, method, path):
    connection = UnixConnection(run_dir / "stats.sock")
    try:
        connection.request(method, path)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


def read(path):
    with open(path, "rb") as file:
        return len(file.read())


def recording(run_dir, records, until=COMMITTED):
    """For As: a client that has recorded these, and is open until the block ends."""
    def action(stack):
        client = stack.enter_context(Client(run_dir))
        errors = [client.record(record) for record in records]
        if until != COMMITTED and not any(errors):
            errors.append(client.flush(until, 30000))
        if RUN_DIR_UNAVAILABLE in errors:
            raise PermissionError(client.last_error())
        if any(errors):
            raise RuntimeError(f"{errors}: {client.last_error()}")
    return action


class Row:
    """One of the table: what a path's owner, group and mode are."""

    def __init__(self, path, owner, group, mode):
        self.path = path
        self.owner = {"xased": DAEMON_UID, "root": 0}.get(owner)  # None: the app that made it
        self.group = {"xased": DAEMON_GROUP, "xase": APP_GROUP, "root": 0}[group]
        self.mode = int(mode, 8)

    def is_for(self, path, is_folder):
        if self.path.endswith("/"):
            return is_folder and fnmatch.fnmatchcase(f"{path}/", self.path.replace("**/", "*/"))
        return fnmatch.fnmatchcase(path, self.path)


def table():
    text = (ROOT / "systemd/README.md").read_text()
    rows = re.findall(r"^\| `(/[^`]+)` \| `?(\w+)`?:`?(\w+)`? \| (0?\d{3,4}) \|", text, re.MULTILINE)
    return [Row(*row) for row in rows]


class Layout(E2eTest):
    """A run and a state folder as the table has them, in a folder that every user may enter."""

    def setUp(self):
        self.folder.chmod(0o755)
        Client._library = Client._library or client_library.load()
        self.rows = table()
        self.run_dir = self.folder / "run"
        self.state_dir = self.folder / "state"

    def row(self, path, is_folder=False):
        found = [row for row in self.rows if row.is_for(path, is_folder)]
        self.assertTrue(found, f"systemd/README.md says nothing of {path}")
        return found[0]

    def make_folders(self):
        for folder, path in ((self.run_dir, "/run/xased"), (self.run_dir / "rings", "/run/xased/rings"),
                             (self.state_dir, "/var/lib/xased")):
            row = self.row(path, True)
            folder.mkdir()
            os.chown(folder, row.owner, row.group)
            folder.chmod(row.mode)

    def program(self):
        """xased where another user may start it: a build can lie in a folder of root's."""
        path = BIN / "xased"
        if all(one.stat().st_mode & stat.S_IXOTH for one in (path, *path.resolve().parents)):
            return path
        copy = self.folder / "xased"
        if not copy.exists():
            shutil.copy2(path, copy)
        return copy

    def user_daemon(self, api=None, who=None, **options):
        program = self.program()

        class UserDaemon(Daemon):
            def command(self, *more):
                return [program] + super().command(*more)[1:]

        daemon = UserDaemon(self, api, who=who or DAEMON, run_dir=self.run_dir,
                            state_dir=self.state_dir, **options)
        os.chown(daemon.key_file, DAEMON_UID, DAEMON_GROUP)
        return daemon

    def found(self):
        """(name as the table has it, is a folder, its facts) of all that is in both folders."""
        for folder, shown in ((self.run_dir, "/run/xased"), (self.state_dir, "/var/lib/xased")):
            for path in [folder, *folder.rglob("*")]:
                with contextlib.suppress(FileNotFoundError):  # a ring that is done, a spare in use
                    facts = path.lstat()
                    name = shown + str(path).removeprefix(str(folder))
                    yield name, stat.S_ISDIR(facts.st_mode), facts

    def assert_modes(self, owners=True):
        """All that is there is as the table says; the names that were looked at."""
        names = []
        for name, is_folder, facts in self.found():
            row = self.row(name, is_folder)
            names.append(name)
            self.assertEqual(oct(stat.S_IMODE(facts.st_mode)), oct(row.mode), f"mode of {name}")
            if owners:
                self.assertEqual(facts.st_gid, row.group, f"group of {name}")
            if owners and row.owner is not None:
                self.assertEqual(facts.st_uid, row.owner, f"owner of {name}")
        return names

    def assert_there(self, names, *patterns):
        for pattern in patterns:
            self.assertTrue(fnmatch.filter(names, pattern), f"{pattern} is not among {names}")


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


# ---- the API key ----


class ScriptedApi:
    """An API that answers as a script says, repeats the key that it was sent, and keeps what it
    got. Behind TLS where there is a certificate."""

    def __init__(self, test, script=(), certificate=None):
        self.script = list(script)
        self.keys = []
        self.requests = 0
        self.refused_handshakes = 0
        api = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                api._answer(self)

            do_GET = do_POST

            def log_message(self, *_):
                pass

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True

            def get_request(self):
                peer, address = self.socket.accept()
                if certificate is None:
                    return peer, address
                try:
                    peer.settimeout(10)
                    return api.context.wrap_socket(peer, server_side=True), address
                except OSError:
                    api.refused_handshakes += 1
                    raise

        if certificate is not None:
            self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.context.load_cert_chain(*certificate)
        self._server = Server(("127.0.0.1", 0), Handler)
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()
        test.addCleanup(self.close)
        scheme, host = ("http", "127.0.0.1") if certificate is None else ("https", "localhost")
        self.base_url = f"{scheme}://{host}:{self._server.server_port}/api/xase/v1"

    def close(self):
        self._server.shutdown()
        self._server.server_close()

    def _answer(self, request):
        request.rfile.read(int(request.headers.get("Content-Length", 0)))
        key = request.headers.get("X-API-Key", "")
        with self._lock:
            self.requests += 1
            self.keys.append(key)
            number = self.requests
            status = self.script.pop(0) if self.script else 201
        body = {"error": f"who is {key}?", "code": f"NO_{key}", "message": key, "key": key}
        if status == 201:
            body = {"success": True, "transaction_id": f"txn_{number:032x}", "record_hash": "0" * 64,
                    "receipt_url": f"https://x/{key}", "timestamp": "2026-01-07T12:00:00.000Z",
                    "chain_position": "chained", "key": key}
        data = json.dumps(body).encode()
        if status == 200:
            data = f"<html>{key}</html>".encode()
        request.send_response(status, f"Status of {key}")
        for name in ("X-API-Key", "Retry-After", "X-RateLimit-Limit", "X-RateLimit-Reset",
                     "Location", "WWW-Authenticate"):
            request.send_header(name, key)
        request.send_header("Content-Length", str(len(data)))
        request.end_headers()
        request.wfile.write(data)


class Key(Layout):
    SCRIPT = [401, 402, 403, 404, 405, 302, 200, 408, 500, 503, 400, 413, 422]

    def setUp(self):
        super().setUp()
        self.digits = "".join(random.choices("0123456789abcdef", k=48))
        self.key = "xase_pk_" + self.digits
        self.sound_key = self.folder / "credentials/api-key"
        self.sound_key.parent.mkdir(mode=0o755)
        self.sound_key.write_text(self.key + "\n")

    def assert_unknown(self, what, text):
        """No quarter of the key's digits is in `text`. Four of them are shown on purpose."""
        data = text if isinstance(text, bytes) else text.encode()
        for at in range(0, 48, 12):
            self.assertNotIn(self.digits[at:at + 12].encode(), data, f"the key is in {what}")

    def daemon_with(self, api, log_format, settings=None, env=None, **options):
        daemon = Daemon(self, api, env=env, settings={
            "log.level": "trace", "log.format": log_format, "api.max_in_flight": "1",
            "delivery.probe_interval": "50ms", **(settings or {})}, **options)
        if "api.key_file" not in (settings or {}):
            del daemon.settings["api.key_file"]
        return daemon.start()

    def check(self, log_format, **options):
        api = ScriptedApi(self, self.SCRIPT)
        daemon = self.daemon_with(api, log_format, **options)
        with Client(daemon.run_dir) as client:
            for record in with_ids("key", 6):
                self.assertEqual(client.record(record), OK)
            self.assertEqual(client.flush(DELIVERED, 30000), OK)
            stats = daemon.drained(3)
            self.assertEqual((stats["dead_letter"], api.script), (3, []))
            self.assertEqual(set(api.keys) - {""}, {self.key}, "the API was sent the key")
            for path in ("/stats", "/metrics", "/config", "/deadletters",
                         "/entries?limit=1000&payload=1"):
                self.assert_unknown(path, daemon.get(path)[1])
            sequences = [letter["sequence"] for letter in
                         json.loads(daemon.get("/deadletters")[1])["dead_letters"]]
            for sequence in sequences:
                letter = daemon.get(f"/deadletters/{sequence}")[1]
                self.assert_unknown("a dead letter", letter)
                self.assertIn(f"xase_pk_{'*' * 48}", letter)
            shown = {"XASE_API_KEY": self.key, "XASED_CONFIG": ""}
            for command in (("status", "--json"), ("status",), ("config", "show", "--running"),
                            ("config", "show", "--running", "--json"), ("deadletter", "list")):
                self.assert_unknown(command, self.ctl_ok(daemon, *command))
            self.assert_unknown("config show", self.ctl_ok(daemon, "config", "show", env=shown))
            for file in ("cmdline", "comm", "status"):
                process = pathlib.Path(f"/proc/{daemon.process.pid}")
                self.assert_unknown(file, (process / file).read_bytes())
            self.assert_in_no_file(daemon)
        self.assertEqual(daemon.stop(), 0)
        self.assert_in_no_file(daemon)
        log = daemon.process.log_text()
        self.assertIn("API key in use", log)
        if log_format == "json":
            self.assertTrue(all(json.loads(line) for line in log.splitlines()))
        self.assert_unknown("the log", log)

    def assert_in_no_file(self, daemon):
        looked_at = 0
        for folder in (daemon.run_dir, daemon.state_dir):
            for path in folder.rglob("*"):
                if path.is_file():
                    self.assert_unknown(path, path.read_bytes())
                    looked_at += 1
        self.assertGreater(looked_at, 10)

    def test_from_a_file(self):
        self.sound_key.chmod(0o600)
        self.check("text", settings={"api.key_file": self.sound_key})

    def test_from_the_environment(self):
        self.check("json", env={"XASE_API_KEY": self.key})

    def test_from_a_credential(self):
        self.sound_key.chmod(0o440)
        self.check("json", env={"CREDENTIALS_DIRECTORY": str(self.sound_key.parent)})

    @needs_root
    def test_neither_memory_nor_environment_nor_a_core_gives_it_to_the_daemons_user(self):
        self.make_folders()
        cores = self.folder / "cores"
        cores.mkdir()
        os.chown(cores, DAEMON_UID, APP_GROUP)
        daemon = self.user_daemon(ScriptedApi(self), env={"XASE_API_KEY": self.key}, cwd=cores)
        del daemon.settings["api.key_file"]
        daemon.start()
        process = pathlib.Path(f"/proc/{daemon.process.pid}")
        for file in ("environ", "mem", "maps"):
            self.assertEqual((process / file).stat().st_uid, 0, file)
            self.assertEqual(attempt(DAEMON, lambda: read(process / file)),
                             (None, "PermissionError"), file)
        self.assertRegex((process / "limits").read_text(), r"Max core file size +0 +0 ")
        # A handler that reads cores from a pipe disregards the limit; so does who lifts it, which
        # takes a capability that root in a container may lack.
        unlimited = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
        with contextlib.suppress(PermissionError):
            resource.prlimit(daemon.process.pid, resource.RLIMIT_CORE, unlimited)
        daemon.process.signal(signal.SIGABRT)
        self.assertEqual(daemon.process.wait(), -signal.SIGABRT)
        self.assertEqual(os.listdir(cores), [])
        # That a core would have come here shows by one of somebody else. Where cores go elsewhere,
        # the owner of the files above is what tells.
        pattern = pathlib.Path("/proc/sys/kernel/core_pattern").read_text()
        limit = resource.getrlimit(resource.RLIMIT_CORE)[1]
        if not pattern.startswith(("|", "/")) and limit == resource.RLIM_INFINITY:
            subprocess.run(["sh", "-c", "ulimit -c unlimited; kill -ABRT $$"], cwd=cores,
                           user=DAEMON_UID, group=APP_GROUP, extra_groups=[])
            self.assertEqual(len(os.listdir(cores)), 1)


# ---- TLS ----


class Tls(E2eTest):
    def openssl(self, *arguments):
        done = subprocess.run(["openssl", *(str(a) for a in arguments)], text=True,
                              capture_output=True, cwd=self.folder, timeout=60)
        self.assertEqual(done.returncode, 0, done.stderr)

    def issuer(self, name):
        self.openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
                     "-nodes", "-days", 2, "-subj", f"/CN={name}", "-keyout", f"{name}.key",
                     "-out", f"{name}.pem")
        return self.folder / f"{name}.pem"

    def certificate(self, name, issuer="issuer", host="localhost", days=1):
        """(certificate, key) for that host, by that issuer."""
        (self.folder / f"{name}.ext").write_text(f"subjectAltName=DNS:{host}\n")
        self.openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                     "-subj", f"/CN={host}", "-keyout", f"{name}.key", "-out", f"{name}.csr")
        self.openssl("x509", "-req", "-in", f"{name}.csr", "-CA", f"{issuer}.pem", "-CAkey",
                     f"{issuer}.key", "-CAcreateserial", "-days", days, "-extfile", f"{name}.ext",
                     "-out", f"{name}.pem")
        return self.folder / f"{name}.pem", self.folder / f"{name}.key"

    def start(self, api, name, **settings):
        daemon = Daemon(self, api, name=name, run_dir=self.folder / f"{name}-run",
                        state_dir=self.folder / f"{name}-state",
                        settings={key.replace("__", "."): value for key, value in settings.items()})
        daemon.start()
        self.record(daemon, with_ids(name, 1))
        return daemon

    def assert_not_used(self, name, why, certificate, **settings):
        api = ScriptedApi(self, certificate=certificate)
        daemon = self.start(api, name, **settings)
        stats = daemon.until(lambda s: s["no_answer"] >= 2, "it tries again and again")
        self.assertIn("the certificate does not verify", stats["no_answer_why"])
        self.assertIn(why, stats["no_answer_why"])
        self.assertIn(why, self.ctl_ok(daemon, "status"))
        self.assertEqual((stats["delivered"], stats["undelivered"]), (0, 1))
        self.assertGreaterEqual(api.refused_handshakes, 2)
        self.assertEqual((api.requests, api.keys), (0, []))
        self.assertNotIn("tls_insecure_skip_verify", daemon.process.log_text())
        daemon.process.signal(signal.SIGTERM)

    def test_a_certificate_that_does_not_verify_gets_nothing(self):
        known = self.issuer("issuer")
        self.issuer("stranger")
        self.assert_not_used("unknown", "issuer", self.certificate("a", "stranger"), api__ca_file=known)
        self.assert_not_used("default", "issuer", self.certificate("b"))
        self.assert_not_used("elsewhere", "hostname mismatch",
                             self.certificate("c", host="elsewhere.example"), api__ca_file=known)
        self.assert_not_used("expired", "expired", self.certificate("d", days=-1), api__ca_file=known)

    def test_one_that_verifies_is_used(self):
        known = self.issuer("issuer")
        api = ScriptedApi(self, certificate=self.certificate("good"))
        daemon = self.start(api, "good", api__ca_file=known)
        self.assertEqual(daemon.drained(1)["no_answer_why"], "")
        self.assertEqual((api.keys[0], api.refused_handshakes), (API_KEY, 0))

    def test_verification_ends_by_the_key_that_says_so_alone_and_with_a_warning(self):
        self.issuer("stranger")
        api = ScriptedApi(self, certificate=self.certificate("any", "stranger", "elsewhere.example"))
        daemon = self.start(api, "insecure", api__tls_insecure_skip_verify="true")
        daemon.drained(1)
        warnings = [line for line in daemon.process.log_text().splitlines()
                    if "tls_insecure_skip_verify is on" in line]
        self.assertEqual(len(warnings), 1)
        self.assertIn("warn", warnings[0])


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
