#!/usr/bin/env python3
"""What comes back: receipts, refusals, callbacks, asyncio; and what arrives at the API."""

import asyncio
import hashlib
import json
import os
import platform
import socket
import sys
import threading
import time
import unittest

from support import API_KEY, AppTest, decisions, eventually, xase
from xase import XaseError, _hooks

PAYLOAD = {"policy": "credit_policy_v4", "input": {"amount": 1169},
           "output": {"decision": "APPROVED"}, "decision_type": "UNDERWRITING"}
REFUSED = {**PAYLOAD, "decision_type": "WEATHER"}  # the API's rule, which only it knows
RECEIPT = {"success", "transaction_id", "receipt_url", "timestamp", "record_hash",
           "chain_position"}


class Kept:
    """Callbacks that keep what they get."""

    def __init__(self):
        self.receipts, self.errors, self.threads = [], [], set()

    def success(self, receipt):
        self.threads.add(threading.current_thread().name)
        self.receipts.append(receipt)

    def error(self, error):
        self.threads.add(threading.current_thread().name)
        self.errors.append(error)


class WithDaemon(AppTest):
    def setUp(self):
        self.the_api = self.api()
        self.the_daemon = self.daemon(self.the_api)

    def open(self, **config):
        return self.client(self.the_daemon, **config)

    def bodies(self):
        return [json.loads(record["body"]) for record in self.the_api.records()]


class Arriving(WithDaemon):
    def test_every_field_arrives_under_the_apis_name(self):
        payload = {
            "policy": "p", "input": {"a": 1}, "output": {"b": 2}, "confidence": 0.25,
            "context": {"c": 3}, "transaction_id": "loan-1", "policy_version": "4.2",
            "decision_type": "FRAUD", "processing_time": 1.5, "store_payload": True,
            "model_id": "m", "model_version": "1", "model_hash": "h",
            "feature_schema_hash": "f", "explanation": {"d": 4}}
        self.open().record(payload, skip_queue=True)
        body, = self.bodies()
        context = body.pop("context")
        self.assertEqual(context["c"], 3)
        self.assertEqual(body, {
            "policyId": "p", "input": {"a": 1}, "output": {"b": 2}, "confidence": 0.25,
            "policyVersion": "4.2", "decisionType": "FRAUD", "processingTime": 1.5,
            "storePayload": True, "modelId": "m", "modelVersion": "1", "modelHash": "h",
            "featureSchemaHash": "f", "explanation": {"d": 4}})

    def test_the_sdks_context_lies_under_the_callers(self):
        before = time.time() * 1000
        self.open(env="staging").record(PAYLOAD, skip_queue=True)
        self.open().record({**PAYLOAD, "context": {"pid": "mine", "env": "theirs", "x": 1}},
                           skip_queue=True)
        first, second = (body["context"] for body in self.bodies())
        self.assertEqual(
            {name: first[name] for name in ("runtime", "platform", "arch", "hostname", "pid",
                                            "lib_version", "env")},
            {"runtime": "python@" + platform.python_version().rstrip("+"), "platform": "linux",
             "arch": platform.machine(), "hostname": socket.gethostname(), "pid": os.getpid(),
             "lib_version": xase.__version__, "env": "staging"})
        self.assertTrue(before - 1000 <= first["timestamp"] <= time.time() * 1000 + 1000)
        self.assertEqual((second["pid"], second["env"], second["x"]), ("mine", "theirs", 1))

    def test_the_environment_is_the_sdks(self):
        for variables, expected in (({}, "development"), ({"PYTHON_ENV": "test"}, "test"),
                                    ({"PYTHON_ENV": "test", "ENV": "prod"}, "prod")):
            count = len(self.bodies())
            self.run_app("app", "client.record({'policy': 'p', 'input': {}, 'output': {}},"
                                " skip_queue=True)", run_dir=self.the_daemon.run_dir,
                         env={"ENV": "", "PYTHON_ENV": "", **variables})
            self.assertEqual(self.bodies()[count]["context"]["env"], expected)

    def test_idempotency_keys_are_the_sdks(self):
        client = self.open()
        client.record({**PAYLOAD, "transaction_id": "loan-7"}, skip_queue=True)
        client.record({**PAYLOAD, "transaction_id": "loan-8"}, idempotency_key="k" * 16,
                      skip_queue=True)
        client.record(PAYLOAD, idempotency_key="0f8fad5b-d9cb-469f-a165-70867728950e",
                      skip_queue=True)
        self.assertEqual(self.the_api.keys(), [
            hashlib.sha256(b"loan-7").hexdigest()[:32], "k" * 16,
            "0f8fad5b-d9cb-469f-a165-70867728950e"])

    def test_an_empty_input_is_what_the_service_takes_it_for(self):
        receipt = self.open().record({"policy": "p", "input": {}, "output": {}}, skip_queue=True)
        self.assertTrue(receipt["success"])
        self.assertEqual(self.bodies()[0]["input"], {})

    def test_values_beyond_json_arrive(self):
        import datetime
        import decimal
        self.open().record({**PAYLOAD, "input": {
            "day": datetime.date(2026, 1, 7), "amount": decimal.Decimal("1169.00"),
            "large": 2 ** 70, "ü": "日本", 1: "one"}}, skip_queue=True)
        self.assertEqual(self.bodies()[0]["input"], {
            "day": "2026-01-07", "amount": "1169.00", "large": 2 ** 70, "ü": "日本", "1": "one"})


