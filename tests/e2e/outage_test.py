#!/usr/bin/env python3
"""The API away, slow or talking nonsense: nothing is lost, and all of it arrives once it is back.

XASE_E2E_CHAOS: how many records go to an API that does all of it at once (300).
XASE_E2E_OUTAGE_SECONDS: how long records pile up that come at an even pace (1).
"""

import json
import os
import unittest

from harness import PATIENCE, Daemon, DevApi, E2eTest, Producer, decisions, free_port, with_ids

COUNT = 300
CHAOS = int(os.environ.get("XASE_E2E_CHAOS") or COUNT)
OUTAGE_SECONDS = int(os.environ.get("XASE_E2E_OUTAGE_SECONDS") or 1)
RATE = 200  # records a second


class Outage(E2eTest):
    def assert_lives_through(self, api, daemon, begin, end, records):
        """`begin` takes the API away and `end` brings it back, with records before, between and
        after."""
        third = len(records) // 3
        self.record(daemon, records[:third])
        daemon.drained(third)
        begin()
        self.record(daemon, records[third:2 * third])
        before = daemon.stats()
        stats = daemon.until(
            lambda s: s["durable"] == 2 * third and s["attempts"] > before["attempts"] + 3
            and s["oldest_undelivered_seconds"] > 0,
            "attempts go on while the API is away")
        self.assertGreater(stats["undelivered"], 0)
        self.assertEqual(stats["dead_letter"], 0)
        self.assertEqual(daemon.get("/readyz")[0], 200, "readiness is never the API's health")
        self.assertIn("to go", self.ctl_ok(daemon, "status"))
        end()
        self.record(daemon, records[2 * third:])
        stats = daemon.drained(len(records))
        self.assertEqual(stats["dead_letter"], 0)
        self.assertIsNone(stats["paused"])
        self.assert_delivered(api, [r["transaction_id"] for r in records])
        self.verify(daemon)
        return stats

    def test_nobody_listens(self):
        api = self.api()
        daemon = self.daemon(api)
        stats = self.assert_lives_through(api, daemon, api.stop, api.start, with_ids("o", COUNT))
        self.assertGreater(stats["no_answer"], 0)
        self.assertEqual(api.stats()["replays"], 0, "nothing could have arrived before")

    def assert_lives_through_faults(self, settings=None, **faults):
        api = self.api()
        daemon = self.daemon(api, settings=settings)
        return self.assert_lives_through(api, daemon, lambda: api.faults(**faults), api.faults,
                                         with_ids("o", COUNT))

    def test_every_connection_is_reset(self):
        self.assertGreater(self.assert_lives_through_faults(down={})["no_answer"], 0)

    def test_status_500_and_503(self):
        for status in (500, 502, 503):
            with self.subTest(status=status):
                self.folder = self.folder / str(status)
                self.folder.mkdir()
                stats = self.assert_lives_through_faults(status={"status": status})
                self.assertGreater(stats["answers_failed"], 0)

    def test_a_proxys_html_with_status_502(self):
        self.assert_lives_through_faults(status={"status": 502, "body": "html"})

    def test_stored_and_no_answer(self):
        stats = self.assert_lives_through_faults(
            settings={"api.timeout": "200ms"}, commit_then_hang={"hang_ms": 2000})
        self.assertEqual(stats["possible_duplicates"], 0, "the service still knew every key")

    def test_truncated_answers(self):
        self.assert_lives_through_faults(truncated={"answer_bytes": 20})

    def test_answers_a_byte_at_a_time(self):
        self.assert_lives_through_faults(
            settings={"api.timeout": "200ms"}, slow_loris={"byte_interval_ms": 100})

    def test_30_percent_errors_and_10_percent_commit_then_hang(self):
        api = self.api()
        daemon = self.daemon(api, settings={"api.timeout": "300ms"})
        api.faults(status={"status": 503, "rate": 0.3}, reset={"rate": 0.1},
                   commit_then_hang={"rate": 0.1, "hang_ms": 1000}, truncated={"rate": 0.1})
        records = with_ids("chaos", CHAOS)
        self.record(daemon, records)
        daemon.drained(len(records), timeout=PATIENCE + CHAOS / 20)
        self.assert_delivered(api, [r["transaction_id"] for r in records])
        self.verify(daemon)

    def test_a_body_is_the_same_on_every_attempt_also_after_a_restart(self):
        api = self.api()
        # The first attempt is stored; the key of the second tells that it is the same, and the
        # dev API counts it where the body differs.
        api.faults(commit_then_hang={"hang_ms": 2000})
        daemon = Daemon(self, api, settings={"api.timeout": "200ms"}).start()
        records = with_ids("same", 40)
        self.record(daemon, records)
        daemon.until(lambda s: api.stats()["created"] == len(records), "all are stored")
        daemon.kill()
        api.faults()
        daemon.start()
        daemon.drained(len(records))
        stats = api.stats()
        self.assertEqual(stats["records"], len(records))
        self.assertGreater(stats["replays"], 0)
        self.assertEqual(stats["replays_of_another_body"], 0)
        self.assertEqual(daemon.stats()["replayed"], 0, "they are our own records' receipts")

    def test_an_ordered_destination_gets_them_in_order_after_an_outage(self):
        api = self.api()
        daemon = self.daemon(api, settings={"api.ordered": "true"})
        api.faults(status={"status": 503})
        records = with_ids("ordered", 120)
        self.record(daemon, records)
        daemon.until(lambda s: s["durable"] == len(records) and s["answers_failed"] > 1, "it tries")
        api.faults()
        daemon.drained(len(records))
        sequences = [json.loads(r["body"])["context"]["xase_ledger"]["sequence"]
                     for r in api.records()]
        self.assertEqual(sequences, sorted(sequences))
        self.assertEqual(len(sequences), len(records))

    def test_daemon_killed_and_started_in_the_middle_of_an_outage(self):
        api = DevApi(self)  # never started until the end
        daemon = Daemon(self, api).start()
        records = with_ids("mid", COUNT)
        self.record(daemon, records[:100])
        daemon.kill()
        daemon.start()
        self.record(daemon, records[100:200])
        self.assertEqual(daemon.stop(), 0)
        daemon.start()
        self.record(daemon, records[200:])
        self.assertEqual(daemon.until(lambda s: s["durable"] == COUNT, "durable")["delivered"], 0)
        api.start()
        daemon.drained(COUNT)
        self.assert_delivered(api, [r["transaction_id"] for r in records])
        self.verify(daemon)

    def test_a_backlog_goes_while_records_keep_coming(self):
        # How much faster than it came is only printed: other programs have a say in that.
        api = DevApi(self)  # away until there is a backlog
        daemon = Daemon(self, api).start()
        waiting = RATE * OUTAGE_SECONDS
        records = with_ids("paced", 2 * waiting)
        producer = Producer(self, daemon, records, options=("--rate", str(RATE)))
        patience = PATIENCE + 4 * OUTAGE_SECONDS
        daemon.until(lambda s: s["undelivered"] >= waiting, "a backlog", patience)
        self.assertEqual(daemon.stats()["delivered"], 0)
        api.start()
        before = daemon.stats()
        after = daemon.until(lambda s: s["undelivered"] <= RATE // 20, "the backlog goes", patience)
        came = after["committed"] - before["committed"]
        went = after["delivered"] - before["delivered"]
        print(f"{before['undelivered']} records waited, of {RATE} a second; {went} went while "
              f"{came} came: {went / max(came, 1):.0f} times as fast")
        self.assertEqual(producer.process.wait(patience), 0, producer.process.log_text())
        stats = daemon.drained(len(records))
        self.assertEqual((stats["dead_letter"], stats["possible_duplicates"]), (0, 0))
        self.assert_delivered(api, [r["transaction_id"] for r in records])
        self.verify(daemon)

    def test_a_name_that_does_not_resolve_is_tried_again(self):
        daemon = self.daemon(f"http://nowhere.invalid:{free_port()}/api/xase/v1")
        self.record(daemon, decisions()[:5])
        stats = daemon.until(lambda s: s["attempts"] >= 3, "it tries again")
        self.assertEqual((stats["undelivered"], stats["dead_letter"]), (5, 0))
        self.assertEqual(daemon.stop(), 0)


if __name__ == "__main__":
    unittest.main(verbosity=2)
