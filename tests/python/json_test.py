#!/usr/bin/env python3
"""Python values as JSON: against json.dumps, and what is refused, by its path.

XASE_PYTHON_FUZZ: how many random values (20000).
"""

import collections
import dataclasses
import datetime
import decimal
import enum
import json
import math
import os
import random
import sys
import threading
import types
import unittest
import uuid

from support import CountedTest, E2eTest, decisions
from xase import XaseError, _core, _hooks

VALUES = int(os.environ.get("XASE_PYTHON_FUZZ") or 20000)


def to_json(value):
    return _core.to_json(value, _hooks)


def dumps(value):
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


class Colour(enum.Enum):
    RED = "red"
    NESTED = ("a", 1)


class Level(enum.IntEnum):
    HIGH = 3


class Word(str, enum.Enum):
    YES = "yes"


@dataclasses.dataclass
class Applicant:
    name: str
    scores: list
    since: datetime.date
    kind: dataclasses.InitVar[int] = 0


class AgainstJson(CountedTest):
    def assert_same(self, value):
        self.assertEqual(to_json(value), dumps(value))

    def test_the_real_decisions(self):
        for decision in decisions():
            self.assert_same(decision)

    def test_every_character(self):
        for first in range(0, 0x110000, 64):
            text = "".join(chr(c) for c in range(first, first + 64) if not 0xD800 <= c < 0xE000)
            self.assert_same({text: text})

    def test_escapes_at_every_place_of_a_word(self):
        for length in range(20):
            for place in range(length):
                for special in '"\\\n\t\r\b\f\x00\x1f\x7f/\u2028é':
                    self.assert_same({"t": "a" * place + special + "b" * (length - place)})

    def test_doubles_at_the_limits(self):
        for value in (0.0, -0.0, 1.0, 0.1, 1e-4, 9.9999e-5, 1e15, 1e16, 9999999999999998.0, 1e22,
                      5e-324, sys.float_info.max, sys.float_info.min, 2.0 ** 53, 123456789.125,
                      1 / 3, 1e100, -1e-300):
            for near in (value, math.nextafter(value, 1), math.nextafter(value, -1)):
                if math.isfinite(near):
                    self.assert_same({"v": near, "w": -near})

    def test_integers_of_64_bits(self):
        for bits in range(64):
            for value in (2 ** bits, 2 ** bits - 1, -(2 ** bits), 1 - 2 ** bits):
                self.assert_same({"v": value})
        self.assert_same({"v": 2 ** 64 - 1})
        self.assert_same({"v": -(2 ** 63)})

    def test_names_that_are_no_texts(self):
        self.assert_same({1: 2, None: 3, True: 4, False: 5, 1.5: 6, -7: 8})

    def test_subclasses_of_what_json_has(self):
        class Text(str):
            def __str__(self):
                return "never asked"

        Point = collections.namedtuple("Point", "x y")
        self.assert_same({Text("k"): Text("v"), "p": Point(1, 2), "l": Level.HIGH, "w": Word.YES,
                          "o": collections.OrderedDict(b=1, a=2),
                          "d": collections.defaultdict(int, n=1)})

    def test_deep_and_wide(self):
        deep = value = {}
        for _ in range(490):
            value["v"] = value = {}
        self.assert_same(deep)
        self.assert_same({"wide": list(range(50000)), **{str(i): i for i in range(5000)}})

    def random_text(self, rng):
        alphabets = ("abcdefghij", 'a"\\\n\x00\x1f/', "äöü€",
                     "a\U0001F600\u2028", "日本語テキスト")
        return "".join(rng.choice(rng.choice(alphabets)) for _ in range(rng.randrange(40)))

    def random_value(self, rng, depth):
        kind = rng.randrange(12 if depth < 5 else 8)
        if kind < 2:
            return self.random_text(rng)
        if kind == 2:
            return rng.choice((None, True, False))
        if kind == 3:
            return rng.randrange(-10 ** rng.randrange(1, 18), 10 ** rng.randrange(1, 18))
        if kind == 4:
            return rng.choice((rng.random(), rng.uniform(-1e6, 1e6), rng.randrange(10 ** 6) / 100))
        if kind == 5:
            import struct
            value = struct.unpack("<d", rng.randbytes(8))[0]
            return value if math.isfinite(value) else 0.0
        if kind < 8:
            return rng.choice(("APPROVED", "DECLINED", "", 0, 1.0, [], {}, ()))
        if kind < 10:
            return [self.random_value(rng, depth + 1) for _ in range(rng.randrange(6))]
        return {self.random_text(rng): self.random_value(rng, depth + 1)
                for _ in range(rng.randrange(8))}

    def test_random_values(self):
        seed = random.randrange(2 ** 32)
        rng = random.Random(seed)
        count = VALUES // 20 if hasattr(sys, "gettotalrefcount") else VALUES
        for n in range(count):
            value = {"v": self.random_value(rng, 0)}
            if to_json(value) != dumps(value):
                self.fail(f"seed {seed}, value {n}:\n{to_json(value)}\n{dumps(value)}")


