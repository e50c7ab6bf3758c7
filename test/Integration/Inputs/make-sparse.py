"""Writes a .npy file of zeros (u8, C order) that takes no room on the disk.

usage: make-sparse.py FILE.npy EXTENT...
"""

import math
import sys

import numpy as np

shape = tuple(int(extent) for extent in sys.argv[2:])
with open(sys.argv[1], "wb") as file:
    np.lib.format.write_array_header_1_0(
        file, {"descr": "|u1", "fortran_order": False, "shape": shape})
    file.truncate(file.tell() + math.prod(shape))
