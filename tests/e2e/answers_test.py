#!/usr/bin/env python3
"""Answers that abuse whoever reads them: memory stays flat, nothing is taken for an answer that is
none, and all records arrive once, when the API behaves again.

Elsewhere: portals, redirects (pause_test), cut off and dripping answers (outage_test), and the
same seen from the transport (http_transport_test.cpp).
"""

import gzip
import json
import shutil
import socket
import unittest

from harness import E2eTest, Peer, hang, key_of, read_request, with_ids

COUNT = 20
GROWTH_MAX = 16 << 20


FORGED = "txn_" + "f" * 32


def receipt():
    """One that nobody has given."""
    return json.dumps({"success": True, "transaction_id": FORGED}).encode()


def http(status, body=b"", *headers):
    lines = [b"HTTP/1.1 %d X" % status, *headers, b"Content-Length: %d" % len(body)]
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


class Front(Peer):
    """Between the daemon and the API: passes on what comes, or answers by itself as it is told."""

    def __init__(self, test, api):
        super().__init__(test, None)
        self.api = api
        self.abuse = None
        self.abused = 0
        self.greeting = None
        self.serve = self._serve_requests

    def _serve_requests(self, peer):
        if self.greeting is not None:
            peer.sendall(self.greeting)
            return
        while request := read_request(peer):
            if self.greeting is not None:
                return  # was open before: the next one meets it
            if self.abuse is None:
                peer.sendall(self.ask(request))
                continue
            self.abused += 1
            if not self.abuse(peer, request):
                return

    def ask(self, request):
        """The API's answer, head and body."""
        with socket.create_connection(("127.0.0.1", self.api.port)) as upstream:
            upstream.sendall(request)
            answer = b""
            while b"\r\n\r\n" not in answer:
                answer += upstream.recv(65536)
            head, _, body = answer.partition(b"\r\n\r\n")
            length = next(int(line.split(b":")[1]) for line in head.split(b"\r\n")
                          if line.lower().startswith(b"content-length:"))
            while len(body) < length:
                body += upstream.recv(65536)
            return head + b"\r\n\r\n" + body


