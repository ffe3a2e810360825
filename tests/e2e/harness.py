"""Real processes for the end-to-end tests: xased, xase-devapi, producers, and what to ask of them.

A test gets a folder of its own and ends with every process that it started killed and the folder
gone; where it failed, the end of every log is printed first. Nothing here waits for a fixed time:
`eventually` asks until a condition holds or its deadline passes, and a deadline is generous, since
it only ever costs time when something is broken.

Environment: XASE_BIN (folder of the programs), XASE_E2E_SCALE (1: as in CI; larger numbers multiply
how much is done), XASE_E2E_KEEP=1 (keep the folder of a test that failed).
"""

import contextlib
import ctypes
import hashlib
import http.client
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest

ROOT = pathlib.Path(os.environ.get("XASE_SOURCE") or pathlib.Path(__file__).resolve().parents[2])
BIN = pathlib.Path(os.environ.get("XASE_BIN") or ROOT / "build/dev/bin")
DATA = ROOT / "tests/data/credit-decisions.jsonl"
SCALE = float(os.environ.get("XASE_E2E_SCALE", "1"))
API_KEY = "xase_pk_" + "0123456789abcdef" * 3
PATIENCE = 60.0  # seconds until a condition that should hold at once is given up

LOG_TAIL_BYTES = 6000


def scaled(count):
    return max(1, int(count * SCALE))


def eventually(condition, what, timeout=PATIENCE, interval=0.02):
    """The first true value of `condition()`; AssertionError when none came in time."""
    end = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            text = what() if callable(what) else what
            raise AssertionError(f"not within {timeout:g} s: {text}; last seen: {value!r}")
        time.sleep(interval)


