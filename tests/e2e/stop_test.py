#!/usr/bin/env python3
"""SIGTERM, whatever is going on: it ends by itself with exit code 0, and nothing is lost after the
next start.

Elsewhere: nobody listening (outage_test), no answer, a second SIGTERM (lifecycle_test), a key
refused, a long Retry-After (pause_test), a full disk (full_test).
"""

import contextlib
import shutil
import signal
import socket
import unittest

from harness import (E2eTest, Peer, Process, Producer, UnixConnection, eventually, hang, read_request,
                     with_ids)

ENDS_WITHIN = 30.0  # seconds; it should be two, and the machine may be busy with other things


class Stop(E2eTest):
    SETTINGS = {"delivery.drain_timeout": "1s"}

    def assert_stops(self, daemon):
        self.assertEqual(daemon.stop(timeout=ENDS_WITHIN), 0, daemon.process.log_text())

    def assert_all_arrive(self, daemon, ids):
        """After the next start, at an API that behaves."""
        api = self.api()
        daemon.settings["api.base_url"] = api.base_url
        daemon.start()
        stats = daemon.drained(len(ids))
        self.assertEqual((stats["dead_letter"], stats["gaps"]), (0, 0))
        self.assert_delivered(api, ids)
        self.verify(daemon)

    def assert_stops_before(self, base_url, is_stuck, **settings):
        daemon = self.daemon(base_url, settings={**self.SETTINGS, **settings})
        records = with_ids("stop", 50)
        self.record(daemon, records)
        daemon.until(is_stuck, "it is stuck")
        self.assert_stops(daemon)
        self.assert_all_arrive(daemon, [r["transaction_id"] for r in records])

    def test_while_connecting(self):
        with socket.create_server(("127.0.0.1", 0), backlog=0) as full:
            with contextlib.ExitStack() as waiting:
                # Until one finds no room, and neither will the daemon.
                for _ in range(64):
                    one = waiting.enter_context(socket.socket())
                    one.settimeout(0.3)
                    try:
                        one.connect(full.getsockname())
                    except TimeoutError:
                        break
                else:
                    self.fail("the backlog never fills")
                self.assert_stops_before(
                    f"http://127.0.0.1:{full.getsockname()[1]}/api/xase/v1",
                    lambda s: s["in_flight"] > 0, **{"api.connect_timeout": "10m",
                                                     "api.timeout": "10m"})

    def test_in_the_tls_handshake(self):
        peer = Peer(self, hang)
        self.assert_stops_before(peer.base_url.replace("http", "https", 1),
                                 lambda s: s["in_flight"] > 0 and peer.connections > 0,
                                 **{"api.timeout": "10m"})

    def test_in_the_middle_of_an_answer(self):
        def half(peer):
            read_request(peer)
            peer.sendall(b'HTTP/1.1 201 Created\r\nContent-Length: 400\r\n\r\n{"success":true,')
            halves.append(1)
            hang(peer)
        halves = []
        self.assert_stops_before(Peer(self, half).base_url,
                                 lambda s: s["in_flight"] > 0 and halves, **{"api.timeout": "10m"})

    def test_an_api_that_is_slow(self):
        api = self.api()
        api.faults(latency_ms=700)
        daemon = self.daemon(api, settings={**self.SETTINGS, "api.max_in_flight": "2"})
        records = with_ids("slow", 50)
        self.record(daemon, records)
        daemon.until(lambda s: s["delivered"] > 0 and s["in_flight"] > 0, "it delivers")
        self.assert_stops(daemon)
        api.faults()
        daemon.start()
        daemon.drained(len(records))
        self.assert_delivered(api, [r["transaction_id"] for r in records])
        self.verify(daemon)

    def takes_signals(self, daemon):
        """Until the process has begun: before that a signal ends it as it would any."""
        term = 1 << (signal.SIGTERM - 1)
        eventually(lambda: int(daemon.process.status("SigBlk"), 16) & term, "it takes signals",
                   interval=0.001)

    def test_before_it_is_ready_and_while_a_backlog_is_looked_through(self):
        daemon = self.daemon("http://127.0.0.1:9/api/xase/v1", settings=self.SETTINGS)
        records = with_ids("backlog", 4000)
        self.record(daemon, records)
        self.assert_stops(daemon)
        # Without a cursor the whole journal is read.
        shutil.rmtree(daemon.state_dir / "delivery")
        for wait in (lambda: self.takes_signals(daemon), daemon.wait_ready):
            daemon.start(wait=False)
            wait()
            self.assert_stops(daemon)
        self.assert_all_arrive(daemon, [r["transaction_id"] for r in records])

    def test_while_rings_are_flooded(self):
        api = self.api()
        daemon = self.daemon(api, settings={**self.SETTINGS, "ring.bytes": "256KiB"})
        producers = [Producer(self, daemon, with_ids(f"flood{n}", 6000), f"flood{n}",
                              ("--room-timeout", "60")) for n in range(2)]
        daemon.until(lambda s: s["committed"] > 500, "records pour in")
        self.assert_stops(daemon)
        self.assertTrue(any(one.process.running() for one in producers), "they had ended before")
        daemon.start()
        for one in producers:
            self.assertEqual(one.process.wait(), 0, one.process.log_text())
        stats = daemon.drained(12000)
        self.assertEqual((stats["gaps"], stats["missing"]), (0, 0))
        self.assert_delivered(api, [id for one in producers for id in one.acked_ids()])
        self.verify(daemon)

    def test_while_reloads_are_asked_for_without_end(self):
        api = self.api()
        daemon = self.daemon(api, settings=self.SETTINGS)
        records = with_ids("hup", 50)
        self.record(daemon, records)
        # More come than can be done, and they are the signal that the kernel hands out first.
        asking = [Process(self, f"hup{n}", "sh", "-c",
                          "n=0; while kill -HUP $0; do n=$((n+1)); [ $n = 1000 ] && echo 1000; done",
                          daemon.process.pid) for n in range(2)]
        for one in asking:
            eventually(lambda one=one: "1000" in one.log_text(), "they ask")
        self.assert_stops(daemon)
        for one in asking:
            one.wait()
        daemon.start()
        daemon.drained(len(records))
        self.assert_delivered(api, [r["transaction_id"] for r in records])
        self.verify(daemon)

    def test_while_others_hold_connections_to_the_stats_socket(self):
        api = self.api()
        daemon = self.daemon(api, settings=self.SETTINGS)
        records = with_ids("held", 3000)
        self.record(daemon, records)
        daemon.until(lambda s: s["durable"] == len(records), "all are durable")
        with contextlib.ExitStack() as held:
            # One reads nothing of a long answer, one asked half a question, one says nothing, and
            # one is done and stays.
            for text in (b"GET /entries?limit=1000&payload=1 HTTP/1.1\r\nHost: x\r\n\r\n",
                         b"GET /entries HTT", b"", b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n"):
                one = UnixConnection(daemon.run_dir / "stats.sock")
                one.connect()
                held.callback(one.close)
                one.sock.sendall(text)
            self.assert_stops(daemon)
        daemon.start()
        daemon.drained(len(records))
        self.assert_delivered(api, [r["transaction_id"] for r in records])
        self.verify(daemon)


if __name__ == "__main__":
    unittest.main(verbosity=2)
