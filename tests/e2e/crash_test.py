#!/usr/bin/env python3
"""kill -9 at random moments: of the daemon, of producers, of both. What was acknowledged arrives.

XASE_E2E_KILLS: how often the daemon is killed (20). XASE_E2E_PRODUCERS: how many producers run at
once (50). XASE_E2E_SEED: the draw of a run that failed, to try it again.
"""

import os
import random
import time
import unittest

from harness import Daemon, E2eTest, Producer, decisions, key_of, scaled, with_ids

KILLS = int(os.environ.get("XASE_E2E_KILLS") or scaled(20))
PRODUCERS = int(os.environ.get("XASE_E2E_PRODUCERS") or 50)
RECORDS_OF_A_PRODUCER = 400


class Crash(E2eTest):
    def setUp(self):
        seed = int(os.environ.get("XASE_E2E_SEED") or random.SystemRandom().randrange(1 << 32))
        print(f"{self.id()}: XASE_E2E_SEED={seed}")
        self.random = random.Random(seed)
        self.decisions = decisions()
        self.producers = []

    def produce(self, daemon, rate=400):
        name = f"p{len(self.producers):04}"
        records = with_ids(name, RECORDS_OF_A_PRODUCER, self.decisions)
        producer = Producer(self, daemon, records, name, ("--rate", str(rate)))
        self.producers.append(producer)
        return producer

    def until_a_random_moment(self, most_seconds):
        """What is broken next must not be broken at the same point of every run."""
        time.sleep(self.random.uniform(0, most_seconds))

    def assert_all_arrived(self, api, daemon):
        """Of each producer the API holds its first records, in full: those that were acknowledged
        and, after a kill, at most the one that was committed and not yet acknowledged."""
        daemon.drained()
        keys = api.keys()
        stored = set(keys)
        self.assertEqual(len(keys), len(stored), "a record is stored twice")
        known = 0
        for producer in self.producers:
            made = [key_of(record["transaction_id"]) in stored for record in producer.records]
            arrived = sum(made)
            known += arrived
            acked = len(producer.acked())
            self.assertEqual(made, [True] * arrived + [False] * (len(made) - arrived),
                             f"{producer.process.name}: a record in the middle is lost")
            self.assertIn(arrived - acked, (0, 1), f"{producer.process.name}: {acked} acknowledged")
        self.assertEqual(known, len(stored), "records are stored that nobody made")
        stats = daemon.stats()
        self.assertEqual(stats["delivered"], known)
        for name in ("gaps", "missing", "rejected", "dead_letter", "rings_condemned"):
            self.assertEqual(stats[name], 0, name)
        self.assert_no_rings(daemon)
        self.verify(daemon)
        return known

    def test_daemon_killed_under_load(self):
        api = self.api()
        daemon = Daemon(self, api, settings={"ring.bytes": "1MiB"}).start()
        working = []
        for _ in range(KILLS):
            working = [p for p in working if p.process.running()]
            while len(working) < 3:
                working.append(self.produce(daemon))
            self.until_a_random_moment(0.25)
            daemon.kill()
            # Now and then it is killed again while it starts.
            daemon.start(wait=self.random.random() < 0.7)
        daemon.wait_ready()
        for producer in self.producers:
            self.assertEqual(producer.process.wait(), 0, producer.process.log_text())
            self.assertEqual(len(producer.acked()), RECORDS_OF_A_PRODUCER)
        known = self.assert_all_arrived(api, daemon)
        self.assertEqual(known, len(self.producers) * RECORDS_OF_A_PRODUCER)
        self.assertEqual(daemon.stop(), 0)
        self.verify(daemon)

    def test_daemon_killed_while_the_api_is_away_and_back(self):
        api = self.api()
        daemon = Daemon(self, api, settings={"api.timeout": "300ms"}).start()
        producers = [self.produce(daemon, rate=200) for _ in range(3)]
        spoiled = [
            dict(down={"rate": 0.5}),
            dict(commit_then_hang={"rate": 0.3, "hang_ms": 1000}),
            dict(status={"status": 500, "rate": 0.5, "commit": True}),
            dict(truncated={"rate": 0.5}),
        ]
        for turn in range(max(8, KILLS // 2)):
            api.faults(**spoiled[turn % len(spoiled)])
            self.until_a_random_moment(0.2)
            daemon.kill()
            if turn % 4 == 3:
                api.kill()
                api.start()
            daemon.start(wait=False)
        daemon.wait_ready()
        api.faults()
        for producer in producers:
            self.assertEqual(producer.process.wait(), 0, producer.process.log_text())
        known = self.assert_all_arrived(api, daemon)
        self.assertEqual(known, 3 * RECORDS_OF_A_PRODUCER)

    def test_producers_started_and_killed_at_random(self):
        api = self.api()
        daemon = Daemon(self, api, settings={"ring.bytes": "256KiB"}).start()
        # Slow enough for the last to start before the first is done, also where starting takes long.
        working = [self.produce(daemon, rate=20) for _ in range(PRODUCERS)]
        daemon.until(lambda s: s["producers"] == PRODUCERS, "all run at once")
        for _ in range(scaled(2 * PRODUCERS)):
            self.until_a_random_moment(0.04)
            self.random.choice(working).process.kill()
            working = [p for p in working if p.process.running()]
            if len(working) < PRODUCERS:
                working.append(self.produce(daemon, rate=100))
        for producer in working:
            producer.process.kill()
        known = self.assert_all_arrived(api, daemon)
        self.assertGreater(known, PRODUCERS, "hardly anything was recorded")

    def test_producers_and_daemon_killed(self):
        api = self.api()
        daemon = Daemon(self, api, settings={"ring.bytes": "256KiB"}).start()
        working = []
        for _ in range(max(10, KILLS // 2)):
            working = [p for p in working if p.process.running()]
            while len(working) < 8:
                working.append(self.produce(daemon))
            self.until_a_random_moment(0.15)
            victims = self.random.sample(working, 3)
            if self.random.random() < 0.5:
                daemon.kill()
                for victim in victims:
                    victim.process.kill()
            else:
                for victim in victims:
                    victim.process.kill()
                daemon.kill()
            daemon.start(wait=False)
        daemon.wait_ready()
        for producer in working:
            producer.process.kill()
        self.assert_all_arrived(api, daemon)


if __name__ == "__main__":
    unittest.main(verbosity=2)
