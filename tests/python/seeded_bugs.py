#!/usr/bin/env python3
"""Breaks a copy of the package in one place after the other, as someone might by mistake, and runs the
tests that should notice.

  tests/python/seeded_bugs.py             all of them
  tests/python/seeded_bugs.py NAME...     these
  tests/python/seeded_bugs.py --list

Prints for each the first test that fails; exit code 1 where none does. The programs that the package is
tested with are those of build/release; the copy is in build/seeded-python. A bug whose place is not in
the sources any more is an error: it is to be sown anew.
"""

import os
import pathlib
import re
import shutil
import subprocess
import sys

SOURCE = pathlib.Path(__file__).resolve().parents[2]
COPY = SOURCE / "build/seeded-python"
PACKAGE = "client/python/"
TIMEOUT = 300

# name: what it does, file, what stands there, what is put in its place, variant of the build, themes
BUGS = {
    "buffer_off_by_one": (
        "writes a byte beyond the buffer's end", PACKAGE + "src/buffer.hpp",
        "static_cast<std::size_t>(end_ - at_) >= bytes ||",
        "static_cast<std::size_t>(end_ - at_) + 1 >= bytes ||", "sanitized", "json surface"),
    "short_integers": (
        "has no room for a large integer", PACKAGE + "src/json_text.cpp",
        "kIntBytesMax = 24", "kIntBytesMax = 4", "plain", "json"),
    "control_character": (
        "takes 0x1f for a plain character", PACKAGE + "src/json_text.cpp",
        "(v - kOnes * 0x20)", "(v - kOnes * 0x1f)", "plain", "json"),
    "reference_kept": (
        "never gives a converted value back", PACKAGE + "src/json_writer.cpp",
        "return this->value(plain.get(), &frame);",
        "Py_INCREF(plain.get());\n  return this->value(plain.get(), &frame);", "counted", "json"),
    "item_not_held": (
        "writes an item that may be freed meanwhile", PACKAGE + "src/json_writer.cpp",
        "const Ref held = buffer_.grows() ? share(item) : Ref();", "const Ref held;", "sanitized",
        "json"),
    "dict_iterated_live": (
        "goes over a dict that may change meanwhile", PACKAGE + "src/json_writer.cpp",
        "if (!buffer_.grows()) {\n    PyObject* name = nullptr;",
        "if (true) {\n    PyObject* name = nullptr;", "sanitized", "json"),
    "nested_keeps_room": (
        "leaves the room reserved under a record made by a finaliser", PACKAGE + "src/record.cpp",
        "if (reserved_by != nullptr) xase_cancel(std::exchange(reserved_by, nullptr));", "",
        "plain", "surface"),
    "room_not_given_back": (
        "keeps the room of a record that is refused", PACKAGE + "src/record.cpp",
        "if (!written && kept) xase_cancel(self.client);", "", "plain", "surface"),
    "no_wait_for_room": (
        "refuses at once where the ring is full", PACKAGE + "src/record.cpp",
        "code == XASE_QUEUE_FULL && waits &&", "false && waits &&", "plain", "delivery"),
    "refusal_uncounted": (
        "refuses without counting it", PACKAGE + "src/record.cpp",
        "  // Makes a ring, or says what is wrong; a refusal is counted.",
        "  if (code == XASE_QUEUE_FULL) return code;", "plain", "delivery"),
    "ticket_forgotten": (
        "asks for no result of a record written in place", PACKAGE + "src/record.cpp",
        "xase_commit(self.client, &payload.record, ticket) == XASE_OK",
        "xase_commit(self.client, &payload.record, nullptr) == XASE_OK", "plain", "receipts"),
    "unknown_field_untold": (
        "passes unknown fields over in silence", PACKAGE + "src/payload.cpp",
        "++payload.unknown_names;\n    return", "return", "plain", "surface"),
    "none_is_a_value": (
        "takes None for a value", PACKAGE + "src/payload.cpp",
        "if (value == Py_None) return Extracted::kOk;", "", "plain", "surface"),
    "trace_over_the_callers": (
        "writes the trace's ids beside the caller's own", PACKAGE + "src/json_writer.cpp",
        "if (is_there) continue;", "", "plain", "evidence"),
    "no_thread_after_fork": (
        "has no results in a child of fork()", PACKAGE + "xase/_results.py",
        "os.register_at_fork(after_in_child=_after_fork)", "", "plain", "processes"),
    "callback_ends_the_thread": (
        "lets go on what a callback raises", PACKAGE + "src/module.cpp",
        "if (!ignored) PyErr_WriteUnraisable(callback);", "if (!ignored) return nullptr;", "plain",
        "receipts"),
    "client_never_let_go": (
        "holds a client for ever that nobody else does", PACKAGE + "xase/_results.py",
        "        if not outstanding:\n            client = None", "", "plain", "receipts"),
    "early_result_lost": (
        "takes a result for nobody's that comes before its awaiter is known",
        PACKAGE + "xase/_results.py",
        "idempotency_key=idempotency_key)\n            self._waiting[ticket] = (loop, future)",
        "idempotency_key=idempotency_key)\n        threading.Event().wait(0.3)\n"
        "        self._waiting[ticket] = (loop, future)", "plain", "receipts"),
    "input_after_the_call": (
        "records arguments as the function left them", PACKAGE + "xase/_evidence.py",
        '_snapshot(self._of("input", arguments, arguments))',
        'self._of("input", arguments, arguments)', "plain", "evidence"),
    "close_drops_results": (
        "closes before the callbacks have what came", PACKAGE + "xase/client.py",
        "self._results.stop(self, timeout_s)", "pass", "plain", "receipts"),
    "any_key_fits": (
        "takes every key for the daemon's", "client/src/daemon_facts.cpp",
        "return check.substr(kSaltDigits + 1) == hex;", "return !hex.empty();", "plain",
        "receipts"),
    "room_not_shrunk": (
        "commits all that was reserved", "client/src/client.cpp", "ring->shrink(bytes);", "",
        "plain", "processes"),
}


