"""Prints one line, "N passed, M failed, K skipped", for the JSON results of a lit run.

usage: summarize-tests.py RESULTS.json
"""

import json
import sys

PASSED = {"PASS", "XFAIL", "FLAKYPASS"}
SKIPPED = {"UNSUPPORTED", "SKIPPED"}
# Tests that a filter left out were not asked for.
LEFT_OUT = {"EXCLUDED"}


def main(path):
    with open(path) as file:
        codes = [test["code"] for test in json.load(file)["tests"]]
    codes = [code for code in codes if code not in LEFT_OUT]
    passed = sum(code in PASSED for code in codes)
    skipped = sum(code in SKIPPED for code in codes)
    failed = len(codes) - passed - skipped
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    # No test at all means that something is wrong with the suite.
    return 1 if failed or not codes else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