class Refusing(E2eTest):
    def refuse(self, value, path, reason):
        with self.assertRaises(XaseError) as raised:
            to_json(value)
        error = raised.exception
        self.assertEqual(error.code, "INVALID_INPUT")
        self.assertEqual(error.details["path"], path)
        self.assertIn(reason, error.details["reason"])
        self.assertIn(path, error.message)


class Beyond(CountedTest):
    """What json.dumps does not take."""

    def check(self, value, text):
        self.assertEqual(to_json({"v": value}), '{"v":%s}' % text)

    def test_dates_and_times(self):
        self.check(datetime.datetime(2026, 1, 7, 12, 30, tzinfo=datetime.timezone.utc),
                   '"2026-01-07T12:30:00+00:00"')
        self.check(datetime.date(2026, 1, 7), '"2026-01-07"')
        self.check(datetime.time(12, 30, 1), '"12:30:01"')

    def test_decimals_keep_every_digit(self):
        self.check(decimal.Decimal("1169.00"), '"1169.00"')
        self.check(decimal.Decimal("0.1000000000000000000000001"),
                   '"0.1000000000000000000000001"')

    def test_uuids_and_enums(self):
        one = uuid.UUID("0f8fad5b-d9cb-469f-a165-70867728950e")
        self.check(one, f'"{one}"')
        self.check([Colour.RED, Colour.NESTED, Level.HIGH, Word.YES], '["red",["a",1],3,"yes"]')

    def test_dataclasses(self):
        applicant = Applicant("Zoë", [1, decimal.Decimal(2)], datetime.date(2020, 2, 29))
        self.check(applicant, '{"name":"Zoë","scores":[1,"2"],"since":"2020-02-29"}')
        self.assertEqual(to_json(applicant),
                         '{"name":"Zoë","scores":[1,"2"],"since":"2020-02-29"}')

    def test_mappings(self):
        self.check(types.MappingProxyType({"a": 1}), '{"a":1}')
        self.check(collections.ChainMap({"a": 1}, {"b": 2}), '{"b":2,"a":1}')

    def test_integers_beyond_64_bits_are_doubles_to_every_reader(self):
        self.check(2 ** 64, "18446744073709551616.0")
        self.check(-(2 ** 63) - 1, "-9223372036854775809.0")
        self.assertEqual(json.loads(to_json({"v": 3 ** 200}))["v"], float(3 ** 200))


