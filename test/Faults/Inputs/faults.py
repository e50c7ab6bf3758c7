"""Runs a command of norma once for every file call it makes and every way that call can fail.

usage: faults.py LIBRARY NORMA FOLDER SCENARIO [--exhaustive]

LIBRARY is libnorma_faults.so; FOLDER is made anew. Without --exhaustive, calls that do not change a file are made to
fail in one way each, and interruptions hit all calls of a name at once. The calls are counted in a run without a fault, whose output is
what later runs have to write, too, or nothing: after a failure the file that was there before is still there, bit for
bit, there is one message that names a file, and no temporary file is left. A killed process may leave one, which
does not disturb the next.
"""

import os
import pathlib
import shutil
import signal
import subprocess
import sys

import numpy as np

# What is tried at each call.
FAULTS = {
    "open": ["EMFILE", "EACCES", "EINTR", "kill"],
    "read": ["EIO", "EINTR", "short", "flip", "kill"],
    "write": ["ENOSPC", "EIO", "EINTR", "short", "half", "kill"],
    "fsync": ["EIO", "EINTR", "EINVAL", "kill"],
    "close": ["EIO", "EINTR", "kill"],
    "rename": ["EIO", "ENOSPC", "kill"],
    "unlink": ["EIO", "kill"],
    "mkdir": ["EACCES", "ENOSPC", "kill"],
    "stat": ["EIO", "kill"],
    "mmap": ["ENOMEM", "kill"],
    "lock": ["ENOLCK", "EINTR", "kill"],
}
# What is tried at all calls of a name at once.
ALWAYS = ["open:*:EINTR", "read:*:EINTR", "read:*:short", "read:*:EIO", "write:*:EINTR", "write:*:short",
          "write:*:ENOSPC", "fsync:*:EINTR", "close:*:EINTR"]
# All that is tried in a hurry at calls that change nothing; they are not killed either.
READING = {"open": ["EMFILE"], "read": ["EIO"], "stat": ["EIO"], "mmap": ["ENOMEM"]}
EXHAUSTIVE = "--exhaustive" in sys.argv[5:]
LIBRARY, NORMA, FOLDER = (os.path.abspath(path) for path in sys.argv[1:4])
ROOT = pathlib.Path(FOLDER)
OUTPUT = ROOT / "out"
CACHE = ROOT / "cache"


class Scenario:
    """A command in a folder with in/, out/ and cache/, and which of its files' calls are to fail."""

    cache = False  # those of the kernel cache, or those of the data
    cold = False  # the cache does not exist yet
    in_place = False  # the file is changed where it is
    output = "out.safetensors"
    old = b"what was there before"

    def prepare(self):
        """Writes the inputs."""

    def command(self):
        """The arguments of norma."""

    def save(self, name, array):
        np.save(ROOT / "in" / name, array)
        return self

    def learn(self, data, state):
        norma("adapt", "--data", f"{ROOT}/in/{data}", "-o", f"{ROOT}/in/{state}")


class Adapt(Scenario):
    def prepare(self):
        rng = np.random.default_rng(7)
        self.save("a.npy", rng.normal(size=(500, 3)).astype("f4")).save("b.npy", rng.normal(size=(300, 3)))
        # Broadcast along the rows, so that they are mapped.
        self.save("weights.npy", rng.random((1, 3)))

    def command(self):
        return ["adapt", "--data", f"{ROOT}/in/a.npy", "--data", f"{ROOT}/in/b.npy", "--weights",
                f"{ROOT}/in/weights.npy", "--weights", f"{ROOT}/in/weights.npy", "-o", f"{OUTPUT}/{self.output}"]


class Resume(Scenario):
    """Adds data to a state in its own place."""

    def prepare(self):
        rng = np.random.default_rng(7)
        self.save("a.npy", rng.normal(size=(50, 3))).save("b.npy", rng.normal(size=(30, 3)))
        self.learn("a.npy", "a.safetensors")
        self.old = (ROOT / "in" / "a.safetensors").read_bytes()

    def command(self):
        state = f"{OUTPUT}/{self.output}"
        return ["adapt", "--data", f"{ROOT}/in/b.npy", "--resume", state, "-o", state]


class Merge(Scenario):
    def prepare(self):
        rng = np.random.default_rng(7)
        for name in "ab":
            self.save(f"{name}.npy", rng.normal(size=(50, 3)))
            self.learn(f"{name}.npy", f"{name}.safetensors")

    def command(self):
        return ["merge", f"{ROOT}/in/a.safetensors", f"{ROOT}/in/b.safetensors", "-o", f"{OUTPUT}/{self.output}"]


