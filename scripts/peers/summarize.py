"""Prints how close norma is to the other libraries, as the table of README.md.

usage: RuntimeTests --gtest_filter='Peers/*' --gtest_output=json:RESULTS.json
       summarize.py RESULTS.json
"""

import json
import pathlib
import sys

DATA = pathlib.Path(__file__).resolve().parents[2] / "unittests/Runtime/data/batch_norm_peers"
# Where a result is f64, it is compared with other digits.
TYPES = (("f32", ("f32", "i32")), ("f64", ("f64",)), ("f16, bf16", ("f16", "bf16")))
COLUMNS = ("y", "gradients", "state")


def read_differences(path):
    """The properties of every test by its name."""
    with open(path) as file:
        suites = json.load(file)["testsuites"]
    tests = [test for suite in suites for test in suite["testsuite"]]
    failed = [test["name"] for test in tests if test.get("failures")]
    if failed or not tests:
        sys.exit(f"summarize.py: error: {len(tests)} tests in {path}, {len(failed)} of them failed")
    return {test["name"].removeprefix("ReturnTheSame/"): test for test in tests}


def row(peer, library, name, cases, tests):
    def worst(column):
        values = [float(tests[f"{peer}_{case['case']}"].get(column, "nan")) for case in cases]
        values = [value for value in values if value == value]
        return "-" if not values else f"{max(values):.0e}".replace("e-0", "e-") if any(values) else "0"

    return f"| {library} | {name} | {len(cases)} | {' | '.join(worst(column) for column in COLUMNS)} |"


def main(path):
    tests = read_differences(path)
    print("| library | type | cases | y | gradients | state |\n| --- | --- | ---: | ---: | ---: | ---: |")
    for file in sorted(DATA.glob("*.json")):
        document = json.loads(file.read_text())
        cases = [case for case in document["cases"] if "difference" not in case]
        for name, dtypes in TYPES:
            chosen = [case for case in cases if case["dtype"] in dtypes]
            if chosen:
                print(row(file.stem, document["library"], name, chosen, tests))


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(sys.argv[1])
