#!/usr/bin/env python3
"""@client.evidence: functions whose calls are recorded; and the trace that a record belongs to.

OpenTelemetry is not in Debian 12: tests/python/opentelemetry_api has the documented surface of its
API that says which span is active, and no more.
"""

import asyncio
import dataclasses
import json
import sys
import unittest

from support import HERE, AppTest, CountedTest, xase
from xase import XaseError


@dataclasses.dataclass
class Verdict:
    decision: str
    score: float


class EvidenceTest(AppTest):
    def setUp(self):
        self.the_api = self.api()
        # One at a time, so that they arrive in the order in which they were made.
        self.the_daemon = self.daemon(self.the_api, settings={"api.ordered": "true"})
        self.errors = []
        self.the_client = self.client(self.the_daemon, on_error=self.errors.append)

    def bodies(self):
        self.the_daemon.drained()
        return [json.loads(record["body"]) for record in self.the_api.records()]


class Calls(EvidenceTest):
    def test_arguments_result_and_time_are_recorded(self):
        @self.the_client.evidence("credit_policy_v4", policy_version="4.2",
                                  decision_type="UNDERWRITING", model_id="m")
        def decide(amount, *, months=6, **more):
            """Decides."""
            return {"decision": "APPROVED", "amount": amount}

        self.assertEqual((decide.__name__, decide.__doc__), ("decide", "Decides."))
        self.assertEqual(decide(1169, job="skilled"), {"decision": "APPROVED", "amount": 1169})
        body, = self.bodies()
        self.assertEqual(body["input"], {"amount": 1169, "months": 6, "more": {"job": "skilled"}})
        self.assertEqual(body["output"], {"decision": "APPROVED", "amount": 1169})
        self.assertEqual((body["policyId"], body["policyVersion"], body["decisionType"],
                          body["modelId"]), ("credit_policy_v4", "4.2", "UNDERWRITING", "m"))
        self.assertGreaterEqual(body["processingTime"], 0)

    def test_the_input_is_as_it_was_before_the_call(self):
        @self.the_client.evidence("p")
        def decide(applicant):
            applicant["scores"].append(9)
            applicant.clear()
            return 1

        decide({"scores": [1, 2]})
        self.assertEqual(self.bodies()[0]["input"], {"applicant": {"scores": [1, 2]}})

    def test_results_of_every_kind(self):
        results = iter([Verdict("DECLINED", 0.25), 0.5, None, "text", [1, 2]])

        @self.the_client.evidence("p")
        def decide():
            return next(results)

        for _ in range(5):
            decide()
        self.assertEqual([body["output"] for body in self.bodies()],
                         [{"decision": "DECLINED", "score": 0.25}, {"result": 0.5},
                          {"result": None}, {"result": "text"}, {"result": [1, 2]}])

    def test_an_exception_is_recorded_and_raised(self):
        @self.the_client.evidence("p")
        def decide(amount):
            raise ValueError(f"no policy for {amount}")

        with self.assertRaisesRegex(ValueError, "no policy for 7"):
            decide(7)
        self.assertEqual(self.bodies()[0]["output"],
                         {"error": {"type": "ValueError", "message": "no policy for 7"}})

    def test_methods_and_what_is_chosen_of_them(self):
        evidence = self.the_client.evidence(
            "p", exclude=["secret"], confidence=lambda result: result["p"],
            context=lambda arguments: {"branch": arguments["branch"]},
            transaction_id=lambda arguments: "loan-" + arguments["branch"],
            input=lambda arguments: {"only": sorted(arguments)},
            output=lambda result: {"kept": result["p"]})

        class Model:
            @evidence
            def decide(self, branch, secret):
                return {"p": 0.75, "hidden": secret}

            @classmethod
            @evidence
            def also(cls, branch):
                return {"p": 0.5}

        Model().decide("north", secret="x")
        Model.also("south")
        first, second = self.bodies()
        self.assertEqual((first["input"], first["output"], first["confidence"]),
                         ({"only": ["branch"]}, {"kept": 0.75}, 0.75))
        self.assertEqual(first["context"]["branch"], "north")
        self.assertEqual(second["input"], {"only": ["branch"]})
        self.assertEqual(len(set(self.the_api.keys())), 2)

    def test_coroutine_functions(self):
        @self.the_client.evidence("p")
        async def decide(n):
            await asyncio.sleep(0.02)
            if n == 2:
                raise KeyError(n)
            return {"n": n}

        async def main():
            return await asyncio.gather(*(decide(n) for n in range(3)), return_exceptions=True)

        self.assertEqual([repr(one) for one in asyncio.run(main())],
                         ["{'n': 0}", "{'n': 1}", "KeyError(2)"])
        bodies = self.bodies()
        self.assertEqual(len(bodies), 3)
        self.assertTrue(all(body["processingTime"] >= 19 for body in bodies))

    def test_a_call_that_does_not_fit_the_function_raises_what_it_would(self):
        @self.the_client.evidence("p")
        def decide(amount):
            return 1

        with self.assertRaisesRegex(TypeError, "missing 1 required positional argument"):
            decide()
        self.assertEqual(self.bodies(), [])