def sow(file, old, new):
    shutil.rmtree(COPY, ignore_errors=True)
    for part in ("client", "proto", "tests"):
        shutil.copytree(SOURCE / part, COPY / part,
                        ignore=shutil.ignore_patterns("__pycache__", "corpus"))
    text = (COPY / file).read_text()
    if old not in text:
        raise SystemExit(f"{file} has changed; sow this anew:\n{old}")
    (COPY / file).write_text(text.replace(old, new, 1))


def first_failure(variant, theme):
    """The test that fails, or nothing."""
    environment = {**os.environ, "XASE_BUILD": str(SOURCE / "build/release"),
                   "XASE_BIN": str(SOURCE / "build/release/bin"),
                   "XASE_PYTHON_PACKAGE": str(COPY / "built"), "CCACHE_BASEDIR": str(COPY)}
    try:
        done = subprocess.run([COPY / "tests/python/run", variant, theme], env=environment,
                              text=True, capture_output=True, timeout=TIMEOUT)
    except subprocess.TimeoutExpired:
        return f"{theme}: not ended after {TIMEOUT} s"
    if done.returncode == 0:
        return None
    failed = re.search(r"^(?:FAIL|ERROR): (.*)$", done.stderr, re.M)
    stopped = re.search(r"^.*(?:runtime error|ERROR: AddressSanitizer).*$", done.stderr, re.M)
    said = failed or stopped
    if said is None:
        raise SystemExit(f"it fails, but no test does:\n{done.stdout}{done.stderr}"[-3000:])
    return f"{theme}: {said.group(failed is not None).strip()}"


def main(names):
    if names == ["--list"]:
        for name, bug in BUGS.items():
            print(f"{name:26} {bug[0]}")
        return 0
    missed = 0
    for name in names or BUGS:
        what, file, old, new, variant, themes = BUGS[name]
        sow(file, old, new)
        caught = next(filter(None, (first_failure(variant, theme) for theme in themes.split())),
                      None)
        missed += caught is None
        print(f"{name}: {what}: {caught or 'NOT CAUGHT'}", flush=True)
    print(f"{len(names or BUGS) - missed} of {len(names or BUGS)} caught")
    return 1 if missed else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