class Synchronous(WithDaemon):
    def test_returns_the_apis_answer_as_it_came(self):
        client = self.open()
        receipt = client.record(PAYLOAD, skip_queue=True)
        self.assertEqual(receipt.keys(), RECEIPT)
        self.assertIs(receipt["success"], True)
        self.assertIsNone(client.record(PAYLOAD))

    def test_fire_and_forget_off_means_every_record(self):
        self.assertTrue(self.open(fire_and_forget=False).record(PAYLOAD)["success"])

    def test_the_same_key_gives_the_first_answer_again(self):
        client = self.open()
        first = client.record(PAYLOAD, idempotency_key="same-key-same-answer", skip_queue=True)
        again = client.record(PAYLOAD, idempotency_key="same-key-same-answer", skip_queue=True)
        self.assertEqual(first, again)

    def test_a_refusal_has_code_status_and_details(self):
        with self.assertRaises(XaseError) as raised:
            self.open().record(REFUSED, skip_queue=True)
        error = raised.exception
        self.assertEqual((error.code, error.status_code), ("VALIDATION_ERROR", 400))
        self.assertEqual(error.details[0]["path"], "decisionType")
        self.assertIn("(HTTP 400)", str(error))

    def test_the_gil_is_released_meanwhile(self):
        self.the_api.faults(latency_ms=400)
        client, turns, done = self.open(), 0, threading.Event()
        thread = threading.Thread(
            target=lambda: (client.record(PAYLOAD, skip_queue=True), done.set()))
        thread.start()
        while not done.is_set():
            turns += 1
            time.sleep(0.001)
        thread.join()
        self.assertGreater(turns, 10)

    def test_in_many_threads_at_once(self):
        client, receipts = self.open(), []

        def work():
            for _ in range(10):
                receipts.append(client.record(PAYLOAD, skip_queue=True)["transaction_id"])

        threads = [threading.Thread(target=work) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(len(set(receipts)), 80)


class Callbacks(WithDaemon):
    def test_receipts_and_refusals_come_on_one_thread(self):
        kept = Kept()
        client = self.open(on_success=kept.success, on_error=kept.error)
        for payload in (PAYLOAD, REFUSED, PAYLOAD):
            client.record(payload)
        eventually(lambda: len(kept.receipts) == 2 and len(kept.errors) == 1, "all came")
        self.assertTrue(all(receipt.keys() == RECEIPT for receipt in kept.receipts))
        error, = kept.errors
        self.assertIsInstance(error, XaseError)
        self.assertEqual((error.code, error.status_code, error.details[0]["path"]),
                         ("VALIDATION_ERROR", 400, "decisionType"))
        self.assertEqual(kept.threads, {"xase-results"})

    def test_what_a_callback_raises_harms_nothing(self):
        told, kept = [], Kept()
        before, sys.unraisablehook = sys.unraisablehook, lambda what: told.append(
            repr(what.exc_value))
        self.addCleanup(setattr, sys, "unraisablehook", before)

        def broken(receipt):
            kept.success(receipt)
            raise [ValueError("mine"), SystemExit(3), KeyboardInterrupt()][
                len(kept.receipts) % 3]

        client = self.open(on_success=broken)
        for _ in range(6):
            client.record(PAYLOAD)
        eventually(lambda: len(kept.receipts) == 6, "all came")
        client.close()
        self.assertEqual(sorted(told), sorted(2 * ["ValueError('mine')", "SystemExit(3)",
                                                   "KeyboardInterrupt()"]))

    def test_a_callback_may_record_and_close(self):
        kept = Kept()

        def again(receipt):
            kept.success(receipt)
            if len(kept.receipts) < 3:
                client.record(PAYLOAD)
            else:
                client.close()

        client = self.open(on_success=again)
        client.record(PAYLOAD)
        eventually(lambda: client.get_stats()["closed"], "closed by its own callback")
        self.assertEqual(len(kept.receipts), 3)

    def test_a_slow_callback_holds_up_no_record(self):
        release = threading.Event()
        client = self.open(on_success=lambda _: release.wait(30))
        for _ in range(200):
            client.record(PAYLOAD)
        client.flush(30)
        release.set()

    def test_close_gives_what_has_come_to_the_callbacks(self):
        kept = Kept()
        with self.open(on_success=kept.success) as client:
            for decision in decisions()[:300]:
                client.record(decision)
            client.flush(30)
        self.assertEqual(len(kept.receipts), 300)

    def test_a_client_that_nobody_holds_ends_its_thread(self):
        kept = Kept()
        client = self.open(on_success=kept.success)
        self.doCleanups = lambda: unittest.TestCase.doCleanups(self)
        client.record(PAYLOAD)
        thread = client._results._thread
        eventually(lambda: kept.receipts, "the receipt")
        self._cleanups = [one for one in self._cleanups if one[0] != client.close]
        del client
        eventually(lambda: not thread.is_alive(), "its thread ends")

    def test_the_process_ends_while_a_callback_hangs(self):
        process = self.run_app("app", """
client = xase.XaseClient({"on_success": lambda _: time.sleep(60)})
client.record({"policy": "p", "input": {}, "output": {}})
client.flush(30)
time.sleep(0.2)
print("ending", flush=True)
""", run_dir=self.the_daemon.run_dir)
        self.assertEqual(process.log_text(), "ending\n")


class Asynchronous(WithDaemon):
    def test_a_receipt_is_awaited_while_the_loop_goes_on(self):
        self.the_api.faults(latency_ms=100)
        client = self.open()

        async def main():
            ticks = 0

            async def tick():
                nonlocal ticks
                while True:
                    ticks += 1
                    await asyncio.sleep(0.001)

            ticking = asyncio.create_task(tick())
            receipts = await asyncio.gather(*(client.record_async(PAYLOAD) for _ in range(100)))
            ticking.cancel()
            return receipts, ticks

        receipts, ticks = asyncio.run(main())
        self.assertEqual(len({receipt["transaction_id"] for receipt in receipts}), 100)
        self.assertGreater(ticks, 5)

    def test_a_refusal_is_raised(self):
        client = self.open()
        with self.assertRaises(XaseError) as raised:
            asyncio.run(client.record_async(REFUSED))
        self.assertEqual((raised.exception.code, raised.exception.status_code),
                         ("VALIDATION_ERROR", 400))
        with self.assertRaises(XaseError) as raised:
            asyncio.run(client.record_async({**PAYLOAD, "policy": None}))
        self.assertEqual(raised.exception.code, "MISSING_POLICY")

    def test_it_gives_up_waiting_and_the_record_arrives_all_the_same(self):
        self.the_api.faults(latency_ms=700)
        client = self.open()
        with self.assertRaises(XaseError) as raised:
            asyncio.run(client.record_async(PAYLOAD, timeout=0.05))
        self.assertEqual(raised.exception.code, "TIMEOUT")
        client.flush(30)
        self.assertEqual(len(self.bodies()), 1)

    def test_a_cancelled_wait_harms_nobody(self):
        self.the_api.faults(latency_ms=300)
        client = self.open()

        async def main():
            first = asyncio.create_task(client.record_async(PAYLOAD))
            second = asyncio.create_task(client.record_async(PAYLOAD))
            await asyncio.sleep(0.05)
            first.cancel()
            return await second

        self.assertTrue(asyncio.run(main())["success"])
        self.assertEqual(client._results._waiting, {})

    def test_awaited_receipts_go_to_who_awaits_and_others_to_the_callback(self):
        kept = Kept()
        client = self.open(on_success=kept.success)
        receipt = asyncio.run(client.record_async(PAYLOAD))
        client.record(PAYLOAD)
        eventually(lambda: len(kept.receipts) == 1, "the other one")
        self.assertNotEqual(kept.receipts[0]["transaction_id"], receipt["transaction_id"])

    def test_without_callbacks_no_result_comes_before_one_is_awaited(self):
        client = self.open()
        for _ in range(50):
            client.record(PAYLOAD)
        client.flush(30)
        self.assertEqual(client._take_results(100)[0], [])
        self.assertTrue(asyncio.run(client.record_async(PAYLOAD))["success"])


class TheDaemonsOwn(WithDaemon):
    """Key and address are the daemon's; what the app says of them is compared."""

    OTHER = "xase_pk_" + "f" * 48

    def setUp(self):
        super().setUp()
        _hooks._told.clear()
        self.the_daemon.until(lambda _: "api_key_check" in (
            self.the_daemon.run_dir / "settings").read_text(), "the settings tell of the key")

    def test_the_same_key_and_address_are_silent(self):
        import warnings
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            client = self.open(api_key=API_KEY, base_url=self.the_api.base_url + "/")
        status = client.status()
        self.assertEqual((status["daemon"], status["api_key"], status["base_url"]),
                         ("running", "same", self.the_api.base_url))

    def test_another_key_is_told_of_and_goes_nowhere(self):
        with self.assertWarnsRegex(xase.XaseWarning, "is not the one that xased uses"):
            client = self.open(api_key=self.OTHER)
        self.assertEqual(client.status()["api_key"], "differs")
        client.record(PAYLOAD, skip_queue=True)
        for folder in (self.the_daemon.run_dir, self.the_daemon.state_dir, self.the_api.dir):
            for file in folder.rglob("*"):
                if file.is_file():
                    self.assertNotIn(self.OTHER.encode(), file.read_bytes(), file)
        self.assertNotIn(API_KEY, (self.the_daemon.run_dir / "settings").read_text())

    def test_another_address_is_told_of_once(self):
        import warnings
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            for _ in range(3):
                self.open(base_url="https://api.example/xase/v1").status()
        self.assertEqual(len(caught), 1)
        self.assertIn(self.the_api.base_url, str(caught[0].message))

    def test_a_daemon_that_comes_later_is_compared_then(self):
        client = self.client(self.folder / "later/run", api_key=self.OTHER)
        self.assertEqual(client.status()["api_key"], "unknown")
        later = self.daemon(self.the_api, name="later", run_dir=self.folder / "later/run",
                            state_dir=self.folder / "later/state")
        with self.assertWarnsRegex(xase.XaseWarning, "is not the one"):
            eventually(lambda: client.status()["api_key"] == "differs", "it is compared")
        later.kill()
        eventually(lambda: client.status()["daemon"] == "away", "its death is seen")

    def test_a_new_key_of_the_daemon_is_told(self):
        self.the_daemon.key_file.write_text(self.OTHER + "\n")
        eventually(lambda: self.open(api_key=self.OTHER).status()["api_key"] == "same",
                   "the new one is told")


if __name__ == "__main__":
    unittest.main()