class Answers(E2eTest):
    def setUp(self):
        self.devapi = self.api()
        self.front = Front(self, self.devapi)
        self.xased = self.daemon(self.front.base_url, settings={"api.timeout": "2s"})
        warm = with_ids("warm", COUNT)
        self.record(self.xased, warm)
        self.xased.drained(COUNT)
        self.ids = [r["transaction_id"] for r in warm]
        self.peak = self.xased.process.peak_rss_bytes()

    def record_more(self, prefix, count):
        records = with_ids(prefix, count)
        self.ids += [r["transaction_id"] for r in records]
        self.record(self.xased, records)

    def assert_survives(self, abuse, taken=None):
        """`abuse` answers each request until a few were answered so; `taken`: that many receipts
        are true."""
        self.front.abuse = abuse
        self.record_more("abused", COUNT)
        if taken is None:
            stats = self.xased.until(lambda s: self.front.abused >= 3 and s["attempts"] > COUNT + 2,
                                     "it meets the abuse")
            self.assertEqual((stats["delivered"], stats["dead_letter"]), (COUNT, 0))
        else:
            self.xased.drained(COUNT + taken)
        self.front.abuse = None
        self.assert_all_arrived()

    def assert_all_arrived(self):
        stats = self.xased.drained(len(self.ids))
        self.assertEqual((stats["dead_letter_total"], stats["gaps"]), (0, 0))
        grown = self.xased.process.peak_rss_bytes() - self.peak
        self.assertLess(grown, GROWTH_MAX)
        self.assert_delivered(self.devapi, self.ids)
        # The receipts are those that the API gave, and no other is believed.
        journal = b"".join(p.read_bytes() for p in (self.xased.state_dir / "journal").iterdir())
        self.assertFalse(FORGED.encode() in journal, "a receipt is believed that nobody gave")
        missing = [r["transaction_id"] for r in self.devapi.records()
                   if r["transaction_id"].encode() not in journal]
        self.assertEqual(missing, [], "records are settled by receipts that are not theirs")
        self.verify(self.xased)

    def endless(self, head, piece):
        """Sends `piece` until the other side has had enough."""
        def abuse(peer, _):
            peer.sendall(head)
            while True:
                peer.sendall(piece)
        return abuse

    def test_a_body_of_100_mb(self):
        def abuse(peer, _):
            peer.sendall(b"HTTP/1.1 201 Created\r\nContent-Length: 104857600\r\n\r\n")
            peer.sendall(receipt())
            for _ in range(1600):
                peer.sendall(b" " * 65536)
        self.assert_survives(abuse)

    def test_chunks_without_end(self):
        head = b"HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\n"
        first = receipt()
        self.assert_survives(self.endless(head + b"%x\r\n%s\r\n" % (len(first), first),
                                          b"1000\r\n" + b" " * 4096 + b"\r\n"))

    def test_a_million_chunks_of_a_byte(self):
        head = b"HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\n"
        self.assert_survives(self.endless(head, b"1\r\n \r\n" * 10000))

    def test_a_header_of_10_mb(self):
        def abuse(peer, _):
            peer.sendall(b"HTTP/1.1 201 Created\r\nX-Long: ")
            for _ in range(160):
                peer.sendall(b"x" * 65536)
            peer.sendall(b"\r\n" + http(201, receipt()).partition(b"\r\n")[2])
        self.assert_survives(abuse)

    def test_a_million_headers(self):
        def abuse(peer, _):
            peer.sendall(b"HTTP/1.1 201 Created\r\n")
            for _ in range(1000):
                peer.sendall(b"A: b\r\n" * 1000)
            peer.sendall(http(201, receipt()).partition(b"\r\n")[2])
        self.assert_survives(abuse)

    def test_trailers_without_end(self):
        first = receipt()
        self.assert_survives(self.endless(
            b"HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n"
            % (len(first), first), b"A: b\r\n" * 1000))

    def test_100000_interim_answers_and_then_the_answer(self):
        def abuse(peer, request):
            for _ in range(100):
                peer.sendall(b"HTTP/1.1 100 Continue\r\n\r\n" * 1000)
            peer.sendall(self.front.ask(request))
            return True
        self.assert_survives(abuse, taken=COUNT)

    def test_interim_answers_without_end(self):
        self.assert_survives(self.endless(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 1000))

    def test_http_2(self):
        settings = b"\x00\x00\x00\x04\x00\x00\x00\x00\x00"
        for greeting in (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + settings, settings,
                         b"HTTP/2 201\r\n\r\n" + receipt()):
            with self.subTest(greeting=greeting):
                def abuse(peer, _):
                    peer.sendall(greeting)
                    hang(peer)
                self.front.abuse = abuse
                abused = self.front.abused
                self.record_more(f"h2-{abused}", 3)
                self.xased.until(lambda s: self.front.abused > abused + 1, "it meets the abuse")
                self.assertEqual(self.xased.stats()["dead_letter"], 0)
                self.front.abuse = None
                self.assert_all_arrived()

    def test_a_body_in_gzip_is_no_receipt(self):
        self.assert_survives(lambda peer, _: peer.sendall(http(
            201, gzip.compress(receipt()), b"Content-Encoding: gzip")) or True)

    def test_an_answer_and_another_that_nobody_asked_for(self):
        self.assert_survives(lambda peer, request: peer.sendall(
            self.front.ask(request) + http(201, receipt())) or True, taken=COUNT)

    def test_an_answer_that_comes_once_more_when_the_next_request_is_under_way(self):
        before = {}
        self.assertEqual(self.xased.stop(), 0)
        self.xased.settings["api.max_in_flight"] = "1"
        self.xased.start()

        def abuse(peer, request):
            own = self.front.ask(request)
            peer.sendall(before.get(peer, b"") + own)
            before[peer] = own
            return True
        self.assert_survives(abuse, taken=COUNT)

    def test_an_answer_before_the_request_was_read(self):
        # As proxies do that are overloaded, or end a connection on which nothing came. A receipt
        # that comes so cannot be told from one that the service gave.
        for n, early in enumerate((http(503, b"busy"), http(408, b"", b"Connection: close"))):
            with self.subTest(early=early):
                self.front.greeting = early
                self.record_more(f"early{n}", 5)
                before = self.xased.stats()["attempts"]
                self.xased.until(lambda s: s["attempts"] > before + 2, "it meets them")
                self.front.greeting = None
                self.assert_all_arrived()

    def test_a_proxy_that_ends_connections_on_which_nothing_came(self):
        def abuse(peer, request):
            peer.sendall(self.front.ask(request) + http(408, b"", b"Connection: close"))
        self.assert_survives(abuse, taken=COUNT)

    def test_an_upgrade(self):
        self.assert_survives(lambda peer, _: peer.sendall(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n" + http(201, receipt())))


class ForgottenKeys(E2eTest):
    """The service is started again and has forgotten its keys while answers are outstanding.

    What was in doubt is sent again, and who had stored it stores it a second time: with the same key
    and the same body, so that the two can be told for one. Nobody can know that it forgot before its
    time: the receipt says that it took several attempts and is not marked. Where delivery.key_memory
    says that it forgets sooner, each such receipt is marked as a possible duplicate. What has a
    receipt is never sent again.
    """

    def outstanding(self, **settings):
        """Some records with receipts, and some that are stored without."""
        self.devapi = self.api()
        daemon = self.daemon(self.devapi, settings={"api.timeout": "300ms", **settings})
        self.settled, self.doubt = with_ids("settled", 10), with_ids("doubt", 6)
        self.record(daemon, self.settled)
        daemon.drained(10)
        self.devapi.faults(commit_then_hang={"hang_ms": 60000})
        self.record(daemon, self.doubt)
        daemon.until(lambda s: self.devapi.stats()["created"] == 16, "all are stored")
        self.assertEqual(daemon.stats()["delivered"], 10)
        self.devapi.kill()
        return daemon

    def assert_sent_again(self, daemon, times, settled=1, marked=0):
        stats = daemon.drained(16)
        self.assertEqual((stats["dead_letter_total"], stats["gaps"]), (0, 0))
        self.assertEqual(stats["possible_duplicates"], marked)
        bodies = {}
        for record in self.devapi.records():
            bodies.setdefault(record["idempotency_key"], []).append(record["body"])
        self.assertEqual({len(bodies.get(key_of(r["transaction_id"]), ())) for r in self.settled},
                         {settled})
        for record in self.doubt:
            copies = bodies[key_of(record["transaction_id"])]
            self.assertEqual((len(copies), len(set(copies))), (times, 1))
        self.verify(daemon)

    def test_what_was_in_doubt_is_stored_again(self):
        daemon = self.outstanding()
        self.devapi.start("--forget-keys")
        self.assert_sent_again(daemon, times=2)

    def test_the_same_with_the_daemon_killed_meanwhile(self):
        daemon = self.outstanding()
        daemon.kill()
        self.devapi.start("--forget-keys")
        daemon.start()
        self.assert_sent_again(daemon, times=2)

    def test_a_service_that_is_known_to_forget_soon_is_a_mark_in_the_receipt(self):
        daemon = self.outstanding(**{"delivery.key_memory": "0s"})
        self.devapi.start("--forget-keys")
        self.assert_sent_again(daemon, times=2, marked=6)

    def test_a_service_that_lost_everything_gets_what_has_no_receipt(self):
        daemon = self.outstanding()
        shutil.rmtree(self.devapi.dir)
        self.devapi.start()
        self.assert_sent_again(daemon, times=1, settled=0)


if __name__ == "__main__":
    unittest.main(verbosity=2)
