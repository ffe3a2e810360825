#!/usr/bin/env python3
"""Many real decisions through one daemon in one run: none lost, none twice, memory flat.

XASE_E2E_RECORDS: how many (20,000; 1,000,000 by hand).
"""

import json
import os
import time
import unittest

from harness import BIN, DATA, Daemon, E2eTest, Process, decisions, eventually, key_of

RECORDS = int(os.environ.get("XASE_E2E_RECORDS") or 20000)
GROWTH_BYTES_MAX = 32 << 20
SECONDS_A_RECORD = 0.01  # far slower than it may be: only so that a hang ends


class Volume(E2eTest):
    def test_all_arrive_once_and_memory_is_flat(self):
        lines = decisions()
        rounds = -(-RECORDS // len(lines))
        total = rounds * len(lines)
        patience = 120 + total * SECONDS_A_RECORD
        api = self.api()
        daemon = Daemon(self, api, settings={"journal.segment_bytes": "16MiB"}).start()
        began = time.monotonic()
        acks = self.folder / "acks"
        with open(acks, "wb") as out:
            producer = Process(self, "producer", BIN / "xasectl", "--run-dir", daemon.run_dir,
                               "record", "--ack", "--repeat", rounds, "--id-prefix", "volume",
                               "--room-timeout", patience, DATA, stdout=out)
        samples = []  # (share delivered, resident bytes)

        def done():
            stats = daemon.stats()
            samples.append((stats["delivered"] / total, daemon.process.rss_bytes()))
            return stats["delivered"] == total

        eventually(done, lambda: f"all {total} are delivered: {daemon.stats()}", patience, 0.1)
        seconds = time.monotonic() - began
        self.assertEqual(producer.wait(), 0)
        self.assertEqual(acks.read_text(), "".join(f"{n}\n" for n in range(1, total + 1)))
        stats = daemon.stats()
        for name in ("undelivered", "dead_letter", "gaps", "missing", "rejected", "replayed",
                     "possible_duplicates"):
            self.assertEqual(stats[name], 0, name)
        self.assertEqual(api.stats()["records"], total)

        wanted = {key_of(f"volume-{r}-{line['transaction_id']}")
                  for r in range(1, rounds + 1) for line in lines}
        self.assertEqual(len(wanted), total)
        count = 0
        after = 0
        while True:  # page by page: a million bodies are not for this process's memory
            page = json.loads(api.call("GET", f"/dev/records?after={after}&limit=5000")[1])
            if not page["records"]:
                break
            for record in page["records"]:
                wanted.discard(record["idempotency_key"])
            count += len(page["records"])
            after = page["next_after"]
        self.assertEqual((len(wanted), count), (0, total))

        steady = [rss for share, rss in samples if share >= 0.2]
        growth = max(steady) - steady[0]
        print(f"{total} records in {seconds:.1f} s ({total / seconds:,.0f}/s), resident "
              f"{steady[0] >> 20} to {max(steady) >> 20} MiB, journal "
              f"{stats['journal_bytes'] >> 20} MiB in {stats['segments']} segments")
        self.assertLess(growth, GROWTH_BYTES_MAX)
        self.assert_no_rings(daemon)
        self.assertEqual(daemon.stop(), 0)
        self.verify(daemon)

    def test_a_large_backlog_costs_no_memory(self):
        """The journal is the queue: what waits for the API waits on the disk."""
        lines = decisions()
        rounds = max(5, RECORDS // len(lines) // 2)
        total = rounds * len(lines)
        api = self.api()
        api.faults(status={"status": 503})
        daemon = Daemon(self, api, settings={"journal.segment_bytes": "16MiB"}).start()
        self.ctl_ok(daemon, "record", "--repeat", 1, "--id-prefix", "first", DATA)
        daemon.until(lambda s: s["durable"] == len(lines), "durable")
        before = daemon.process.rss_bytes()
        self.ctl_ok(daemon, "record", "--repeat", rounds, "--id-prefix", "backlog",
                    "--room-timeout", 120, DATA, timeout=120 + total * SECONDS_A_RECORD)
        daemon.until(lambda s: s["durable"] == total + len(lines), "durable")
        self.assertLess(daemon.process.rss_bytes() - before, GROWTH_BYTES_MAX)
        # A start with a backlog is the ordinary start.
        daemon.kill()
        daemon.start()
        self.assertLess(daemon.process.rss_bytes() - before, GROWTH_BYTES_MAX)
        api.faults()
        daemon.drained(total + len(lines), timeout=120 + total * SECONDS_A_RECORD)
        self.assertLess(daemon.process.rss_bytes() - before, GROWTH_BYTES_MAX)
        self.assertEqual(api.stats()["records"], total + len(lines))
        self.verify(daemon)


if __name__ == "__main__":
    unittest.main(verbosity=2)
