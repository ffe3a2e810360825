#!/usr/bin/env python3
"""The README's table and pictures are what results.json gives; each demand's figure is measured."""

import json
import pathlib
import shutil
import subprocess
import tempfile
import unittest
import xml.dom.minidom

HERE = pathlib.Path(__file__).resolve().parent


class Figures(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()))
        for name in ("README.md", "results.json"):
            shutil.copy(HERE / name, self.folder)

    def draw(self):
        return subprocess.run([str(HERE / "run"), "--draw", "--out", str(self.folder)], text=True,
                              capture_output=True, stdin=subprocess.DEVNULL, timeout=60)

    def change(self, command, key, **values):
        """Puts other values into one line of results.json."""
        path = self.folder / "results.json"
        results = json.loads(path.read_text())
        line = next(one for one in results[command]["lines"] if one["key"] == key)
        line.update(values)
        path.write_text(json.dumps(results))

    def test_the_readme_is_what_the_results_give(self):
        done = self.draw()
        self.assertEqual(done.returncode, 0, done.stderr)
        hint = "run tests/bench/run --draw"
        self.assertEqual((self.folder / "README.md").read_text(),
                         (HERE / "README.md").read_text(), hint)
        made = sorted((self.folder / "pictures").iterdir())
        self.assertEqual([one.name for one in made],
                         sorted(one.name for one in (HERE / "pictures").iterdir()), hint)
        for one in made:
            self.assertEqual(one.read_text(), (HERE / "pictures" / one.name).read_text(), hint)
            self.assertIn(f"pictures/{one.name}", (HERE / "README.md").read_text())
            xml.dom.minidom.parse(str(one))

    def test_every_demand_is_measured(self):
        self.assertNotIn("not measured", (HERE / "README.md").read_text())

    def test_a_figure_that_changes_changes_table_and_verdict(self):
        self.change("library", "size", median=12.5, lowest=12.5, highest=12.5)
        self.draw()
        row = self.row("the shared object")
        self.assertIn("| 12.5 |", row)
        self.assertIn("| yes |", row)
        self.change("library", "size", median=100.5, lowest=100.5, highest=100.5)
        done = self.draw()
        self.assertIn("| **no**", self.row("the shared object"))
        self.assertIn("missed: the shared object", done.stdout)

    def test_a_demand_at_least_is_judged_the_other_way_round(self):
        self.change("drain", "drain", median=14_999_999.0, lowest=1.0, highest=2e7)
        self.draw()
        self.assertIn("| **no**", self.row("ring to private memory"))

    def test_an_upper_bound_is_judged_by_the_worst(self):
        self.change("durable", "alone", median=1.0, lowest=1.0, highest=60.5)
        self.draw()
        self.assertIn("| **no**", self.row("commit to durable where nobody waits"))

    def row(self, what):
        lines = (self.folder / "README.md").read_text().splitlines()
        return next(line for line in lines if line.startswith(f"| {what}"))


if __name__ == "__main__":
    unittest.main()
