#!/usr/bin/env python3
"""Answers that stop delivery: it waits, says why, drops nothing, and goes on by itself.

XASE_E2E_UNAUTHORIZED_SECONDS: how long a key is refused while records come at an even pace (1).
"""

import json
import os
import time
import unittest

from harness import API_KEY, PATIENCE, Daemon, E2eTest, Producer, TinyServer, with_ids

COUNT = 100
UNAUTHORIZED_SECONDS = int(os.environ.get("XASE_E2E_UNAUTHORIZED_SECONDS") or 1)
RATE = 500  # records a second
OTHER_KEY = "xase_pk_" + "fedcba9876543210" * 3


class Pause(E2eTest):
    def assert_waits_and_resumes(self, fault, reason, http_status, in_text=None):
        api = self.api()
        api.faults(**fault)
        daemon = self.daemon(api)
        records = with_ids("pause", COUNT)
        self.record(daemon, records)
        stats = daemon.until(lambda s: s["paused"] is not None and s["durable"] == COUNT, "it waits")
        self.assertEqual((stats["paused"], stats["paused_http_status"]), (reason, http_status))
        first = stats["attempts"]
        # Probes, one at a time: not the load that would come without a pause.
        stats = daemon.until(lambda s: s["attempts"] >= first + 3, "it probes")
        self.assertEqual(stats["paused"], reason)
        self.assertLess(stats["attempts"], COUNT)
        self.assertEqual((stats["delivered"], stats["dead_letter"], stats["undelivered"]),
                         (0, 0, COUNT))
        text = self.ctl_ok(daemon, "status")
        self.assertIn("WAITS", text)
        self.assertIn(str(http_status), text)
        if in_text:
            self.assertIn(in_text, text)
        api.faults()
        stats = daemon.drained(COUNT)
        self.assertIsNone(stats["paused"])
        self.assertEqual(stats["dead_letter_total"], 0)
        self.assert_delivered(api, [r["transaction_id"] for r in records])
        self.verify(daemon)

    def test_unauthorized(self):
        self.assert_waits_and_resumes({"status": {"status": 401}}, "unauthorized", 401)

    def test_quota_exceeded(self):
        self.assert_waits_and_resumes({"status": {"status": 402}}, "quota_exceeded", 402)

    def test_forbidden(self):
        self.assert_waits_and_resumes({"status": {"status": 403}}, "forbidden", 403)

    def test_not_found(self):
        self.assert_waits_and_resumes({"status": {"status": 404}}, "not_found", 404)

    def test_method_not_allowed(self):
        self.assert_waits_and_resumes({"status": {"status": 405}}, "method_not_allowed", 405)

    def test_a_captive_portal_with_status_200(self):
        self.assert_waits_and_resumes({"not_json": {"status": 200}}, "not_the_api", 200)

    def test_html_in_place_of_a_201(self):
        self.assert_waits_and_resumes({"not_json": {"status": 201}}, "not_the_api", 201)

    def test_a_proxys_own_400_is_not_the_records_fault(self):
        self.assert_waits_and_resumes({"status": {"status": 400, "body": "html"}},
                                      "not_the_api", 400)

    def test_a_redirect_is_never_followed(self):
        elsewhere = TinyServer(self)
        for status in (301, 302, 307, 308):
            with self.subTest(status=status):
                self.folder = self.folder / str(status)
                self.folder.mkdir()
                self.assert_waits_and_resumes(
                    {"status": {"status": status,
                                "location": f"http://127.0.0.1:{elsewhere.port}/records"}},
                    "redirected", status)
        self.assertEqual(elsewhere.requests, [])

    def test_a_pause_outlives_the_daemon_without_harm(self):
        api = self.api()
        api.faults(status={"status": 401})
        daemon = self.daemon(api)
        records = with_ids("over", COUNT)
        self.record(daemon, records)
        for end in (daemon.kill, daemon.stop):
            daemon.until(lambda s: s["paused"] == "unauthorized", "it waits")
            end()
            daemon.start()
        api.faults()
        daemon.drained(COUNT)
        self.assert_delivered(api, [r["transaction_id"] for r in records])

    def test_sigterm_while_paused_ends_without_waiting_for_the_drain_timeout(self):
        api = self.api()
        api.faults(status={"status": 401})
        daemon = self.daemon(api, settings={"delivery.drain_timeout": "1h"})
        self.record(daemon, with_ids("term", 10))
        daemon.until(lambda s: s["paused"] == "unauthorized", "it waits")
        self.assertEqual(daemon.stop(), 0)


