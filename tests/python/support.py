"""For the tests of the Python package: the package as it was built, and apps that use it.

Environment: XASE_PYTHON_PACKAGE (the folder that holds the package `xase`), XASE_BIN and the others
of tests/e2e/harness.py.
"""

import array
import gc
import os
import pathlib
import subprocess
import sys
import textwrap

# Of the sanitizer's run time: for this process, which has it already, and for apps, but not for the
# programs that they are tested with.
PRELOAD = os.environ.pop("LD_PRELOAD", "")

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "e2e"))
import harness  # noqa: E402
from harness import (API_KEY, PATIENCE, ROOT, Daemon, DevApi, E2eTest, Process,  # noqa: E402,F401
                     decisions, eventually, free_port, key_of, scaled, with_ids)

PACKAGE = pathlib.Path(os.environ.get("XASE_PYTHON_PACKAGE")
                       or harness.BIN.parent / "python/plain").resolve()
sys.path.insert(0, str(PACKAGE))
import xase  # noqa: E402

assert pathlib.Path(xase.__file__).is_relative_to(PACKAGE), xase.__file__

REPETITIONS = 5  # of each test, where references are counted


def app_environment(**more):
    """Of a process that uses the package."""
    environment = {"PYTHONPATH": f"{PACKAGE}:{HERE}:{HERE.parent / 'e2e'}",
                   "XASE_PYTHON_PACKAGE": str(PACKAGE), "PYTHONDONTWRITEBYTECODE": "1"}
    if PRELOAD:
        environment["LD_PRELOAD"] = PRELOAD
    return {**environment, **{key: str(value) for key, value in more.items()}}


class AppTest(E2eTest):
    """With daemons, and with apps: pieces of Python in processes of their own."""

    def client(self, daemon_or_run_dir, **config):
        run_dir = getattr(daemon_or_run_dir, "run_dir", daemon_or_run_dir)
        client = xase.XaseClient({"run_dir": str(run_dir), **config})
        self.addCleanup(client.close, 0)
        return client

    def start_app(self, name, code, *arguments, run_dir=None, stdin=subprocess.DEVNULL, env=None):
        """Runs the code; `client` is open in it where there is a `run_dir`."""
        file = self.folder / f"{name}.py"
        begin = "import os, sys, time\nimport xase\n"
        more = dict(env or {})
        if run_dir is not None:
            begin += "client = xase.XaseClient()\n"
            more["XASE_RUN_DIR"] = str(run_dir)
        file.write_text(begin + textwrap.dedent(code))
        return Process(self, name, sys.executable, file, *arguments, stdin=stdin,
                       env=app_environment(**more))

    def run_app(self, name, code, *arguments, exit_code=0, **options):
        """The same, to its end."""
        process = self.start_app(name, code, *arguments, **options)
        self.assertEqual(process.wait(), exit_code, process.log_text()[-4000:])
        return process

    def ids_at(self, api):
        """What arrived, by the id that is in each record's input."""
        import json
        return sorted(json.loads(one["body"])["input"]["id"] for one in api.records())


class CountedTest(E2eTest):
    """On an interpreter that counts references, each test runs several times, and none may leave
    more of them than it found, each time anew."""

    def run(self, result=None):
        if not hasattr(sys, "gettotalrefcount") or result is None:
            return super().run(result)
        growth = array.array("q", [0] * REPETITIONS)  # holds no references itself
        for n in range(REPETITIONS):
            gc.collect()
            before = sys.gettotalrefcount()
            super().run(result)
            gc.collect()
            growth[n] = sys.gettotalrefcount() - before
            if not result.wasSuccessful():
                return result
        # The first runs fill caches.
        if min(growth[2:]) > 0:
            result.addFailure(self, _failure(f"references are left: {list(growth)}"))
        return result


def _failure(text):
    try:
        raise AssertionError(text)
    except AssertionError:
        return sys.exc_info()