def free_port():
    """A port that nobody listens on. Another process may take it before we do; none of ours does."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def decisions():
    """The real decisions, one dict each."""
    return [json.loads(line) for line in DATA.read_text().splitlines()]


def key_of(transaction_id):
    """The idempotency key that the SDKs and the daemon derive from a transaction id."""
    return hashlib.sha256(transaction_id.encode()).hexdigest()[:32]


def to_lines(records):
    return "".join(json.dumps(record) + "\n" for record in records)


def with_ids(prefix, count, source=None):
    """`count` real decisions under new transaction ids `<prefix>-<n>`, n from 1."""
    source = source or decisions()
    return [
        dict(source[(n - 1) % len(source)], transaction_id=f"{prefix}-{n}")
        for n in range(1, count + 1)
    ]


_libc = ctypes.CDLL(None, use_errno=True)
_PR_SET_PDEATHSIG = 1


def _die_with_us():
    """In a child before exec: a test that is killed leaves nothing behind."""
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


class Process:
    """One child, its output in a file."""

    def __init__(self, test, name, *command, env=None, stdin=subprocess.DEVNULL, stdout=None,
                 cwd=None, who=None):
        """`who`: user, group, extra_groups and umask, as Popen takes them."""
        self.name = name
        self.command = [str(part) for part in command]
        self.log = test.folder / f"{name}.log"
        with open(self.log, "ab") as log:
            self.popen = subprocess.Popen(
                self.command, stdin=stdin, stdout=stdout or log, stderr=log, cwd=cwd,
                env={**os.environ, **(env or {})}, preexec_fn=_die_with_us, **(who or {}))
        test.track(self)

    @property
    def pid(self):
        return self.popen.pid

    def running(self):
        return self.popen.poll() is None

    def signal(self, number):
        self.popen.send_signal(number)

    def kill(self):
        """kill -9, and gone when it returns."""
        if self.running():
            self.popen.send_signal(signal.SIGKILL)
        return self.popen.wait()

    def wait(self, timeout=PATIENCE):
        """The exit code."""
        try:
            return self.popen.wait(timeout)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"{self.name} did not end within {timeout:g} s") from None

    def terminate(self, timeout=PATIENCE):
        self.signal(signal.SIGTERM)
        return self.wait(timeout)

    def log_text(self):
        return self.log.read_text(errors="replace")

    def status(self, field):
        """A line of /proc/PID/status, without its name."""
        for line in pathlib.Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith(field + ":"):
                return line.split(maxsplit=1)[1]
        raise AssertionError(f"{self.name}: no {field}")

    def rss_bytes(self):
        return int(self.status("VmRSS").split()[0]) * 1024

    def peak_rss_bytes(self):
        return int(self.status("VmHWM").split()[0]) * 1024


class UnixConnection(http.client.HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path, timeout=10):
        super().__init__("xased", timeout=timeout)
        self._path = str(path)

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


class Daemon:
    """xased on a run and a state folder: started, killed and started again as a test needs."""

    # Small and quick, so that pauses end and segments rotate within a test.
    SETTINGS = {
        "journal.segment_bytes": "2MiB",
        "journal.reserve_bytes": "1MiB",
        "delivery.backoff_min": "20ms",
        "delivery.backoff_max": "300ms",
        "delivery.probe_interval": "200ms",
        "delivery.drain_timeout": "10s",
        "log.format": "text",
    }

    def __init__(self, test, api=None, name="xased", run_dir=None, state_dir=None, settings=None,
                 env=None, who=None, cwd=None):
        self.test = test
        self.name = name
        self.run_dir = pathlib.Path(run_dir or test.folder / "run")
        self.state_dir = pathlib.Path(state_dir or test.folder / "state")
        self.env = env or {}
        self.who = who
        self.cwd = cwd
        self.key_file = test.folder / "api-key"
        if not self.key_file.exists():
            self.key_file.write_text(API_KEY + "\n")
            self.key_file.chmod(0o600)
        self.settings = {**self.SETTINGS, "api.key_file": self.key_file}
        if api is not None:
            self.settings["api.base_url"] = api if isinstance(api, str) else api.base_url
        self.settings.update(settings or {})
        self.process = None

    # ---- life ----

    def command(self, *more):
        command = [BIN / "xased", "--run-dir", self.run_dir, "--state-dir", self.state_dir]
        for key, value in self.settings.items():
            command += ["--set", f"{key}={value}"]
        return command + list(more)

    def start(self, wait=True):
        self.process = Process(self.test, self.name, *self.command(),
                               env={"XASED_CONFIG": "", "XASE_API_KEY": "", **self.env},
                               who=self.who, cwd=self.cwd)
        if wait:
            self.wait_ready()
        return self

    def wait_ready(self, timeout=PATIENCE):
        def ready():
            if not self.process.running():
                raise AssertionError(
                    f"{self.name} ended with {self.process.popen.returncode}:\n"
                    + self.process.log_text()[-LOG_TAIL_BYTES:])
            with contextlib.suppress(OSError, http.client.HTTPException):
                return self.get("/readyz")[0] == 200
            return False
        eventually(ready, f"{self.name} is ready", timeout)

    def running(self):
        return self.process is not None and self.process.running()

    def kill(self):
        return self.process.kill()

    def stop(self, timeout=PATIENCE):
        return self.process.terminate(timeout)

    def freeze(self):
        """Returns once each of its threads stands still."""
        self.process.signal(signal.SIGSTOP)
        tasks = pathlib.Path(f"/proc/{self.process.pid}/task")
        eventually(lambda: all((task / "stat").read_text().rpartition(")")[2].split()[0] == "T"
                               for task in tasks.iterdir()), lambda: "it stands still")

    def thaw(self):
        self.process.signal(signal.SIGCONT)

    # ---- the stats socket ----

    def request(self, method, path, timeout=10):
        connection = UnixConnection(self.run_dir / "stats.sock", timeout)
        try:
            connection.request(method, path)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        finally:
            connection.close()

    def get(self, path, timeout=10):
        return self.request("GET", path, timeout)

    def stats(self, fresh=False):
        status, body = self.get("/stats?fresh=1" if fresh else "/stats")
        if status != 200:
            raise AssertionError(f"/stats answered {status}: {body}")
        return json.loads(body)

    def until(self, condition, what, timeout=PATIENCE, fresh=False):
        """Waits for a condition over the stats, and returns those that met it. `fresh`: stats that
        know of every ring there is, also of one that was made just now."""
        seen = {}

        def holds():
            with contextlib.suppress(OSError, http.client.HTTPException):
                seen["stats"] = self.stats(fresh)
                return condition(seen["stats"])
            if not self.running():
                raise AssertionError(f"{self.name} is gone while waiting: {what}")
            return False

        eventually(holds, lambda: f"{what}; stats: {json.dumps(seen.get('stats'))}", timeout)
        return seen["stats"]

    def drained(self, delivered=None, missing=0, timeout=PATIENCE):
        """Waits until all is delivered or set aside (and `delivered` in all, where given), and GAP
        entries tell of `missing` records: what a producer was refused last becomes an entry a
        second later, or with the end of its ring."""
        def done(s):
            return (s["undelivered"] == 0 and s["committed"] == s["journaled"]
                    and (delivered is None or s["delivered"] == delivered)
                    and s["missing"] >= missing)
        what = "everything is settled" + ("" if delivered is None else f", {delivered} delivered")
        what += f", {missing} missing" if missing else ""
        return self.until(done, what, timeout, fresh=True)

    def entries(self, payload=False):
        """Every entry of the ledger that is not erased, in order."""
        after, all_entries = 0, []
        while True:
            status, body = self.get(
                f"/entries?after={after}&limit=1000&payload={int(payload)}", timeout=30)
            if status != 200:
                raise AssertionError(f"/entries answered {status}: {body}")
            page = json.loads(body)
            all_entries += page["entries"]
            if page["next_after"] <= after:
                return all_entries
            after = page["next_after"]

    # ---- the folders ----

    def ring_files(self):
        rings = self.run_dir / "rings"
        return sorted(entry.name for entry in rings.iterdir()) if rings.is_dir() else []


class DevApi:
    """xase-devapi, on one port for all its lives."""

    def __init__(self, test, name="devapi", options=()):
        self.test = test
        self.name = name
        self.dir = test.folder / name
        self.options = list(options)
        self.port = free_port()
        self.base_url = f"http://127.0.0.1:{self.port}/api/xase/v1"
        self.process = None

    def start(self, *more):
        self.process = Process(
            self.test, self.name, BIN / "xase-devapi", "--port", self.port, "--dir", self.dir,
            *([] if "--rate-limit" in self.options else ["--rate-limit", "0"]), *self.options,
            *more)

        def listening():
            if not self.process.running():
                raise AssertionError(f"{self.name} ended:\n" + self.process.log_text())
            with contextlib.suppress(OSError, http.client.HTTPException):
                return self.call("GET", "/dev/stats")[0] == 200
            return False

        eventually(listening, f"{self.name} listens")
        return self

    def stop(self):
        return self.process.terminate()

    def kill(self):
        return self.process.kill()

    def call(self, method, path, body=None, headers=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request(method, path, body=body, headers=headers or {})
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def faults(self, **spec):
        """Replaces all faults by these; none given: lifts them all."""
        status, body = self.call("PUT", "/dev/faults", json.dumps(spec))
        if status != 200:
            raise AssertionError(f"the dev API refuses the faults: {body.decode()}")

    def stats(self):
        status, body = self.call("GET", "/dev/stats")
        if status != 200:
            raise AssertionError(f"/dev/stats answered {status}")
        return json.loads(body)

    def records(self):
        """All that is stored, in the order of its storing; `body` is the text as it was posted."""
        after, stored = 0, []
        while True:
            status, body = self.call("GET", f"/dev/records?after={after}&limit=5000")
            if status != 200:
                raise AssertionError(f"/dev/records answered {status}: {body!r}")
            page = json.loads(body)
            if not page["records"]:
                return stored
            stored += page["records"]
            after = page["next_after"]

    def keys(self):
        """The idempotency keys of all that is stored, in order, each as often as it is there."""
        return [record["idempotency_key"] for record in self.records()]


class Producer:
    """`xasectl record --ack`: a process of its own whose acknowledged lines are counted."""

    def __init__(self, test, daemon_or_run_dir, records, name="producer", options=()):
        run_dir = getattr(daemon_or_run_dir, "run_dir", daemon_or_run_dir)
        self.records = records
        file = test.folder / f"{name}.jsonl"
        file.write_text(to_lines(records))
        self.acks = test.folder / f"{name}.acks"
        with open(self.acks, "wb") as acks:
            self.process = Process(
                test, name, BIN / "xasectl", "--run-dir", run_dir, "record", "--ack", *options,
                file, stdout=acks)

    def acked(self):
        """The records that were acknowledged. A number cut off by a kill does not count: its line
        has no end."""
        text = self.acks.read_text()
        lines = text[: text.rfind("\n") + 1].split()
        numbers = [int(line) for line in lines]
        if numbers != list(range(1, len(numbers) + 1)):
            raise AssertionError(f"{self.acks}: acknowledgements are not 1, 2, 3, ...")
        return self.records[: len(numbers)]

    def acked_ids(self):
        return [record["transaction_id"] for record in self.acked()]


class E2eTest(unittest.TestCase):
    maxDiff = 2000

    def run(self, result=None):
        # A test may go on in a folder within.
        folder = self.folder = pathlib.Path(tempfile.mkdtemp(prefix="xased-e2e-"))
        self._processes = []
        bad_before = len(result.failures) + len(result.errors) if result else 0
        try:
            return super().run(result)
        finally:
            failed = result is not None and len(result.failures) + len(result.errors) > bad_before
            if failed:
                self._print_logs()
            if failed and os.environ.get("XASE_E2E_KEEP") == "1":
                print(f"kept: {folder}", file=sys.stderr)
            else:
                shutil.rmtree(folder, ignore_errors=True)

    def track(self, process):
        """Kills it at the end of the test, before what was registered earlier is cleaned up."""
        self._processes.append(process)
        self.addCleanup(process.kill)

    def _print_logs(self):
        print(f"\n==== logs of {self.id()} ====", file=sys.stderr)
        for log in sorted(self.folder.glob("*.log")):
            text = log.read_text(errors="replace")
            if text:
                print(f"---- {log.name} (its end) ----\n{text[-LOG_TAIL_BYTES:]}", file=sys.stderr)

    # ---- short for what nearly every test does ----

    def api(self, **options):
        return DevApi(self, **options).start()

    def daemon(self, api=None, **options):
        return Daemon(self, api, **options).start()

    def ctl(self, daemon_or_run_dir, *arguments, stdin=None, timeout=120, env=None):
        """xasectl to its end: a CompletedProcess with text."""
        run_dir = getattr(daemon_or_run_dir, "run_dir", daemon_or_run_dir)
        return subprocess.run(
            [str(part) for part in (BIN / "xasectl", "--run-dir", run_dir, *arguments)],
            input=stdin if stdin is not None else "", text=True, capture_output=True,
            timeout=timeout, env={**os.environ, **(env or {})}, preexec_fn=_die_with_us)

    def ctl_ok(self, daemon_or_run_dir, *arguments, **options):
        done = self.ctl(daemon_or_run_dir, *arguments, **options)
        self.assertEqual(done.returncode, 0, f"xasectl {arguments}: {done.stdout}{done.stderr}")
        return done.stdout

    def record(self, daemon_or_run_dir, records, *options):
        """Records all of them; each must be acknowledged."""
        acks = self.ctl_ok(daemon_or_run_dir, "record", "--ack", *options, "-",
                           stdin=to_lines(records))
        self.assertEqual(acks.split(), [str(n) for n in range(1, len(records) + 1)])

    def verify(self, state_dir):
        """Offline, by the command that an auditor would use; a daemon may run meanwhile."""
        state_dir = getattr(state_dir, "state_dir", state_dir)
        done = subprocess.run([str(BIN / "xasectl"), "verify", str(state_dir)], text=True,
                              capture_output=True, timeout=300, stdin=subprocess.DEVNULL)
        self.assertEqual(done.returncode, 0, f"verify: {done.stdout}{done.stderr}")
        return done.stdout

    def assert_delivered(self, api, transaction_ids, also=()):
        """The API holds each of them exactly once. `also`: ids that may be there, once, as those of
        a producer that was killed between its commit and its acknowledgement."""
        keys = api.keys()
        self.assertEqual(len(keys), len(set(keys)), "a record is stored twice")
        wanted = {key_of(one): one for one in transaction_ids}
        self.assertEqual(len(wanted), len(list(transaction_ids)), "the test's ids are not unique")
        allowed = {key_of(one) for one in also} | wanted.keys()
        lost = [wanted[key] for key in wanted.keys() - set(keys)]
        self.assertEqual(lost, [], f"{len(lost)} acknowledged records are lost")
        self.assertEqual(set(keys) - allowed, set(), "records are stored that nobody made")
        return len(keys)

    def assert_no_rings(self, daemon):
        eventually(lambda: not daemon.ring_files(),
                   lambda: f"no ring file is left: {daemon.ring_files()}")


class TinyServer:
    """A TCP listener that answers every request with the same bytes, and counts what it got."""

    def __init__(self, test, answer=b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"):
        self.answer = answer
        self.requests = []
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()
        test.addCleanup(self.close)

    def _serve(self):
        while True:
            try:
                peer, _ = self._socket.accept()
            except OSError:
                return
            with peer, contextlib.suppress(OSError):
                peer.settimeout(2)
                self.requests.append(peer.recv(65536))
                peer.sendall(self.answer)

    def close(self):
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join(5)


class Peer:
    """A TCP listener that does with each connection what the test says, in a thread of its own."""

    def __init__(self, test, serve):
        self.serve = serve
        self.connections = 0
        self._open = set()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = self._listener.getsockname()[1]
        self.base_url = f"http://127.0.0.1:{self.port}/api/xase/v1"
        threading.Thread(target=self._accept, daemon=True).start()
        test.addCleanup(self.close)

    def _accept(self):
        while True:
            try:
                peer, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            self._open.add(peer)
            threading.Thread(target=self._serve, args=(peer, self.serve), daemon=True).start()

    def _serve(self, peer, serve):
        with contextlib.suppress(OSError):
            peer.settimeout(PATIENCE)
            serve(peer)
        self._open.discard(peer)
        peer.close()

    def close(self):
        for one in [self._listener, *self._open]:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
        self._listener.close()


def read_request(peer):
    """One HTTP request with its body; empty at the connection's end."""
    got = b""
    while True:
        head, end, body = got.partition(b"\r\n\r\n")
        if end:
            length = [line.split(b":")[1] for line in head.split(b"\r\n")
                      if line.lower().startswith(b"content-length:")]
            if len(body) >= int(length[0] if length else 0):
                return got
        more = peer.recv(65536)
        if not more:
            return b""
        got += more


def hang(peer):
    """Takes all that comes and answers nothing, until the other side closes."""
    while peer.recv(65536):
        pass
