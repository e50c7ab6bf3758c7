"""Checks the hot loop of a kernel's assembly, which it reads from standard input.

usage: hot-loop.py LEVEL

LEVEL says what a full vector is: v4 (zmm), v3 (ymm), v2 (xmm) or neon (q). The hot loop is the innermost
loop with the most arithmetic on full vectors of f32. In it there must be

  vectors   some of that
  scalars   none: no floating point arithmetic, load or store of a single element
  spills    none: no access to the stack without an index (arrays on the stack are indexed)
  gathers   none, no scatters, and no loads or stores of single lanes
  calls     none

Says what it found, and fails where one of these does not hold. These are properties,
not sequences: a kernel may change without a change of its test.
"""

import re
import sys

X86_ARITHMETIC = r"^v?(add|sub|mul|fn?m(add|sub)\d+)ps\s.*%"
ARITHMETIC = {
    "v4": X86_ARITHMETIC + r"zmm\d",
    "v3": X86_ARITHMETIC + r"ymm\d",
    "v2": X86_ARITHMETIC + r"xmm\d",
    "neon": r"^f(n?m)?(add|sub|mul|la|ls)\w*\s.*\bv\d+\.4s\b",
}
X86 = {
    "scalar": r"^v?(add|sub|mul|div|mov|max|min|sqrt|fn?m(add|sub)\d+)s[sd]\b",
    "spill": r"(?<![\w)])-?\d*\(%[re]?(sp|bp)\)",
    "gather": r"^v?p?(gather|scatter)|^v?(pinsr|pextr|insertps|extractps)",
    "call": r"^call",
}
NEON = {
    "scalar": r"^(f(n?m)?(add|sub|mul|div|max|min|sqrt|la|ls)\w*|ldu?r|stu?r)\s+[sdh]\d+,",
    "spill": r"\[sp(, #\d+)?\]",
    "gather": r"^(ld|st)1\s+\{.*\}\[\d+\]",
    "call": r"^blr?\b",
}
BRANCH = re.compile(r"^(j\w+|b(\.\w+)?|cbn?z|tbn?z)\s.*?(\.L\w+)$")


def innermost_loops(lines):
    """The instructions of every loop that has no loop inside: from a label to the first branch back to it. What goes
    back from behind that is rare, and has been moved out of the way."""
    labels, instructions = {}, []
    for line in lines:
        line = re.sub(r"\s*(#|//).*$", "", line).strip()
        if label := re.match(r"^(\.L\w+):$", line):
            labels[label[1]] = len(instructions)
        elif line and not line.startswith(".") and not line.endswith(":"):
            instructions.append(line.replace("\t", " "))
    loops = {}
    for at, line in enumerate(instructions):
        branch = BRANCH.match(line)
        if branch and labels.get(branch[3], at + 1) <= at:
            loops.setdefault(labels[branch[3]], at)
    return [instructions[first:last + 1] for first, last in loops.items()
            if not any(first <= a and b <= last for a, b in loops.items() if (a, b) != (first, last))]


def main(level):
    arithmetic = re.compile(ARITHMETIC[level])

    def count(loop):
        return sum(bool(arithmetic.search(line)) for line in loop)

    loop = max(innermost_loops(sys.stdin), key=count, default=[])
    print(f"hot loop: {len(loop)} instructions, {count(loop)} of arithmetic on full vectors")
    wrong = NEON if level == "neon" else X86
    problems = [f"{kind}: {line}" for line in loop for kind, pattern in wrong.items() if re.search(pattern, line)]
    if not count(loop):
        problems.append("no loop over full vectors")
    for problem in problems:
        print(problem)
    if problems:
        print("\n".join(["", *loop]))
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