class Refused(CountedTest, Refusing):
    def test_what_is_no_number_in_json(self):
        self.refuse({"a": [1, {"b": math.nan}]}, "input.a[1].b", "is NaN")
        self.refuse({"a": (0, -math.inf)}, "input.a[1]", "is infinite")
        self.refuse({"d": decimal.Decimal("sNaN")}, "input.d", "is sNaN")
        self.refuse({"big": 10 ** 400}, "input.big", "larger than any double")
        self.refuse({"huge": 10 ** 5000}, "input.huge", "larger than any double")
        self.refuse({math.nan: 1}, "input[nan]", "is NaN")

    def test_types_without_a_counterpart(self):
        self.refuse({"s": {1, 2}}, "input.s", "of type set")
        self.refuse({"b": [b"x"]}, "input.b[0]", "of type bytes")
        self.refuse({"o": object()}, "input.o", "of type object")
        self.refuse({"l": threading.Lock()}, "input.l", "of type lock")
        self.refuse({"k": {(1, 2): 3}}, "input.k[(1, 2)]", "name that is not a text")
        self.refuse({"odd key": {"x": set()}}, "input['odd key'].x", "of type set")

    def test_cycles(self):
        value = {"a": [0]}
        value["a"].append(value)
        self.refuse(value, "input.a[1]", "holds itself")
        loop = []
        loop.append(loop)
        self.refuse({"l": {"m": loop}}, "input.l.m[0]", "holds itself")
        applicant = Applicant("x", [], datetime.date.min)
        applicant.scores.append(applicant)
        self.refuse({"p": applicant}, "input.p.scores[0]", "holds itself")

    def test_too_deep_without_a_cycle(self):
        deep = {}
        for _ in range(600):
            deep = {"v": deep}
        with self.assertRaises(XaseError) as raised:
            to_json(deep)
        self.assertIn("nested deeper than 500", raised.exception.message)

    def test_lone_surrogates(self):
        self.refuse({"t": ["ok", "a\ud800"]}, "input.t[1]", "lone surrogate")
        with self.assertRaises(XaseError) as raised:
            to_json({"\udfff": 1})
        self.assertEqual(raised.exception.details["path"], "input['\\udfff']")

    def test_what_is_no_object(self):
        for value in ([1], "text", 5, None, Colour.RED):
            self.refuse(value, "input", "")

    def test_what_raises_when_it_is_asked(self):
        class Broken(collections.abc.Mapping):
            def __getitem__(self, key):
                raise OSError("no disk")

            def __iter__(self):
                return iter("a")

            def __len__(self):
                return 1

        with self.assertRaises(XaseError) as raised:
            to_json({"m": Broken()})
        self.assertEqual(raised.exception.details["path"], "input.m")
        self.assertIsInstance(raised.exception.__cause__, OSError)

    def test_an_interrupt_is_not_swallowed(self):
        class Interrupting(collections.abc.Mapping):
            def __getitem__(self, key):
                raise KeyboardInterrupt

            def __iter__(self):
                return iter("a")

            def __len__(self):
                return 1

        with self.assertRaises(KeyboardInterrupt):
            to_json({"m": Interrupting()})


class Numpy(Refusing):
    """Not counted: numpy is not built for an interpreter that counts references."""

    def test_scalars(self):
        import numpy
        values = {"v": [numpy.float64(0.5), numpy.float32(0.25), numpy.int64(-3), numpy.uint8(255),
                        numpy.bool_(True), numpy.str_("é"),
                        numpy.datetime64("2026-01-07T12:00:00.123456789")]}
        self.assertEqual(to_json(values), '{"v":[0.5,0.25,-3,255,true,"é",'
                                          '"2026-01-07T12:00:00.123456789"]}')

    def test_what_has_no_counterpart(self):
        import numpy
        self.refuse({"n": numpy.float32("nan")}, "input.n", "is NaN")
        self.refuse({"n": numpy.datetime64("NaT")}, "input.n", "is NaT")
        self.refuse({"n": numpy.complex64(1)}, "input.n", "complex64")
        self.refuse({"n": numpy.zeros(3)}, "input.n", "tolist()")
        self.refuse({"n": numpy.longdouble(1)}, "input.n", "is a numpy.")


class WhileItChanges(CountedTest):
    """Values that other code changes while they are written."""

    def test_containers_changed_by_a_conversion(self):
        class Meddler(collections.abc.Mapping):
            def __init__(self, meddle):
                self.meddle = meddle

            def __getitem__(self, key):
                return 1

            def __iter__(self):
                self.meddle()
                return iter("x")

            def __len__(self):
                return 1

        items = [0, 1, 2, 3]
        items[1] = Meddler(items.clear)
        self.assertEqual(to_json({"l": items}), '{"l":[0,{"x":1}]}')
        names = {"a": 0, "b": 2, "c": 3}
        names["a"] = Meddler(names.clear)
        self.assertEqual(to_json(names), '{"a":{"x":1},"b":2,"c":3}')
        outer = []
        outer.append([Meddler(outer.clear), 5, "x" * 5000])
        self.assertEqual(to_json({"l": outer}), '{"l":[[{"x":1},5,"%s"]]}' % ("x" * 5000))
        items = [Meddler(lambda: items.extend(range(3)))]
        self.assertEqual(to_json({"l": items}), '{"l":[{"x":1},0,1,2]}')

    def test_dicts_changed_by_other_threads(self):
        shared = {str(i): [i, "x" * i, Colour.RED] for i in range(50)}
        stop = threading.Event()

        def churn():
            n = 0
            while not stop.is_set():
                n += 1
                shared[str(n % 100)] = {"n": n}
                shared.pop(str((n + 50) % 100), None)

        threads = [threading.Thread(target=churn) for _ in range(2)]
        for thread in threads:
            thread.start()
        try:
            for _ in range(300):
                json.loads(to_json(shared))
        finally:
            stop.set()
            for thread in threads:
                thread.join()


if __name__ == "__main__":
    unittest.main()
