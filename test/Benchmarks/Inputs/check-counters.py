"""Checks that every benchmark of a file has counters that are there and not negative.

usage: check-counters.py FILE.json COUNTER...
"""

import json
import sys

with open(sys.argv[1]) as file:
    rows = json.load(file)["benchmarks"]
if not rows:
    sys.exit("no benchmark was run")
for row in rows:
    if row.get("error_occurred"):
        sys.exit(f"{row['name']}: {row['error_message']}")
    for counter in sys.argv[2:]:
        if not row[counter] >= 0:
            sys.exit(f"{row['name']}: {counter} is {row.get(counter)}")
