#!/usr/bin/env python3
"""From record() to receipt: what the API gets, what the ledger says, what the tools show."""

import json
import unittest

from harness import E2eTest, decisions, key_of

# The body's name of each of a record's fields; a transaction id travels as the idempotency key.
BODY_NAMES = {
    "policy": "policyId",
    "policy_version": "policyVersion",
    "decision_type": "decisionType",
    "processing_time": "processingTime",
    "store_payload": "storePayload",
    "model_id": "modelId",
    "model_version": "modelVersion",
    "model_hash": "modelHash",
    "feature_schema_hash": "featureSchemaHash",
    "input": "input",
    "output": "output",
    "confidence": "confidence",
    "explanation": "explanation",
    "context": "context",
}

RUNTIME = {"runtime", "platform", "arch", "hostname", "pid", "lib_version", "env", "timestamp"}

# Every field that may be left out, with a value that the service takes.
OPTIONAL = {
    "confidence": 0.5,
    "context": {"branch": "Köln", "retry": False},
    "transaction_id": "loan-optional-0000001",
    "policy_version": "1.2.3",
    "decision_type": "FRAUD",
    "processing_time": 12.5,
    "store_payload": True,
    "idempotency_key": "optional-key-0000000001",
    "model_id": "m",
    "model_version": "2",
    "model_hash": "sha256:" + "0" * 64,
    "feature_schema_hash": "sha256:" + "1" * 64,
    "explanation": {"method": "shap", "values": [0.1, -0.2]},
}
REQUIRED = {"policy": "p", "input": {"amount": 1}, "output": {"decision": "APPROVED"}}


def nulls_in(value, path="body"):
    """Where a parsed JSON value holds null."""
    if value is None:
        return [path]
    if isinstance(value, dict):
        return [hit for key, item in value.items() for hit in nulls_in(item, f"{path}.{key}")]
    if isinstance(value, list):
        return [hit for i, item in enumerate(value) for hit in nulls_in(item, f"{path}[{i}]")]
    return []


