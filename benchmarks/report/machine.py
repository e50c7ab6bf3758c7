"""Describes the machine of a run, as JSON on standard output.

usage: machine.py [--compiler=NAME AND VERSION] [--llvm=VERSION] [--commit=REVISION]
"""

import argparse
import datetime
import json
import os
import platform
import re


def first_match(path, pattern, otherwise="unknown"):
    try:
        with open(path) as file:
            match = re.search(pattern, file.read(), re.MULTILINE)
    except OSError:
        return otherwise
    return match[1].strip() if match else otherwise


def caches():
    found = []
    folder = "/sys/devices/system/cpu/cpu0/cache"
    for index in sorted(os.listdir(folder) if os.path.isdir(folder) else []):
        if not index.startswith("index"):
            continue
        level, kind, size = (first_match(os.path.join(folder, index, name), "(.*)")
                             for name in ["level", "type", "size"])
        if kind != "Instruction":
            found.append(f"L{level} {size}")
    return ", ".join(found) or "unknown"


def describe(options):
    memory = int(first_match("/proc/meminfo", r"^MemTotal:\s+(\d+)", "0"))
    pages = first_match("/sys/kernel/mm/transparent_hugepage/enabled", r"\[(\w+)\]")
    return {
        "date": datetime.date.today().isoformat(),
        "processor": first_match("/proc/cpuinfo", r"^model name\s*:\s*(.*)$"),
        "processors used": str(min(2, len(os.sched_getaffinity(0)))) + f" of {os.cpu_count()}",
        "caches": caches(),
        "memory": f"{memory / (1 << 20):.0f} GiB, large pages: {pages}",
        "system": f"{platform.system()} {platform.release()}",
        "compiler": options.compiler,
        "LLVM": options.llvm,
        "norma": options.commit,
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    for name in ["compiler", "llvm", "commit"]:
        parser.add_argument(f"--{name}", default="unknown")
    print(json.dumps(describe(parser.parse_args()), indent=1))
