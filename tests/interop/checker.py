"""Go programs that check our evidence, built offline."""

import os
import pathlib
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
BUILD = pathlib.Path(os.environ["XASE_BUILD"])


def run(*command, **options):
    return subprocess.run(
        [str(part) for part in command], text=True, capture_output=True, timeout=300,
        stdin=subprocess.DEVNULL, **options)


def build_checker(folder, name):
    """Debian's golang-golang-x-mod-dev is a GOPATH of its own."""
    program = folder / name
    environment = dict(
        os.environ, GO111MODULE="off", GOPATH="/usr/share/gocode", GOFLAGS="", GOPROXY="off",
        GOCACHE=str(BUILD / "go-cache"))
    done = run("go", "build", "-o", program, HERE / f"{name}.go", env=environment)
    if done.returncode != 0:
        sys.exit(f"go build failed (deploy/install-deps --tests brings what it needs):\n{done.stderr}")
    return program
