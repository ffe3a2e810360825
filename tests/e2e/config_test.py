#!/usr/bin/env python3
"""Configuration as an operator meets it: checks, precedence, reload, exit codes."""

import json
import os
import signal
import subprocess
import unittest

from harness import BIN, ROOT, Daemon, E2eTest, with_ids

USAGE, CONFIG = 2, 78


class Config(E2eTest):
    def xased(self, *arguments, env=None):
        clean = {k: v for k, v in os.environ.items() if not k.startswith(("XASE_", "XASED_"))}
        return subprocess.run([str(BIN / "xased"), *(str(a) for a in arguments)], text=True,
                              capture_output=True, timeout=60, stdin=subprocess.DEVNULL,
                              env={**clean, **(env or {})})

    def file(self, text, name="xased.toml"):
        path = self.folder / name
        path.write_text(text)
        return path

    def test_the_example_is_sound(self):
        done = self.xased("--check-config", "--config", ROOT / "deploy/xased.example.toml")
        self.assertEqual(done.returncode, 0, done.stderr)

    def test_a_sound_file_is_said_to_be_sound(self):
        done = self.xased("--check-config", "--config", self.file("[ring]\nbytes = '1MiB'\n"))
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertIn("sound", done.stdout)

    def test_every_mistake_is_named_with_file_line_and_suggestion(self):
        path = self.file('run_dir = "/run/x"\n[api]\nbase_ulr = "http://x"\n'
                         '[journal]\nsync_interval = "5 bananas"\nsegment_bytes = "1KiB"\n')
        for arguments in (("--check-config",), ()):
            done = self.xased("--config", path, *arguments)
            self.assertEqual(done.returncode, CONFIG)
            self.assertIn(f"{path}:3", done.stderr)
            self.assertIn("base_url", done.stderr)
            self.assertIn(f"{path}:5", done.stderr)
            self.assertIn(f"{path}:6", done.stderr)

    def test_broken_toml_and_a_missing_file(self):
        done = self.xased("--check-config", "--config", self.file("[api\n"))
        self.assertEqual(done.returncode, CONFIG)
        self.assertIn(":1", done.stderr)
        missing = self.folder / "none.toml"
        done = self.xased("--check-config", "--config", missing)
        self.assertEqual(done.returncode, CONFIG)
        self.assertIn(str(missing), done.stderr)

    def test_the_environment(self):
        done = self.xased("--check-config", env={"XASED_JOURNAL_SYNC_INTERVAL": "never"})
        self.assertEqual(done.returncode, CONFIG)
        self.assertIn("XASED_JOURNAL_SYNC_INTERVAL", done.stderr)
        done = self.xased("--check-config", env={"XASED_JOURNAL_SYNC_INTERVALL": "5ms"})
        self.assertEqual(done.returncode, CONFIG)
        self.assertIn("XASED_JOURNAL_SYNC_INTERVAL", done.stderr)

    def test_a_wrong_command_line_is_2(self):
        for arguments in (("--nonsense",), ("--set", "no-equals"), ("--api-port", "1"),
                          ("--dev", "--api-port", "70000")):
            with self.subTest(arguments=arguments):
                self.assertEqual(self.xased(*arguments).returncode, USAGE)
        self.assertEqual(self.xased("--help").returncode, 0)
        self.assertEqual(self.xased("--version").returncode, 0)
        ctl = subprocess.run([BIN / "xasectl", "nonsense"], capture_output=True, timeout=60)
        self.assertEqual(ctl.returncode, USAGE)

    def running(self, daemon):
        """{key: (value, origin)} of the daemon as it runs."""
        lines = json.loads(daemon.get("/config")[1])
        lines = lines.get("config", lines) if isinstance(lines, dict) else lines
        return {line["key"]: (line["value"], line["origin"]) for line in lines}

    def test_flag_over_environment_over_file_over_default(self):
        path = self.file("[api]\nmax_in_flight = 3\n[ring]\nbytes = '128KiB'\n"
                         "[delivery]\nbackoff_max = '7s'\n")
        daemon = Daemon(self, self.api(), settings={"api.max_in_flight": "5"},
                        env={"XASED_CONFIG": str(path), "XASED_API_MAX_IN_FLIGHT": "4",
                             "XASED_RING_BYTES": "256KiB"})
        del daemon.settings["delivery.backoff_max"]
        daemon.start()
        running = self.running(daemon)
        self.assertEqual(running["api.max_in_flight"], ("5", "command line"))
        self.assertEqual(running["ring.bytes"], ("256KiB", "environment XASED_RING_BYTES"))
        self.assertEqual(running["delivery.backoff_max"][0], "7s")
        self.assertTrue(running["delivery.backoff_max"][1].startswith(str(path)))
        self.assertEqual(running["api.timeout"], ("30s", "default"))

    def reloadable(self):
        """A daemon that takes its destination and its pool from a file."""
        daemon = Daemon(self)
        self.dead = "http://127.0.0.1:9/api/xase/v1"
        self.path = self.file(f'[api]\nbase_url = "{self.dead}"\nmax_in_flight = 3\n')
        daemon.env["XASED_CONFIG"] = str(self.path)
        return daemon.start()

    def test_sighup_swaps_the_whole(self):
        api = self.api()
        daemon = self.reloadable()
        records = with_ids("hup", 30)
        self.record(daemon, records)
        daemon.until(lambda s: s["no_answer"] > 0, "nobody is there")
        self.path.write_text(f'[api]\nbase_url = "{api.base_url}"\nmax_in_flight = 2\n')
        daemon.process.signal(signal.SIGHUP)
        daemon.drained(30)
        self.assert_delivered(api, [r["transaction_id"] for r in records])
        self.assertEqual(daemon.stats()["base_url"], api.base_url)
        self.assertEqual(self.running(daemon)["api.max_in_flight"][0], "2")

    def test_sighup_keeps_the_old_where_the_new_is_broken(self):
        api = self.api()
        daemon = self.reloadable()
        self.path.write_text(f'[api]\nbase_url = "{api.base_url}"\nmax_in_fligth = 2\n')
        daemon.process.signal(signal.SIGHUP)
        daemon.until(lambda s: s["alarms"] > 0, "it is told")
        self.assertIn(f"{self.path}:3", daemon.process.log_text())
        running = self.running(daemon)
        self.assertEqual(running["api.base_url"][0], self.dead)
        self.assertEqual(running["api.max_in_flight"][0], "3")
        self.assertTrue(daemon.running())

    def test_reload_by_xasectl(self):
        api = self.api()
        daemon = self.reloadable()
        self.path.write_text(f'[api]\nbase_url = "{api.base_url}"\n')
        self.ctl_ok(daemon, "reload")
        daemon.until(lambda s: s["base_url"] == api.base_url, "the new one is in force")


if __name__ == "__main__":
    unittest.main(verbosity=2)
