"""Checks that every C, C++ and CMake block of documents is an excerpt of a file that is built.

usage: check-snippets.py DOCUMENT.md... -- SOURCE...

Indentation, blank lines and lines of three dots (something left out) do not count.
"""

import pathlib
import re
import sys


def lines_of(text):
    return [line.strip() for line in text.splitlines() if line.strip()]


def stands_in(block, source):
    """Whether the lines of the block follow each other in the source, but for what dots leave out."""
    parts, part = [], []
    for line in block:
        if line in ("...", "// ...", "/* ... */", "# ..."):
            parts.append(part)
            part = []
        else:
            part.append(line)
    parts.append(part)
    at = 0
    for part in filter(None, parts):
        places = [i for i in range(at, len(source) - len(part) + 1) if source[i : i + len(part)] == part]
        if not places:
            return False
        at = places[0] + len(part)
    return True


split = sys.argv.index("--")
sources = [lines_of(pathlib.Path(name).read_text()) for name in sys.argv[split + 1 :]]
checked = missing = 0
for name in sys.argv[1:split]:
    text = pathlib.Path(name).read_text()
    for block in re.findall(r"^```(?:c|cpp|cmake)\n(.*?)^```$", text, re.M | re.S):
        checked += 1
        if not any(stands_in(lines_of(block), source) for source in sources):
            missing += 1
            print(f"{name}: this block stands in no example:\n{block}")
print(f"{checked} blocks, {missing} missing")
sys.exit(missing != 0)
