#!/usr/bin/env python3
"""What the published SDK's users call, as they call it: options, fields, errors. No daemon runs."""

import pathlib
import pickle
import unittest
import warnings

from support import API_KEY, CountedTest, xase
from xase import XaseClient, XaseError, XaseWarning, _hooks

PAYLOAD = {"policy": "credit_policy_v4", "input": {"amount": 1169},
           "output": {"decision": "APPROVED"}}


class SurfaceTest(CountedTest):
    def client(self, **config):
        client = XaseClient({"run_dir": str(self.folder / "run"), **config})
        self.addCleanup(client.close, 0)
        return client

    def assert_raises(self, code, function, *arguments, **options):
        with self.assertRaises(XaseError) as raised:
            function(*arguments, **options)
        self.assertEqual(raised.exception.code, code)
        self.assertIsNone(raised.exception.status_code)
        return raised.exception

    def warned(self, function):
        """What it warns of, told anew."""
        _hooks._told.clear()
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            function()
        self.assertTrue(all(one.category is XaseWarning for one in caught))
        self.assertEqual({one.filename for one in caught}, {__file__})
        return [str(one.message) for one in caught]


class Names(CountedTest):
    def test_all_names_of_the_sdk_are_there(self):
        for name in ("XaseClient", "XaseError", "XaseClientConfig", "RecordPayload",
                     "RecordResult"):
            self.assertTrue(hasattr(xase, name), name)
        for name in ("record", "flush", "close", "get_stats"):
            self.assertTrue(callable(getattr(XaseClient, name)), name)

    def test_the_shapes_make_plain_dicts(self):
        payload = xase.RecordPayload(policy="p", input={}, output={})
        self.assertEqual((type(payload), payload["policy"]), (dict, "p"))
        self.assertEqual(xase.XaseClientConfig({"api_key": "k"}), {"api_key": "k"})

    def test_an_error_has_its_parts_and_survives_pickling(self):
        error = XaseError("no such type", "VALIDATION_ERROR", 400, [{"path": "a"}])
        self.assertEqual(str(error), "[VALIDATION_ERROR] no such type (HTTP 400)")
        self.assertEqual(str(XaseError("full", "QUEUE_FULL")), "[QUEUE_FULL] full")
        again = pickle.loads(pickle.dumps(error))
        self.assertEqual((again.message, again.code, again.status_code, again.details),
                         ("no such type", "VALIDATION_ERROR", 400, [{"path": "a"}]))


class Mistakes(SurfaceTest):
    """Errors before anything is taken: the SDK's codes for the same mistakes."""

    def check(self, code, **changes):
        client = self.client()
        payload = {**PAYLOAD, **changes}
        error = self.assert_raises(code, client.record, payload)
        self.assert_raises(code, client.record, payload, skip_queue=True)
        self.assertEqual(client.status()["committed"], 0)
        return error

    def test_missing_policy(self):
        for policy in (None, "", 4):
            self.check("MISSING_POLICY", policy=policy)
        client = self.client()
        self.assert_raises("MISSING_POLICY", client.record, {"input": {}, "output": {}})
        self.assert_raises("MISSING_POLICY", client.record, {})

    def test_invalid_input_and_output(self):
        for value in (None, [], "text", 5):
            self.check("INVALID_INPUT", input=value)
            self.check("INVALID_OUTPUT", output=value)
        client = self.client()
        self.assert_raises("INVALID_INPUT", client.record, {"policy": "p", "output": {}})
        self.assert_raises("INVALID_OUTPUT", client.record, {"policy": "p", "input": {}})

    def test_a_value_that_is_no_json_by_its_path(self):
        error = self.check("INVALID_OUTPUT", output={"scores": [1.0, float("nan")]})
        self.assertEqual(error.details["path"], "output.scores[1]")
        self.check("INVALID_CONTEXT", context={"s": set()})
        self.check("INVALID_CONTEXT", context=[1])
        self.check("INVALID_EXPLANATION", explanation={"b": b""})

    def test_invalid_confidence(self):
        for value in (-0.01, 1.01, float("nan"), "0.5", [], 10 ** 400):
            self.check("INVALID_CONFIDENCE", confidence=value)

    def test_invalid_processing_time(self):
        for value in (-1, float("inf"), "12", {}):
            self.check("INVALID_PROCESSING_TIME", processing_time=value)

    def test_invalid_idempotency_key(self):
        client = self.client()
        for key in ("", "short", "x" * 65, "with space in it", "ümlaut-ümlaut-ümlaut", 17):
            self.assert_raises("INVALID_IDEMPOTENCY_KEY", client.record, PAYLOAD,
                               idempotency_key=key)

    def test_texts_that_are_none(self):
        for name in ("policy_version", "transaction_id", "decision_type", "model_id"):
            self.check("INVALID_TEXT", **{name: 4})
            self.check("INVALID_TEXT", **{name: "a\ud800"})
        self.check("INVALID_ARGUMENT", store_payload="yes")

    def test_the_name_that_is_the_ledgers(self):
        self.check("RESERVED_CONTEXT_NAME", context={"xase_ledger": 1})

    def test_a_payload_that_is_none(self):
        client = self.client()
        for payload in (None, [], "text", 5):
            self.assert_raises("INVALID_ARGUMENT", client.record, payload)
        self.assertRaises(TypeError, client.record)
        self.assertRaises(TypeError, client.record, PAYLOAD, "key")
        self.assertRaises(TypeError, client.record, PAYLOAD, no_such=1)

    def test_too_large(self):
        client = self.client()
        self.assert_raises("RECORD_TOO_LARGE", client.record,
                           {**PAYLOAD, "input": {"t": "x" * (17 << 20)}})
        self.assert_raises("RECORD_TOO_LARGE", self.client(ring_bytes=65536).record,
                           {**PAYLOAD, "input": {"t": "x" * 20000}})

    def test_a_closed_client(self):
        client = self.client()
        client.record(PAYLOAD)
        client.close(0)
        client.close(0)
        self.assert_raises("QUEUE_CLOSED", client.record, PAYLOAD)
        self.assert_raises("QUEUE_CLOSED", client.record, PAYLOAD, skip_queue=True)
        self.assert_raises("QUEUE_CLOSED", client.flush)
        self.assertEqual(client.get_stats(), {"size": 1, "closed": True})

    def test_a_runtime_directory_that_cannot_be_made(self):
        client = self.client(run_dir=str(self.folder / "no/such/parent"))
        error = self.assert_raises("RUN_DIR_UNAVAILABLE", client.record, PAYLOAD)
        self.assertIn("no/such/parent", error.message)

    def test_a_client_that_was_never_opened(self):
        client = XaseClient.__new__(XaseClient)
        self.assertRaises(RuntimeError, client.record, PAYLOAD)
        self.assertRaises(RuntimeError, client._counts)