class Apply(Scenario):
    output = "out.npy"
    rows = 1_200_000  # two pieces

    def prepare(self):
        rng = np.random.default_rng(7)
        self.save("x.npy", rng.integers(-100, 100, (self.rows, 2), dtype="i1"))
        self.learn("x.npy", "x.safetensors")

    def command(self):
        return ["apply", "--state", f"{ROOT}/in/x.safetensors", "--data", f"{ROOT}/in/x.npy", "-o",
                f"{OUTPUT}/{self.output}"]


class InPlace(Scenario):
    output = "x.npy"
    in_place = True

    def prepare(self):
        self.save("x.npy", np.random.default_rng(7).normal(size=(1_200_000, 1)))
        self.learn("x.npy", "x.safetensors")
        self.old = (ROOT / "in" / "x.npy").read_bytes()

    def command(self):
        return ["apply", "--state", f"{ROOT}/in/x.safetensors", "--data", f"{OUTPUT}/{self.output}", "--in-place"]


class Compile(Scenario):
    output = "out.o"

    def prepare(self):
        shutil.copy(pathlib.Path(__file__).parents[3] / "examples" / "mlir" / "standardize.mlir", ROOT / "in")

    def command(self):
        return ["compile", f"{ROOT}/in/standardize.mlir", "-o", f"{OUTPUT}/{self.output}"]


class WarmCache(Apply):
    rows = 1_000
    cache = True

    def command(self):
        return super().command() + ["--explain"]


class ColdCache(WarmCache):
    cold = True


class Run:
    """One run of the command, and the calls it made: (name, whether it was made to fail, path)."""

    def __init__(self, arguments, fault=""):
        self.fault = fault
        trace = ROOT / "trace"
        trace.unlink(missing_ok=True)
        environment = dict(os.environ, LD_PRELOAD=LIBRARY, NORMA_FAULTS_IN=str(ROOT), NORMA_FAULTS=fault,
                           NORMA_FAULTS_TRACE=str(trace), NORMA_CACHE_DIR=str(CACHE))
        done = subprocess.run([NORMA, *arguments], env=environment, capture_output=True, text=True, timeout=60)
        self.code, self.stdout, self.stderr = done.returncode, done.stdout, done.stderr
        self.calls = []
        for line in trace.read_text().splitlines() if trace.exists() else []:
            name, path = line.split(" ", 1)
            self.calls.append((name.rstrip("!"), name.endswith("!"), path))

    def failed_calls(self):
        return [(name, path) for name, failed, path in self.calls if failed]

    def check(self, holds, what):
        if not holds:
            sys.exit(f"{self.fault or 'no fault'}: {what}\ncalls made to fail: {self.failed_calls()}\n"
                     f"exit code {self.code}\n{self.stdout}{self.stderr}")


def norma(*arguments):
    environment = dict(os.environ, NORMA_CACHE_DIR=str(CACHE))
    subprocess.run([NORMA, *arguments], env=environment, check=True, capture_output=True)


def role(path):
    if path == str(CACHE) or path.startswith(f"{CACHE}/"):
        return "cache"
    if path.rstrip("/.") == str(OUTPUT):
        return "directory"
    return "temporary" if os.path.basename(path).startswith(".") else "data"


def is_harmless(name, path, what):
    """Whether the run has to succeed; None where it may."""
    kind = role(path)
    if what in ("short", "EINTR") or kind == "cache":
        return True
    if name == "fsync" and kind == "directory":
        return what == "EINVAL"  # a file system that cannot do it
    if name == "open" and kind == "directory":
        return True
    if name == "close":
        return None if SCENARIO.in_place else kind != "temporary"
    # A file whose existence alone is in question.
    return None if name == "stat" else False


def restore():
    """The state before every run."""
    for folder in (OUTPUT, CACHE):
        shutil.rmtree(folder, ignore_errors=True)
    OUTPUT.mkdir()
    (OUTPUT / SCENARIO.output).write_bytes(SCENARIO.old)
    if not SCENARIO.cold:
        shutil.copytree(ROOT / "warm", CACHE)


def check_output(run, expected):
    """What was there, or what should be; the new file exactly when its rename was done."""
    content = (OUTPUT / SCENARIO.output).read_bytes()
    if SCENARIO.in_place:
        run.check(content == expected if run.code == 0 else len(content) == len(expected), "the file is another")
        return
    renamed = any(name == "rename" and not failed and path == f"{OUTPUT}/{SCENARIO.output}"
                  for name, failed, path in run.calls)
    run.check(run.code != 0 or renamed, "it succeeded and wrote nothing")
    run.check(content == (expected if renamed else SCENARIO.old),
              "the output is neither the old nor the new file" if content not in (expected, SCENARIO.old) else
              f"the output is the {'old' if renamed else 'new'} file")


