"""Tests of the report generator on results that are written here.

usage: check-report.py FOLDER_OF_REPORT_PY
"""

import json
import os
import subprocess
import sys
import tempfile
import unittest

FOLDER = sys.argv.pop(1)
sys.path.insert(0, FOLDER)

import plots  # noqa: E402
import results  # noqa: E402
import tables  # noqa: E402

REPORT = os.path.join(FOLDER, "report.py")


def case(name, room="memory", goal=0.95, **more):
    family, work, form, dtype, shape = name.split("/")
    extents = [int(extent) for extent in shape.split("x")]
    return {"name": name, "family": family, "work": work, "form": form, "shape": extents, "kept": [1], "in": dtype,
            "out": dtype, "bytes": 1000000, "footprint": 1 << 20, "room": room, "goal": goal, "quick": True,
            "peers": True, **more}


def row(name, seconds, limit_seconds, **more):
    return {"name": f"{name}/iterations:3/manual_time", "seconds": seconds, "limit_seconds": limit_seconds,
            "ratio": limit_seconds / seconds, "bytes": 1e6, **more}


MAP, SMALL_MAP = "map/normalize/RK/f32/1000x13", "map/normalize/RK/f32/10x13"
ADAPT = "reduce/moments/RK/f32/1000x13"
CASES = {"caches": {"l1": 1 << 15, "l2": 1 << 20, "last_level": 1 << 25},
         "cases": [case(MAP), case(SMALL_MAP, "L2", 0.85, footprint=1 << 12), case(ADAPT, goal=0.9)]}
NORMA = {"benchmarks": [
    row(f"{MAP}/t1", 4e-5, 2e-5), row(f"{MAP}/t2", 2e-5, 2e-5), row(f"{SMALL_MAP}/t2", 2e-6, 1e-6),
    row(f"{ADAPT}/t2", 1e-5, 1e-5),
    {"name": "reduce/moments/RK/f32/7x13/t1/iterations:3", "error_occurred": True, "error_message": "no memory"},
    {"name": "compile/affine/RK/f32/13/iterations:3/manual_time", "seconds": 6e-3, "lower_seconds": 3e-3,
     "codegen_seconds": 2e-3, "load_seconds": 1e-3},
    {"name": "call/1x13/t1/iterations:3/manual_time", "seconds": 1.2e-7, "kernel_seconds": 4e-8,
     "overhead_seconds": 8e-8, "threads": 1}]}
PEERS = {"versions": {"norma": "1.0", "numpy": "2.0", "scikit-learn": "1.9"}, "missing": {"torch": "not installed"},
         "results": [{"case": MAP, "seconds": {"norma": 2e-5, "numpy": 1e-4, "scikit-learn": 6e-5}},
                     {"case": ADAPT, "seconds": {"norma": 1e-5, "scikit-learn": 1e-4}}],
         "compilations": [{"case": MAP, "seconds": {"norma": 5e-3, "jax": 6e-2}}]}


class ReportTest(unittest.TestCase):
    def setUp(self):
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.folder = temporary.name
        for name, content in [("cases", CASES), ("norma-map", NORMA), ("peers", PEERS), ("machine", {"processor": "X"})]:
            self.write(f"{name}.json", json.dumps(content))

    def path(self, name):
        return os.path.join(self.folder, name)

    def write(self, name, text):
        with open(self.path(name), "w") as file:
            file.write(text)

    def read(self, name):
        with open(self.path(name)) as file:
            return file.read()

    def report(self, *arguments, status=0):
        ran = subprocess.run([sys.executable, REPORT, self.folder, "--no-plots", *arguments], capture_output=True,
                             text=True)
        self.assertEqual(ran.returncode, status, ran.stderr)
        return ran.stderr

    def goal(self, goals, what):
        return next(goal for goal in goals if goal.what == what)

    def test_goals_beside_the_limit(self):
        goals = results.limit_goals(results.Results(self.folder))
        self.assertTrue(self.goal(goals, "map, data in memory").met)
        small = self.goal(goals, "map, data in L2")
        self.assertFalse(small.met)
        self.assertEqual((small.worst, small.worst_name), (0.5, SMALL_MAP))

    def test_goals_of_threads_and_costs(self):
        loaded = results.Results(self.folder)
        # Twice as fast with two threads, in memory.
        self.assertEqual(self.goal(results.thread_goals(loaded), "two threads, memory").worst, 2)
        costs = results.cost_goals(loaded)
        self.assertFalse(self.goal(costs, "cold compile").met)
        self.assertTrue(self.goal(costs, "cold compile, LLVM's part").met)
        self.assertTrue(self.goal(costs, "call of a layer, beside its kernel").met)

    def test_goals_beside_peers(self):
        goals = results.peer_goals(results.Results(self.folder))
        self.assertAlmostEqual(self.goal(goals, "map, against the best peer").worst, 3)
        self.assertAlmostEqual(self.goal(goals, "map, against the median peer").worst, 4)
        adapt = self.goal(goals, "adapt, against scikit-learn")
        self.assertAlmostEqual(adapt.worst, 10)
        self.assertFalse(adapt.met)
        self.assertTrue(self.goal(goals, "cold compile, against jax").met)

    def test_tables(self):
        loaded = results.Results(self.folder)
        text = tables.everything(loaded)
        self.assertIn(f"| `{SMALL_MAP}` | 2 | 4 KiB | L2 | 2 us | 500.0 | 1000.0 | 0.50 | 0.85 | **not met** |", text)
        self.assertIn("| `reduce/moments/RK/f32/7x13/t1` |".replace("`", ""), text)
        self.assertIn("left out: not installed", text)
        self.assertEqual(tables.weakest(loaded)[0].name, MAP)
        self.assertEqual(tables.weakest(loaded)[1].name, SMALL_MAP)

    def test_limit_without_speedup_is_told(self):
        loaded = results.Results(self.folder)
        self.assertEqual(tables.limit_speedup_text(loaded), "")  # in memory, nothing is expected
        for m in loaded.measurements:
            m.case["room"] = "last-level"
        self.assertIn("1.00 x in the median", tables.limit_speedup_text(loaded))

    def test_series(self):
        loaded = results.Results(self.folder)
        lines = plots.series(loaded, "normalize", lambda c: c["shape"][1:] == [13])
        self.assertEqual([size for size, _ in lines["norma"]], [1 << 12, 1 << 20])
        self.assertAlmostEqual(lines["numpy"][0][1], 10)

    def test_page_keeps_what_is_hand_written(self):
        page = self.path("page.md")
        self.report(f"--page={page}")
        first = self.read("page.md")
        self.assertIn("Nothing is written here yet.", first)
        self.write("page.md", first.replace("Nothing is written here yet.", "Two lines\nof reasons."))
        self.report(f"--page={page}")
        self.assertEqual(self.read("page.md").count("Two lines\nof reasons."), 1)
        self.assertEqual(self.read("page.md").replace("Two lines\nof reasons.", "Nothing is written here yet."), first)

    def test_page_without_markers_is_not_overwritten(self):
        self.write("page.md", "mine\n")
        self.assertIn("markers", self.report(f"--page={self.path('page.md')}", status=1))
        self.assertEqual(self.read("page.md"), "mine\n")

    def test_nothing_measured(self):
        self.write("norma-map.json", json.dumps({"benchmarks": []}))
        self.assertIn("no measurements", self.report(status=1))


if __name__ == "__main__":
    unittest.main(verbosity=2)
