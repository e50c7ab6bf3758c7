"""Runs the commands of a document's console blocks and compares what they print.

usage: run-console.py DOCUMENT.md DIRECTORY

The commands run in the directory, with its programs' environment. In what they are to print, "..." stands for
any text within a line and, alone on one, for any number of lines.
"""

import pathlib
import re
import subprocess
import sys

document, directory = sys.argv[1:]
failures = commands = 0
for block in re.findall(r"^```console\n(.*?)^```$", pathlib.Path(document).read_text(), re.M | re.S):
    for step in re.split(r"^\$ ", block, flags=re.M)[1:]:
        # A backslash at its end continues a command.
        command, _, expected = re.sub(r"\\\n\s*", "", step).partition("\n")
        commands += 1
        result = subprocess.run(["bash", "-c", command], cwd=directory, text=True,
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        pattern = "\n".join(map(re.escape, expected.strip().split("\n")))
        pattern = re.sub(r"^\\\.\\\.\\\.$", r"[\\s\\S]*", pattern, flags=re.M).replace(r"\.\.\.", ".*")
        if re.fullmatch(pattern, result.stdout.strip()) is None:
            failures += 1
            print(f"{document}: $ {command}\nexpected:\n{expected}printed:\n{result.stdout}")
print(f"{commands} commands, {failures} failed")
sys.exit(failures != 0)