class Taken(SurfaceTest):
    def test_none_means_absent_and_an_empty_object_is_one(self):
        client = self.client()
        optional = ("confidence", "context", "transaction_id", "policy_version", "decision_type",
                    "processing_time", "store_payload", "explanation", "model_id")
        self.assertIsNone(client.record({**PAYLOAD, **dict.fromkeys(optional)}))
        self.assertIsNone(client.record({"policy": "p", "input": {}, "output": {}}))
        self.assertEqual(client.status()["committed"], 2)

    def test_mappings_and_dataclasses_are_payloads(self):
        import dataclasses
        import types

        @dataclasses.dataclass
        class Decision:
            policy: str
            input: dict
            output: dict

        client = self.client()
        client.record(types.MappingProxyType(PAYLOAD))
        client.record(Decision("p", {"a": 1}, {"b": 2}))
        client.record(payload=PAYLOAD)
        self.assertEqual(client.status()["committed"], 3)

    def test_numbers_of_other_kinds(self):
        import decimal
        import fractions
        client = self.client()
        for number in (0, 1, True, decimal.Decimal("0.5"), fractions.Fraction(1, 2)):
            client.record({**PAYLOAD, "confidence": number, "processing_time": number})

    def test_stats_count_what_is_not_delivered(self):
        client = self.client()
        self.assertEqual(client.get_stats(), {"size": 0, "closed": False})
        client.record(PAYLOAD)
        self.assertEqual(client.get_stats(), {"size": 1, "closed": False})

    def test_flush_says_that_nothing_came_of_it(self):
        client = self.client()
        client.flush(0.1)
        client.record(PAYLOAD)
        self.assert_raises("FLUSH_TIMEOUT", client.flush, timeout_s=0.05)
        self.assert_raises("FLUSH_TIMEOUT", client.flush, 0.05, until="journaled")
        client.flush(0.05, until="committed")
        self.assert_raises("INVALID_ARGUMENT", client.flush, until="tomorrow")

    def test_a_synchronous_call_without_a_daemon_says_that_the_record_is_taken(self):
        client = self.client(timeout=0.01, max_retries=1)
        error = self.assert_raises("TIMEOUT", client.record, PAYLOAD, skip_queue=True)
        self.assertEqual(error.details["sequence"], 1)
        self.assertEqual(client.get_stats()["size"], 1)

    def test_with_closes(self):
        with self.client() as client:
            pass
        self.assertTrue(client.get_stats()["closed"])

    def test_status_says_that_the_daemon_is_away(self):
        client = self.client()
        client.record(PAYLOAD)
        status = client.status()
        self.assertEqual((status["daemon"], status["waiting"], status["base_url"]),
                         ("away", 1, None))
        self.assertEqual(status["run_dir"], str(self.folder / "run"))


