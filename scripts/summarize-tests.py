"""Prints one line, "N passed, M failed, K skipped", for a lit run.

usage: summarize-tests.py RESULTS.json OUTPUT.log

The results hold what was run. GoogleTests that skip themselves are not among them; lit's printed summary counts those.
"""

import json
import re
import sys

PASSED = {"PASS", "XFAIL", "FLAKYPASS"}
SKIPPED = {"UNSUPPORTED"}
# Tests that a filter left out were not asked for.
LEFT_OUT = {"EXCLUDED"}


def main(results, log):
    with open(log) as file:
        skipped_themselves = sum(int(n) for n in re.findall(r"^ *Skipped *: *(\d+)", file.read(), re.MULTILINE))
    with open(results) as file:
        codes = [test["code"] for test in json.load(file)["tests"]]
    codes = [code for code in codes if code not in LEFT_OUT]
    passed = sum(code in PASSED for code in codes)
    skipped = sum(code in SKIPPED for code in codes)
    failed = len(codes) - passed - skipped
    skipped += skipped_themselves
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    # No test at all means that something is wrong with the suite.
    return 1 if failed or not codes else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
