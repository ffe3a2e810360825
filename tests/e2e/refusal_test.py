#!/usr/bin/env python3
"""Records that the API refuses: set aside with the answer, out of the way of those behind them."""

import json
import unittest

from harness import E2eTest, with_ids


class Refusal(E2eTest):
    def letters(self, daemon):
        return [json.loads(line)
                for line in self.ctl_ok(daemon, "deadletter", "list", "--json").splitlines()]

    def test_a_record_that_breaks_the_services_rules_does_not_hold_up_the_others(self):
        api = self.api()
        daemon = self.daemon(api)
        records = with_ids("refused", 60)
        records[20]["decision_type"] = "WEATHER"
        self.record(daemon, records)
        stats = daemon.drained(59)
        self.assertEqual((stats["dead_letter"], stats["undelivered"], stats["paused"]), (1, 0, None))
        self.assert_delivered(
            api, [r["transaction_id"] for r in records if r["decision_type"] != "WEATHER"])
        letter, = self.letters(daemon)
        self.assertEqual((letter["http_status"], letter["api_code"], letter["transaction_id"]),
                         (400, "VALIDATION_ERROR", "refused-21"))
        self.assertIn("refused-21", self.ctl_ok(daemon, "deadletter", "list"))
        shown = json.loads(
            self.ctl_ok(daemon, "deadletter", "show", letter["sequence"], "--json"))
        self.assertEqual(shown["state"], "set_aside")
        self.assertEqual(shown["answer"]["code"], "VALIDATION_ERROR")
        self.assertEqual([detail["path"] for detail in shown["answer"]["details"]],
                         ["decisionType"])
        self.assertIn("VALIDATION_ERROR",
                      self.ctl_ok(daemon, "deadletter", "show", letter["sequence"]))
        self.verify(daemon)
        # Its own fault is still there: another try is refused again, and counted again.
        self.ctl_ok(daemon, "deadletter", "retry", letter["sequence"])
        daemon.until(lambda s: s["dead_letter_total"] == 2 and s["dead_letter"] == 1,
                     "refused again")
        self.assertEqual(len(self.letters(daemon)), 1)
        self.verify(daemon)

    def refused_once(self, api, daemon, count=30, refused=1):
        api.faults(status={"status": 400, "count": refused})
        records = with_ids("once", count)
        self.record(daemon, records)
        stats = daemon.drained(count - refused)
        self.assertEqual(stats["dead_letter"], refused)
        return records

    def test_retry_delivers_what_the_api_takes_by_now(self):
        api = self.api()
        daemon = self.daemon(api)
        records = self.refused_once(api, daemon)
        letter, = self.letters(daemon)
        self.ctl_ok(daemon, "deadletter", "retry", letter["sequence"])
        stats = daemon.drained(len(records))
        self.assertEqual((stats["dead_letter"], stats["dead_letter_total"]), (0, 1))
        self.assertEqual(self.letters(daemon), [])
        self.assert_delivered(api, [r["transaction_id"] for r in records])
        self.verify(daemon)

    def test_retry_of_all(self):
        api = self.api()
        daemon = self.daemon(api)
        records = self.refused_once(api, daemon, count=40, refused=12)
        self.ctl_ok(daemon, "deadletter", "retry", "--all")
        daemon.drained(len(records))
        self.assertEqual(self.letters(daemon), [])
        self.assert_delivered(api, [r["transaction_id"] for r in records])

    def test_dead_letters_and_retries_outlive_the_daemon(self):
        api = self.api()
        daemon = self.daemon(api)
        records = self.refused_once(api, daemon, refused=3)
        before = self.letters(daemon)
        daemon.kill()
        daemon.start()
        self.assertEqual(self.letters(daemon), before)
        self.assertEqual(daemon.stats()["dead_letter"], 3)
        daemon.stop()
        daemon.start()
        self.assertEqual(self.letters(daemon), before)
        # A retry that is asked for while the API is away is still wanted after a crash.
        api.faults(down={})
        self.ctl_ok(daemon, "deadletter", "retry", before[0]["sequence"])
        daemon.until(
            lambda s: any(e["type"] == "DEAD_LETTER" and e["note"] == "retry requested"
                          and e["sequence"] <= s["durable_sequence"] for e in daemon.entries()),
            "the request is durable")
        daemon.kill()
        api.faults()
        daemon.start()
        daemon.until(lambda s: s["delivered"] == len(records) - 2, "the retry is delivered")
        self.assertEqual(self.letters(daemon), before[1:])
        self.verify(daemon)

    def test_there_is_no_letter_of_that_number(self):
        daemon = self.daemon(self.api())
        for command in ("show", "retry"):
            done = self.ctl(daemon, "deadletter", command, "1")
            self.assertNotEqual(done.returncode, 0)
            self.assertIn("not set aside", done.stderr)

    def test_a_run_of_refusals_is_a_pause_instead(self):
        api = self.api()
        daemon = self.daemon(api, settings={"delivery.refusals_pause_after": "5"})
        api.faults(status={"status": 400})
        records = with_ids("run", 100)
        self.record(daemon, records)
        stats = daemon.until(lambda s: s["paused"] == "refusals", "it waits")
        self.assertEqual(stats["delivered"], 0)
        # The fault is the service's: it must not cost more and more records while it lasts.
        attempts = stats["attempts"]
        stats = daemon.until(lambda s: s["attempts"] >= attempts + 4, "it probes")
        self.assertLess(stats["dead_letter"], 50)
        self.assertEqual(stats["dead_letter"] + stats["undelivered"], 100)
        api.faults()
        daemon.until(lambda s: s["undelivered"] == 0, "the others are delivered")
        self.ctl(daemon, "deadletter", "retry", "--all")
        daemon.drained(len(records))
        self.assert_delivered(api, [r["transaction_id"] for r in records])
        self.verify(daemon)


class Replay(E2eTest):
    def test_a_key_used_twice_is_one_record_and_a_receipt_that_says_so(self):
        api = self.api()
        daemon = self.daemon(api, settings={"api.ordered": "true"})
        records = with_ids("twice", 20)
        again = dict(records[4], output={"decision": "ANOTHER"})
        self.record(daemon, records)
        daemon.drained(20)
        self.record(daemon, [again])
        stats = daemon.drained(21)
        self.assertEqual(stats["replayed"], 1)
        self.assertEqual(stats["possible_duplicates"], 0)
        self.assertEqual(api.stats()["records"], 20)
        self.assertEqual(json.loads(self.ctl_ok(daemon, "status", "--json"))["replayed"], 1)
        notes = [e["note"] for e in daemon.entries() if e["type"] == "RECEIPT"]
        self.assertEqual([n for n in notes if "replayed" in n], ["201 replayed"])
        self.verify(daemon)

    def test_the_callers_own_key_counts(self):
        api = self.api()
        daemon = self.daemon(api, settings={"api.ordered": "true"})
        records = with_ids("own", 3)
        for record in records:
            record["idempotency_key"] = "the-same-key-0001"
        self.record(daemon, records)
        stats = daemon.drained(3)
        self.assertEqual((stats["replayed"], api.keys()), (2, ["the-same-key-0001"]))


if __name__ == "__main__":
    unittest.main(verbosity=2)