class Options(SurfaceTest):
    def test_every_option_of_the_sdk_is_taken(self):
        client = self.client(api_key=API_KEY, base_url="http://localhost:3000/api/xase/v1",
                             fire_and_forget=True, timeout=2.5, max_retries=5,
                             queue_max_size=5000, on_success=print, on_error=print)
        client.record(PAYLOAD)

    def test_an_empty_key_is_the_sdks_mistake_and_none_is_not(self):
        self.assert_raises("MISSING_API_KEY", self.client, api_key="")
        self.client(api_key=None)
        self.client()

    def test_the_queues_size_is_the_rings(self):
        for records, ring_bytes in ((5000, 8 << 20), (1, 65536), (100, 128 << 10)):
            client = self.client(queue_max_size=records)
            client.record(PAYLOAD)
            ring, = (self.folder / "run/rings").glob("*.ring")
            results = 256 << 10
            self.assertEqual(ring.stat().st_size & ~0xFFFF, ring_bytes + results, records)
            ring.unlink()

    def test_numbers_that_are_none(self):
        for option in ("timeout", "max_retries", "queue_max_size", "block_timeout", "ring_bytes"):
            for value in (-1, "5", True, float("nan")):
                self.assert_raises("INVALID_ARGUMENT", self.client, **{option: value})
        self.assert_raises("INVALID_ARGUMENT", self.client, on_error=5)
        self.assert_raises("INVALID_ARGUMENT", self.client, ring_bytes=1)

    def test_what_has_no_effect_is_warned_of_once(self):
        def several():
            for _ in range(3):
                self.client(retries=5)
                self.client().record({**PAYLOAD, "polcy_version": "4"})
        self.assertEqual(self.warned(several), [
            "XaseClient has no option 'retries': it has no effect",
            "a record has no field 'polcy_version': it is passed over"])

    def test_a_warning_made_an_error_is_one(self):
        _hooks._told.clear()
        client = self.client()
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            self.assertRaises(XaseWarning, client.record, {**PAYLOAD, "extra": 1})

    def test_a_key_of_another_kind_is_warned_of(self):
        self.assertEqual(len(self.warned(lambda: self.client(api_key="sk_123"))), 1)

    def test_a_client_can_be_pickled_for_a_spawned_process(self):
        client = pickle.loads(pickle.dumps(self.client(timeout=1)))
        self.addCleanup(client.close, 0)
        client.record(PAYLOAD)
        self.assertEqual(client.status()["run_dir"], str(self.folder / "run"))

    def test_no_signal_handler_is_taken_and_no_thread_started_unasked(self):
        import signal
        import threading
        handlers = [signal.getsignal(number) for number in signal.valid_signals()]
        threads = len(list(pathlib.Path("/proc/self/task").iterdir()))
        client = self.client()
        client.record(PAYLOAD)
        self.assertEqual([signal.getsignal(number) for number in signal.valid_signals()], handlers)
        self.assertEqual(len(list(pathlib.Path("/proc/self/task").iterdir())), threads)
        self.assertNotIn("xase-results", [thread.name for thread in threading.enumerate()])


class UnderPressure(SurfaceTest):
    def test_a_finaliser_that_records_while_a_record_is_made(self):
        import gc
        client = self.client()
        client.record(PAYLOAD)

        class Finalised:
            def __init__(self):
                self.itself = self  # for the collector alone

            def __del__(self):
                client.record({**PAYLOAD, "input": {"finalised": 1}})

        threshold = gc.get_threshold()
        gc.set_threshold(1)
        try:
            made = 0
            for n in range(200):
                # Refused inside, where an exception is made while room is reserved: then it is that
                # the collector comes.
                payload = {**PAYLOAD, "input": {"a": ["\ud800"]}} if n % 2 else {
                    **PAYLOAD, "input": {"n": n, "list": [[{}] * 3]}}
                gc.disable()
                Finalised()
                made += 1 + (n + 1) % 2
                gc.enable()
                try:
                    client.record(payload)
                except XaseError as error:
                    self.assertEqual((error.code, n % 2), ("INVALID_INPUT", 1))
        finally:
            gc.set_threshold(*threshold)
        gc.collect()
        self.assertEqual(client.status()["committed"], 1 + made)

    def test_values_that_record_when_they_are_read(self):
        import collections.abc
        client = self.client()

        class Recording(collections.abc.Mapping):
            def __getitem__(self, key):
                return key

            def __iter__(self):
                client.record({**PAYLOAD, "input": {"inner": 1}})
                return iter("k")

            def __len__(self):
                return 1

        for _ in range(50):
            client.record({**PAYLOAD, "input": {"outer": Recording()}})
        self.assertEqual(client.status()["committed"], 100)

    def test_records_of_every_size_around_the_reserved_room(self):
        client = self.client(ring_bytes=1 << 20, block_timeout=0)
        for size in (*range(3900, 4200, 7), *range(65000, 66000, 97), 100000, 200000):
            client.record({**PAYLOAD, "input": {"t": "x" * size}})
            if client.status()["waiting"] * size > 500000:
                client = self.client(ring_bytes=1 << 20, block_timeout=0)


if __name__ == "__main__":
    unittest.main()