class Pipeline(E2eTest):
    def assert_body(self, body, record):
        """The body says what the record says, and nothing that it does not say."""
        self.assertEqual(nulls_in(body), [])
        wanted = {BODY_NAMES[name]: value for name, value in record.items()
                  if name in BODY_NAMES and name != "context"}
        context = body.pop("context")
        self.assertEqual(body, wanted)
        self.assertLessEqual(RUNTIME | {"xase_ledger"}, context.keys())
        self.assertEqual(
            {name: context[name] for name in context.keys() - RUNTIME - {"xase_ledger"}},
            {name: value for name, value in record.get("context", {}).items()
             if name not in RUNTIME})

    def test_every_real_decision_is_stored_once_as_it_was_made(self):
        api = self.api()
        daemon = self.daemon(api)
        records = decisions()
        self.record(daemon, records)
        stats = daemon.drained(len(records))
        self.assert_delivered(api, [r["transaction_id"] for r in records])
        by_key = {key_of(r["transaction_id"]): r for r in records}
        entries = {e["sequence"]: e for e in daemon.entries(payload=True)}
        receipts = [e for e in entries.values() if e["type"] == "RECEIPT"]
        self.assertEqual(len(receipts), len(records))
        receipt_of = {e["of_sequence"]: e for e in receipts}
        for stored in api.records():
            record = by_key[stored["idempotency_key"]]
            body = json.loads(stored["body"])
            ledger = body["context"]["xase_ledger"]
            self.assertEqual(body["context"]["runtime"], "xasectl")
            self.assert_body(body, record)
            # What the service was told of our ledger is what our ledger says.
            self.assertEqual(ledger.keys(), {"log_id", "sequence", "leaf_hash"})
            self.assertEqual(ledger["log_id"], stats["log_id"])
            entry = entries[ledger["sequence"]]
            self.assertEqual(entry["type"], "RECORD")
            self.assertEqual(entry["leaf_hash"], ledger["leaf_hash"])
            self.assertEqual(entry["payload"]["transaction_id"], record["transaction_id"])
            self.assertTrue(receipt_of[ledger["sequence"]]["note"].startswith("201"))
        self.assertEqual([e["sequence"] for e in entries.values()],
                         list(range(1, stats["last_sequence"] + 1)))
        self.assertEqual(stats["head"], entries[stats["last_sequence"]]["leaf_hash"])

    def test_records_of_one_producer_keep_their_order_in_the_ledger(self):
        daemon = self.daemon(self.api())
        records = decisions()[:300]
        self.record(daemon, records)
        daemon.drained(len(records))
        self.assertEqual(
            [e["payload"]["transaction_id"] for e in daemon.entries(payload=True)
             if e["type"] == "RECORD"],
            [r["transaction_id"] for r in records])

    def test_each_optional_field_may_be_there_and_may_be_left_out(self):
        everything = {**REQUIRED, **OPTIONAL}
        records = [REQUIRED, everything]
        for name in OPTIONAL:
            records.append({**REQUIRED, name: OPTIONAL[name]})
            records.append({k: v for k, v in everything.items() if k != name})
        for number, record in enumerate(records):
            # Each its own, where it has a name at all.
            record = records[number] = dict(record, input={"number": number})
            for name in ("transaction_id", "idempotency_key"):
                if name in record:
                    record[name] += f"-{number:04}"
        api = self.api()
        daemon = self.daemon(api)
        self.record(daemon, records)
        stats = daemon.drained()
        self.assertEqual((stats["delivered"], stats["dead_letter"], stats["rejected"]),
                         (len(records), 0, 0))
        stored = {json.loads(r["body"])["input"]["number"]: r for r in api.records()}
        self.assertEqual(len(stored), len(records))
        for number, record in enumerate(records):
            with self.subTest(fields=sorted(record)):
                self.assertNotIn("null", stored[number]["body"])
                self.assert_body(json.loads(stored[number]["body"]), record)
                key = record.get("idempotency_key")
                if key is None and "transaction_id" in record:
                    key = key_of(record["transaction_id"])
                if key is not None:
                    self.assertEqual(stored[number]["idempotency_key"], key)
                self.assertRegex(stored[number]["idempotency_key"], r"^[A-Za-z0-9_-]{16,64}$")

    def test_the_callers_context_wins_over_the_runtime(self):
        api = self.api()
        daemon = self.daemon(api)
        self.record(daemon, [{**REQUIRED, "context": {"env": "mine", "pid": "none", "x": [1]}}])
        daemon.drained(1)
        context = json.loads(api.records()[0]["body"])["context"]
        self.assertEqual((context["env"], context["pid"], context["x"]), ("mine", "none", [1]))

    def test_lines_that_are_no_records_are_told_and_the_others_taken(self):
        api = self.api()
        daemon = self.daemon(api)
        good = json.dumps({**REQUIRED, "transaction_id": "good-1"})
        lines = [good, "{", json.dumps({"policy": "p"}), json.dumps({**REQUIRED, "confidence": 7}),
                 json.dumps({**REQUIRED, "polcy": 1}), good.replace("good-1", "good-2")]
        done = self.ctl(daemon, "record", "--ack", "-", stdin="\n".join(lines) + "\n")
        self.assertEqual(done.returncode, 1)
        self.assertEqual(done.stdout.split(), ["1", "6"])
        for line, code in ((2, "INVALID_JSON"), (3, "INVALID_INPUT"), (4, "INVALID_CONFIDENCE"),
                           (5, "UNKNOWN_FIELD")):
            self.assertIn(f"line {line}: {code}", done.stderr)
        daemon.drained(2)
        self.assert_delivered(api, ["good-1", "good-2"])

    def test_verify_passes_while_running_and_after_the_end(self):
        daemon = self.daemon(self.api())
        self.record(daemon, decisions()[:200])
        daemon.drained(200)
        self.verify(daemon)
        self.assertEqual(daemon.stop(), 0)
        self.verify(daemon)


