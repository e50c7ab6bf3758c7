"""Writes a .npy file.

usage: make.py FILE.npy EXPRESSION [fortran]

EXPRESSION is Python, with numpy as np and a seeded generator rng; "fortran" stores in Fortran order.
"""

import sys

import numpy as np

rng = np.random.default_rng(7)
array = np.asarray(eval(sys.argv[2]))
if "fortran" in sys.argv[3:]:
    array = np.asfortranarray(array)
np.save(sys.argv[1], array, allow_pickle=True)