class Key(E2eTest):
    def test_a_new_key_in_the_file_ends_the_pause(self):
        api = self.api(options=["--api-key", OTHER_KEY])
        # No probe comes within the test: it is the file's change that resumes.
        daemon = self.daemon(api, settings={"delivery.probe_interval": "1h"})
        records = with_ids("key", COUNT)
        self.record(daemon, records)
        daemon.until(lambda s: s["paused"] == "unauthorized", "the first key is refused")
        self.replace_key(daemon)
        daemon.drained(COUNT)
        self.assert_delivered(api, [r["transaction_id"] for r in records])

    def replace_key(self, daemon):
        fresh = daemon.key_file.with_suffix(".new")
        fresh.write_text(OTHER_KEY + "\n")
        fresh.chmod(0o600)
        fresh.rename(daemon.key_file)

    def test_a_key_refused_under_load_costs_a_probe_an_interval_and_nothing_else(self):
        api = self.api(options=["--api-key", OTHER_KEY])
        daemon = self.daemon(api, settings={"delivery.probe_interval": "200ms"})
        began = time.monotonic()
        patience = PATIENCE + 4 * UNAUTHORIZED_SECONDS
        records = with_ids("load", RATE * UNAUTHORIZED_SECONDS)
        producer = Producer(self, daemon, records, options=("--rate", str(RATE)))
        self.assertEqual(producer.process.wait(patience), 0, producer.process.log_text())
        stats = daemon.until(lambda s: s["durable"] == len(records), "all are durable")
        attempts = api.stats()["post_record_requests"]
        probes_at_most = (time.monotonic() - began) / 0.2 + 1
        self.assertEqual((stats["paused"], stats["paused_http_status"]), ("unauthorized", 401))
        self.assertEqual((stats["undelivered"], stats["missing"]), (len(records), 0))
        at_once = 4  # before the first answer
        self.assertLessEqual(attempts, at_once + probes_at_most)
        self.replace_key(daemon)
        stats = daemon.drained(len(records), timeout=patience)
        self.assertIsNone(stats["paused"])
        self.assertEqual((stats["dead_letter_total"], stats["gaps"]), (0, 0))
        self.assert_delivered(api, [r["transaction_id"] for r in records])
        self.verify(daemon)
        print(f"{UNAUTHORIZED_SECONDS} s of 401: {len(records)} records waited, {attempts} "
              f"attempts; 0 set aside, all stored once after the key was replaced")

    def test_without_a_key_records_stay(self):
        api = self.api()
        daemon = Daemon(self, api)
        daemon.key_file.unlink()
        daemon.settings.pop("api.key_file")
        daemon.start()
        records = with_ids("nokey", 10)
        self.record(daemon, records)
        stats = daemon.until(lambda s: s["paused"] is not None and s["durable"] == 10,
                             "it waits for a key")
        self.assertEqual((stats["paused"], stats["undelivered"]), ("no_api_key", 10))
        self.assertEqual(api.stats()["post_record_requests"], 0)
        daemon.stop()
        daemon.env = {"XASE_API_KEY": API_KEY}
        daemon.start()
        daemon.drained(10)
        self.assert_delivered(api, [r["transaction_id"] for r in records])

    def test_the_key_is_in_nothing_that_is_shown(self):
        api = self.api()
        api.faults(status={"status": 401, "count": 3})
        daemon = self.daemon(api, settings={"log.level": "trace"})
        self.record(daemon, with_ids("shown", 20))
        daemon.drained(20)
        shown = [daemon.get(path)[1] for path in
                 ("/stats", "/metrics", "/config", "/entries?limit=1000&payload=1")]
        shown.append(self.ctl_ok(daemon, "config", "show"))
        shown.append(daemon.process.log_text())
        with open(f"/proc/{daemon.process.pid}/cmdline") as cmdline:
            shown.append(cmdline.read())
        secret = API_KEY.removeprefix("xase_pk_")
        for text in shown:
            self.assertNotIn(secret, text)
        for file in daemon.state_dir.rglob("*"):
            if file.is_file():
                self.assertNotIn(secret.encode(), file.read_bytes(), file)