class Tools(E2eTest):
    def test_status_says_all_that_others_rely_on(self):
        daemon = self.daemon(self.api())
        self.record(daemon, decisions()[:50])
        daemon.drained(50)
        status = json.loads(self.ctl_ok(daemon, "status", "--json"))
        for name in ("committed", "journaled", "durable", "delivered"):
            self.assertEqual(status[name], 50, name)
        for name in ("dead_letter", "undelivered", "gaps", "producers"):
            self.assertEqual(status[name], 0, name)
        self.assertIsNone(status["paused"])
        self.assertGreater(status["last_sequence"], 100)
        self.assertRegex(status["head"], r"^[0-9a-f]{64}$")
        self.assertRegex(status["log_id"], r"^[0-9a-f]{64}$")
        self.assertEqual(status["pid"], daemon.process.pid)
        text = self.ctl_ok(daemon, "status")
        for word in ("committed", "journaled", "durable", "delivered", "ready"):
            self.assertIn(word, text)

    def test_wait_and_ready(self):
        api = self.api()
        daemon = self.daemon(api)
        self.assertEqual(self.ctl_ok(daemon, "ready").strip(), "ready")
        self.record(daemon, decisions()[:100])
        self.ctl_ok(daemon, "wait", "--for", "durable", "--timeout", "60")
        self.assertEqual(daemon.stats()["durable"], 100)
        self.ctl_ok(daemon, "wait", "--for", "delivered", "--timeout", "60")
        self.assertEqual(api.stats()["records"], 100)
        self.assertEqual(daemon.stats()["delivered"], 100)
        api.faults(down={})
        self.record(daemon, [{**REQUIRED, "transaction_id": "later"}])
        done = self.ctl(daemon, "wait", "--for", "delivered", "--timeout", "0.3")
        self.assertEqual(done.returncode, 1)
        self.assertIn("xasectl status", done.stderr)
        api.faults()
        self.ctl_ok(daemon, "wait", "--for", "delivered", "--timeout", "60")
        self.assertEqual(daemon.stop(), 0)
        self.assertEqual(self.ctl(daemon, "ready").returncode, 69)
        self.assertEqual(self.ctl(daemon, "status").returncode, 69)

    def test_record_can_wait_until_delivered(self):
        api = self.api()
        daemon = self.daemon(api)
        self.record(daemon, decisions()[:20], "--wait", "delivered")
        self.assertEqual(api.stats()["records"], 20)

    def test_metrics_are_prometheus_text_that_agrees_with_stats(self):
        daemon = self.daemon(self.api())
        self.record(daemon, decisions()[:30])
        stats = daemon.drained(30)
        status, text = daemon.get("/metrics")
        self.assertEqual(status, 200)
        values, typed = {}, set()
        for line in text.splitlines():
            if line.startswith("# TYPE "):
                name, kind = line.split()[2:]
                self.assertIn(kind, ("counter", "gauge", "histogram", "summary"))
                self.assertNotIn(name, typed, "a family is there twice")
                typed.add(name)
            elif not line.startswith("#"):
                self.assertRegex(line, r'^xased_[a-z0-9_]+(\{[a-z_]+="[^"]*"(,[a-z_]+="[^"]*")*\})? '
                                       r"[-+0-9.eEInfNa]+$")
                name, value = line.rsplit(" ", 1)
                values[name] = float(value)
        for name in ("committed", "journaled", "durable", "delivered"):
            self.assertEqual(values[f"xased_records_{name}_total"], stats[name])
        self.assertEqual(values["xased_records_undelivered"], 0)

    def test_the_socket_answers_as_documented(self):
        daemon = self.daemon(self.api())
        for path in ("/livez", "/readyz", "/stats", "/metrics", "/config", "/entries",
                     "/deadletters"):
            self.assertEqual(daemon.get(path)[0], 200, path)
        self.assertEqual(daemon.get("/nothing")[0], 404)
        self.assertEqual(daemon.request("POST", "/stats")[0], 405)

    def test_tap_hides_payloads_unless_asked(self):
        daemon = self.daemon(self.api())
        self.record(daemon, [{**REQUIRED, "input": {"secret": "hidden-value"}}])
        daemon.drained(1)
        _, plain = daemon.get("/entries?after=0&limit=1000")
        self.assertNotIn("hidden-value", plain)
        _, shown = daemon.get("/entries?after=0&limit=1000&payload=1")
        self.assertIn("hidden-value", shown)
        self.assertNotIn("hidden-value", daemon.process.log_text())


if __name__ == "__main__":
    unittest.main(verbosity=2)
