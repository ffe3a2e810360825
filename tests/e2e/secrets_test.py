#!/usr/bin/env python3
"""The API key, which is nowhere but where it belongs, and TLS, which guards it."""

import contextlib
import http.server
import json
import os
import pathlib
import random
import resource
import signal
import ssl
import subprocess
import threading
import unittest

from access_rig import DAEMON_UID, APP_GROUP, DAEMON, needs_root, attempt, read, Layout
from client_library import DELIVERED, OK, Client
from harness import API_KEY, Daemon, E2eTest, with_ids


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


if __name__ == "__main__":
    unittest.main(verbosity=2)