class RateLimit(E2eTest):
    def assert_waits(self, fault, at_least_seconds):
        api = self.api()
        daemon = self.daemon(api, settings={"api.ordered": "true"})
        api.faults(status={"status": 429, "count": 1, **fault})
        records = with_ids("limit", 10)
        began = time.monotonic()
        self.record(daemon, records)
        stats = daemon.until(lambda s: s["answers_limited"] == 1, "it is limited")
        self.assertEqual(stats["dead_letter"], 0)
        daemon.drained(10)
        # Not a measure of speed: the service asked for silence, and this is how long it lasted.
        self.assertGreaterEqual(time.monotonic() - began, at_least_seconds)
        self.assert_delivered(api, [r["transaction_id"] for r in records])
        self.assertEqual(daemon.stats()["answers_limited"], 1)

    def test_retry_after_of_the_header(self):
        self.assert_waits({"retry_after": 2, "body": "empty"}, 2)

    def test_retry_after_as_a_date(self):
        self.assert_waits({"retry_after_date": 3, "body": "empty"}, 2)  # dates are whole seconds

    def test_retry_after_of_the_body(self):
        self.assert_waits({}, 1)

    def test_a_proxys_429_without_any_hint_is_waited_for_all_the_same(self):
        api = self.api()
        api.faults(status={"status": 429, "body": "html"})
        daemon = self.daemon(api)
        self.record(daemon, with_ids("hint", 50))
        stats = daemon.until(lambda s: s["paused"] == "rate_limited" and s["durable"] == 50,
                             "it waits")
        self.assertGreater(stats["next_probe_seconds"], 1)
        self.assertEqual((stats["dead_letter"], stats["undelivered"]), (0, 50))
        self.assertLess(api.stats()["post_record_requests"], 50)

    def test_status_says_that_it_is_limited(self):
        api = self.api()
        daemon = self.daemon(api)
        api.faults(status={"status": 429, "retry_after": 3600})
        self.record(daemon, with_ids("long", 50))
        stats = daemon.until(lambda s: s["paused"] == "rate_limited", "it waits")
        self.assertEqual((stats["dead_letter"], stats["undelivered"]), (0, 50))
        self.assertGreater(stats["next_probe_seconds"], 3000)
        self.assertIn("WAITS", self.ctl_ok(daemon, "status"))
        self.assertLess(api.stats()["post_record_requests"], 50)
        self.assertEqual(daemon.stop(), 0)
        api.faults()
        daemon.start()
        daemon.drained(50)
        self.assert_delivered(api, [r["transaction_id"] for r in with_ids("long", 50)])

    def test_the_services_own_limit_is_kept_to(self):
        # 40 an hour: what goes beyond stays here, and nothing is lost or refused.
        api = self.api(options=["--rate-limit", "40"])
        daemon = self.daemon(api)
        self.record(daemon, with_ids("many", 120))
        stats = daemon.until(lambda s: s["delivered"] == 40 and s["paused"] == "rate_limited",
                             "the limit is reached")
        self.assertEqual((stats["undelivered"], stats["dead_letter"]), (80, 0))
        self.assertEqual(api.stats()["records"], 40)
        self.assertEqual(json.loads(self.ctl_ok(daemon, "status", "--json"))["paused"],
                         "rate_limited")


if __name__ == "__main__":
    unittest.main(verbosity=2)