def left_over():
    folders = [OUTPUT] + ([CACHE] if CACHE.exists() else [])
    return [path for folder in folders for path in folder.iterdir() if path.name.startswith(".")]


def check_run(fault, expected):
    restore()
    run = Run(SCENARIO.command(), fault)
    what = fault.rsplit(":", 1)[1]
    failed = run.failed_calls()
    check_output(run, expected)
    if what in ("kill", "half"):
        # Another thread may have ended the process before the call came.
        run.check(run.code == -signal.SIGKILL and len(failed) == 1, "it was not killed")
        opened = {path for name, _, path in run.calls if name in ("open", "write")}
        run.check(all(str(path) in opened for path in left_over()), f"left over: {left_over()}")
    else:
        run.check(run.code in (0, 1), "it crashed")
        run.check(not left_over(), f"left over: {left_over()}")
        verdicts = {is_harmless(name, path, what) for name, path in failed}
        run.check(run.code == 0 or verdicts != {True}, "it failed where nothing was lost")
        run.check(run.code == 1 or False not in verdicts, "it did not notice")
    if run.code == 1:
        lines = run.stderr.splitlines()
        run.check(len(lines) == 1 and lines[0].startswith("norma: error: "), "expected one message")
        names = {SCENARIO.output} | {os.path.basename(path) for _, path in failed}
        run.check(any(name in lines[0] for name in names), f"the message names none of {names}")
        run.check("wrote" not in run.stdout, "it says that it wrote")
    elif run.code == 0:
        run.check(SCENARIO.cache or run.stderr == "", "expected no message")
    if what == "flip":
        run.check("is not used" in run.stderr, "it used what it read")
    if run.code < 0 or SCENARIO.cache:
        check_next(run, expected)


def check_next(before, expected):
    """A run without faults, in what the one before left."""
    if SCENARIO.in_place:
        return
    left = left_over()
    (OUTPUT / SCENARIO.output).write_bytes(SCENARIO.old)
    run = Run(SCENARIO.command())
    run.check(run.code == 0, f"the run after {before.fault} failed")
    check_output(run, expected)
    run.check(left_over() == left, f"left over after {before.fault}: {left_over()}")
    if SCENARIO.cache:
        norma("cache", "verify")


def faults_at(name, path):
    faults = FAULTS[name]
    if not EXHAUSTIVE:
        changes = name in ("write", "fsync", "rename", "unlink", "mkdir") or role(path) in ("temporary", "cache")
        faults = [what for what in faults if what != "EINTR"] if changes else READING.get(name, [])
    # Data have no checksum; an unflushed directory is another call than an unflushed file.
    return [what for what in faults if (what != "flip" or SCENARIO.cache) and
            (what != "EINVAL" or role(path) == "directory")]


def faults_of(reference):
    """Every fault that can hit a call of the reference run."""
    counts = {}
    for name, _, path in reference.calls:
        counts[name] = counts.get(name, 0) + 1
        if (role(path) == "cache") != SCENARIO.cache:
            continue
        for what in faults_at(name, path):
            yield f"{name}:{counts[name]}:{what}"
    yield from (fault for fault in ALWAYS if fault.split(":")[0] in counts)


def main():
    shutil.rmtree(ROOT, ignore_errors=True)
    for folder in ("in", "out", "warm"):
        (ROOT / folder).mkdir(parents=True, mode=0o700)
    SCENARIO.prepare()
    restore()
    # Fills the cache.
    run = Run(SCENARIO.command())
    run.check(run.code == 0, "expected success")
    if not SCENARIO.cold and CACHE.exists():
        shutil.rmtree(ROOT / "warm")
        shutil.copytree(CACHE, ROOT / "warm")
    restore()
    reference = Run(SCENARIO.command())
    reference.check(reference.code == 0, "expected success")
    expected = (OUTPUT / SCENARIO.output).read_bytes()
    reference.check(expected != SCENARIO.old, "it changed nothing")
    faults = list(faults_of(reference))
    for fault in faults:
        check_run(fault, expected)
    print(f"{sys.argv[4]}: {len(reference.calls)} calls, {len(faults)} faults survived")
    shutil.rmtree(ROOT)


SCENARIO = {"adapt": Adapt, "resume": Resume, "merge": Merge, "apply": Apply, "in-place": InPlace, "compile": Compile,
            "warm-cache": WarmCache, "cold-cache": ColdCache}[sys.argv[4]]()
main()
