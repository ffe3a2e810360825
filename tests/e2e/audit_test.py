#!/usr/bin/env python3
"""The service as a witness: does it still have what it gave receipts for?"""

import json
import unittest

from harness import API_KEY, E2eTest, with_ids


class Audit(E2eTest):
    def audit(self, daemon, *options, expect):
        done = self.ctl(daemon, "audit", daemon.state_dir, "--base-url", daemon.settings["api.base_url"],
                        "--rate", 500, "--json", *options)
        self.assertEqual(done.returncode, expect, done.stderr + done.stdout)
        return json.loads(done.stdout)

    def test_a_sound_service_stands_by_every_receipt(self):
        api = self.api()
        daemon = self.daemon(api)
        self.record(daemon, with_ids("sound", 60))
        daemon.drained(60)
        said = self.audit(daemon, expect=0)
        self.assertEqual((said["verdict"], said["receipts"], said["good"], said["findings"]),
                         ("good", 60, 60, []))
        self.assertEqual(self.audit(daemon, "--sample", 7, expect=0)["asked"], 7)
        # The key is not needed, and the limit on records is not touched.
        self.assertEqual(api.stats()["post_record_requests"], 60)
        people = self.ctl(daemon, "audit", daemon.state_dir, "--base-url", api.base_url,
                          "--rate", 500)
        self.assertEqual(people.returncode, 0)
        self.assertIn("GOOD", people.stdout)

    def test_what_the_service_denies_changes_or_forgets_is_told(self):
        api = self.api()
        daemon = self.daemon(api)
        self.record(daemon, with_ids("denied", 9))
        daemon.drained(9)
        for fault, kind in (("tamper", "tampered"), ("rewrite", "hash_differs"),
                            ("forget", "lost")):
            api.faults(**{fault: {"count": 1}})
            said = self.audit(daemon, expect=1)
            self.assertEqual((said["verdict"], said["counts"], said["good"]),
                             ("refuted", {kind: 1}, 8))
            self.assertTrue(said["findings"][0]["transaction_id"].startswith("txn_"))
        api.faults(forget={"count": 1})
        people = self.ctl(daemon, "audit", daemon.state_dir, "--base-url", api.base_url,
                          "--rate", 500)
        self.assertEqual(people.returncode, 1)
        self.assertIn("REFUTED", people.stdout)
        self.assertIn("xasectl prove", people.stderr)

    def test_a_forked_chain_is_told_with_both_records(self):
        api = self.api()
        daemon = self.daemon(api)
        for n in range(1, 5):
            if n == 4:
                api.faults(fork={"count": 1})
            self.record(daemon, with_ids(f"fork-{n}", 1))
            daemon.drained(n)
        said = self.audit(daemon, expect=1)
        self.assertEqual(said["counts"], {"fork": 1})
        finding, = said["findings"]
        self.assertLess(finding["other_sequence"], finding["sequence"])

    def test_a_service_that_is_away_refutes_nothing(self):
        api = self.api()
        daemon = self.daemon(api)
        self.record(daemon, with_ids("away", 5))
        daemon.drained(5)
        api.faults(down={"count": 1})
        self.assertEqual(self.audit(daemon, expect=0)["good"], 5)
        self.assertEqual(self.ctl(daemon, "audit", "/nonexistent").returncode, 3)

    def watched(self, **faults):
        """A daemon that asks about every record, in front of a service that goes wrong."""
        api = self.api()
        daemon = self.daemon(api, settings={"audit.one_in": "1", "audit.max_per_minute": "3000"})
        self.record(daemon, with_ids("watched", 4))
        daemon.drained(4)
        daemon.until(lambda s: s["audits"] >= 4, "all were asked about")
        self.assertEqual(daemon.stats()["audit_failures"], 0)
        api.faults(**faults)
        return api, daemon

    def test_the_daemon_asks_by_itself_and_enters_what_it_finds(self):
        for fault, kind in (("forget", "lost"), ("rewrite", "hash_differs")):
            with self.subTest(fault=fault):
                self.folder = self.folder / fault
                self.folder.mkdir()
                api, daemon = self.watched(**{fault: {}})
                self.record(daemon, with_ids("more", 1))
                stats = daemon.until(lambda s: s["audit_failures"] >= 1, "it is found")
                self.assertGreaterEqual(stats["audit_findings"][kind], 1)
                self.assertGreaterEqual(stats["alarms"], 1)
                audit = next(e for e in daemon.entries() if e["type"] == "AUDIT")
                self.assertEqual(audit["note"], kind)
                self.assertIn(f'xased_audit_failures_total{{kind="{kind}"}}',
                              daemon.get("/metrics")[1])
                self.assertIn("does not stand by", self.ctl_ok(daemon, "status"))
                self.assertIn("audits", self.verify(daemon))
                daemon.stop()

    def test_another_writer_of_the_tenant_is_told_where_there_should_be_none(self):
        api = self.api()
        daemon = self.daemon(api, settings={"api.only_writer": "true", "audit.one_in": "0"})
        for n in range(1, 4):
            self.record(daemon, with_ids(f"ours-{n}", 5))
            daemon.drained(5 * n)
        self.assertEqual(daemon.stats()["audit_failures"], 0)
        status, _ = api.call("POST", "/api/xase/v1/records", '{"input":{"a":1},"output":{}}',
                             {"X-API-Key": API_KEY, "Content-Type": "application/json"})
        self.assertEqual(status, 201)
        self.record(daemon, with_ids("ours-after", 1))
        stats = daemon.until(lambda s: s["audit_failures"] == 1, "it is found")
        self.assertEqual(stats["audit_findings"]["another_writer"], 1)
        self.record(daemon, with_ids("ours-again", 5))
        daemon.drained(21)
        self.assertEqual(daemon.stats()["audit_failures"], 1)
        self.verify(daemon)

    def test_an_auditor_pins_what_the_service_says_of_a_head(self):
        api = self.api()
        daemon = self.daemon(api, settings={"anchor.always": "true", "anchor.interval": "1s"})
        self.record(daemon, with_ids("before", 20))
        daemon.until(lambda s: s["anchored_size"] > 0, "a head is anchored")
        self.record(daemon, with_ids("after", 20))
        daemon.drained(40)
        key = self.ctl_ok(daemon, "keys", "show", daemon.state_dir).split()[-1]
        daemon.stop()
        # As someone would who trusts the service and not this host.
        anchor = next(r for r in api.records()
                      if json.loads(r["body"])["policyId"] == "xase.checkpoint")
        status, answer = api.call("GET", f"/api/xase/v1/verify/{anchor['transaction_id']}")
        self.assertEqual(status, 200)
        chain = json.loads(answer)["chain"]
        policy = self.folder / "policy"

        def verified(record_hash, expect):
            policy.write_text(f"log {key}\nanchor {anchor['transaction_id']} {record_hash} "
                              f"{chain['previous_hash'] or 'genesis'}\n")
            done = self.ctl(daemon, "verify", daemon.state_dir, "--policy", policy, "--json")
            self.assertEqual(done.returncode, expect, done.stdout + done.stderr)
            return next(p for p in json.loads(done.stdout)["properties"] if p["name"] == "anchors")

        self.assertEqual(verified(chain["record_hash"], 0)["verdict"], "PROVEN")
        self.assertEqual(verified("0" * 64, 1)["verdict"], "REFUTED")

    def test_a_signed_head_goes_ahead_of_what_the_limit_holds_up(self):
        api = self.api()
        daemon = self.daemon(api, settings={"anchor.after": "0", "anchor.interval": "1s"})
        api.faults(status={"status": 429, "retry_after": 8, "count": 4})
        self.record(daemon, with_ids("held", 40))
        stats = daemon.until(lambda s: s["anchored_size"] > 0, "the head is anchored")
        self.assertGreater(stats["anchored_wall_ns"], 0)
        # Sent first, beside three others: which of the four comes in first is nobody's to say.
        bodies = [json.loads(record["body"]) for record in api.records()[:4]]
        heads = [body for body in bodies if body["policyId"] == "xase.checkpoint"]
        self.assertEqual(len(heads), 1, bodies)
        first = heads[0]
        self.assertIn("checkpoint", first["input"])
        size = first["output"]["size"]
        self.assertEqual(first["context"]["xase_ledger"]["sequence"], size)
        stats = daemon.drained(40)
        anchor = next(e for e in daemon.entries() if e["type"] == "ANCHOR")
        self.assertEqual(anchor["note"], f"up to {size}")
        entry = daemon.entries()[size - 1]
        self.assertEqual((entry["sequence"], entry["leaf_hash"]),
                         (size, first["context"]["xase_ledger"]["leaf_hash"]))
        self.assertIn("anchored up to", self.ctl_ok(daemon, "status"))
        self.verify(daemon)
        anchored = daemon.stats()["anchored_size"]
        daemon.kill()
        daemon.start()
        self.assertEqual(daemon.stats()["anchored_size"], anchored)


if __name__ == "__main__":
    unittest.main()
