"""Copies a state file with one thing wrong: the format version, or the shape of the mean.

usage: damage-state.py IN.safetensors OUT.safetensors version|shapes
"""

import json
import struct
import sys

with open(sys.argv[1], "rb") as file:
    size = struct.unpack("<Q", file.read(8))[0]
    header = json.loads(file.read(size))
    body = file.read()
if sys.argv[3] == "version":
    keys = [key for key in header["__metadata__"] if "version" in key]
    assert len(keys) == 1, header["__metadata__"]
    header["__metadata__"][keys[0]] = "999"
else:
    header["mean"]["shape"] = [1] + header["mean"]["shape"]
text = json.dumps(header).encode()
text += b" " * (-len(text) % 8)
with open(sys.argv[2], "wb") as file:
    file.write(struct.pack("<Q", len(text)) + text + body)
