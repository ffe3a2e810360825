"""A report as a browser shows it, once it has verified itself."""

import html
import os
import pathlib
import re
import shutil
import subprocess

SCREENSHOTS = pathlib.Path(
    os.environ.get("XASE_BUILD")
    or pathlib.Path(__file__).resolve().parents[2] / "build") / "screenshots"


class Page:
    """What the page says once it has verified itself."""

    def __init__(self, test, path, fragment=""):
        self.url = f"{path.as_uri()}{fragment}"
        self.profile = test.folder / "chromium"
        done = self.browse("--virtual-time-budget=120000", "--dump-dom")
        test.assertEqual(done.returncode, 0, done.stderr)
        self.dom = done.stdout
        root = re.search(r"<html[^>]*>", self.dom)[0]
        self.told = {name: html.unescape(value)
                     for name, value in re.findall(r'data-([a-z-]+)="([^"]*)"', root)}
        self.rows = {int(sequence): verdict for sequence, verdict in re.findall(
            r'data-sequence="(\d+)" data-verdict="(\w+)"', self.dom)}
        test.assertIn('aria-busy="false"', self.dom, done.stderr)

    def browse(self, *options):
        chromium = shutil.which("chromium") or shutil.which("chromium-browser")
        if chromium is None:
            raise AssertionError("no chromium: deploy/install-deps --tests")
        return subprocess.run(
            [chromium, "--headless=new", "--no-sandbox", "--disable-gpu",
             "--disable-dev-shm-usage", "--hide-scrollbars", "--no-first-run",
             f"--user-data-dir={self.profile}", *options, self.url],
            text=True, capture_output=True, timeout=240, stdin=subprocess.DEVNULL)

    def screenshot(self, name, size):
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        path = SCREENSHOTS / f"{name}.png"
        path.unlink(missing_ok=True)
        done = self.browse("--virtual-time-budget=120000", f"--window-size={size}",
                           f"--screenshot={path}")
        if not path.is_file() or path.stat().st_size < 20_000:
            raise AssertionError(f"no screenshot: {done.stderr[-2000:]}")

    def failed(self):
        return sorted(sequence for sequence, verdict in self.rows.items() if verdict == "failed")