class Troubles(EvidenceTest):
    def test_a_record_that_is_not_taken_does_not_cost_the_result(self):
        @self.the_client.evidence("p")
        def decide(amount):
            return {"p": float("nan")}

        self.assertTrue(decide(1)["p"] != 0)
        self.assertEqual([(error.code, error.details["path"]) for error in self.errors],
                         [("INVALID_OUTPUT", "output.p")])

    def test_options_that_raise_do_not_either(self):
        @self.the_client.evidence("p", confidence=lambda result: result["no such"])
        def decide():
            return {}

        @self.the_client.evidence("p", input=lambda arguments: 1 / 0)
        def other():
            return {}

        self.assertEqual((decide(), other()), ({}, {}))
        self.assertEqual(len(self.errors), 2)

    def test_strict_raises(self):
        @self.the_client.evidence("p", strict=True)
        def decide(amount):
            return {"p": float("nan")}

        with self.assertRaises(XaseError) as raised:
            decide(1)
        self.assertEqual(raised.exception.code, "INVALID_OUTPUT")

        @self.the_client.evidence("p", strict=True)
        def fails(amount):
            raise ValueError("its own")

        # Not even then is the function's own exception hidden.
        with self.assertRaisesRegex(ValueError, "its own"):
            fails({1, 2})

    def test_without_on_error_the_trouble_is_told_to_the_interpreter(self):
        told = []
        before, sys.unraisablehook = sys.unraisablehook, lambda what: told.append(what.exc_value)
        self.addCleanup(setattr, sys, "unraisablehook", before)
        client = self.client(self.the_daemon)

        @client.evidence("p")
        def decide():
            return {"s": set()}

        decide()
        self.assertEqual([error.code for error in told], ["INVALID_OUTPUT"])


class Declared(CountedTest):
    def test_mistakes_are_told_where_the_function_is_decorated(self):
        client = xase.XaseClient({"run_dir": str(self.folder / "run")})
        with self.assertRaises(XaseError):
            client.evidence("p", no_such=1)
        with self.assertRaises(XaseError):
            client.evidence("")

        def generator():
            yield 1

        with self.assertRaises(XaseError):
            client.evidence("p")(generator)
        client.close(0)


class Traces(EvidenceTest):
    IDS = {"trace_id": "0af7651916cd43dd8448eb211c80319c", "span_id": "b7ad6b7169203331"}

    def run_traced(self, code):
        self.run_app("app", f"sys.path.insert(0, {str(HERE / 'opentelemetry_api')!r})\n" + code,
                     run_dir=self.the_daemon.run_dir)
        return [body["context"] for body in self.bodies()]

    def test_the_active_spans_ids_are_in_the_context_under_the_callers(self):
        contexts = self.run_traced(f"""
from opentelemetry import trace
def record(context=None, **more):
    client.record(dict(policy="p", input={{}}, output={{}}, context=context), **more)
record()                                       # no span
with trace.use_span(trace.NonRecordingSpan(trace.SpanContext(
        int("{self.IDS['trace_id']}", 16), int("{self.IDS['span_id']}", 16), False))):
    record()
    record({{"branch": "north", "span_id": "mine"}})
    record({{"branch": "south"}}, skip_queue=True)
record({{"branch": "east"}})                   # over
""")
        ids = [{name: context.get(name) for name in self.IDS} for context in contexts]
        nothing = dict.fromkeys(self.IDS)
        self.assertEqual(ids, [nothing, self.IDS, {**self.IDS, "span_id": "mine"}, self.IDS,
                               nothing])
        self.assertEqual([context.get("branch") for context in contexts],
                         [None, None, "north", "south", "east"])

    def test_one_that_is_broken_costs_no_record(self):
        contexts = self.run_traced("""
import types
sys.modules["opentelemetry.trace"] = types.ModuleType("opentelemetry.trace")
client.record(dict(policy="p", input={}, output={}))
""")
        self.assertEqual(len(contexts), 1)


if __name__ == "__main__":
    unittest.main()
