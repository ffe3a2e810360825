"""Real users for the tests: who they are, what they try, and the table of systemd/README.md."""

import contextlib
import fnmatch
import json
import os
import re
import shutil
import stat
import unittest

import client_library
from client_library import COMMITTED, RUN_DIR_UNAVAILABLE, Client
from harness import BIN, ROOT, Daemon, E2eTest, UnixConnection

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
