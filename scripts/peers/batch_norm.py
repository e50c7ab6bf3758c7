"""Runs batch normalization in other libraries and writes what they return as test data.

usage: batch_norm.py [PEER...]    all of them without arguments; see README.md
"""

import os
import subprocess
import sys

# A process each: a backend of Keras is chosen when it is imported.
PEERS = {
    "tf_keras": "tf_keras_cases",
    "tf_keras_synchronized": "synchronized_cases",
    "keras_tensorflow": "keras_cases",
    "keras_jax": "keras_cases",
    "keras_torch": "keras_cases",
    "keras_numpy": "keras_cases",
    "torch": "torch_cases",
    "onnxruntime": "onnx_cases",
    "onnx_reference": "onnx_cases",
}


def main(names):
    unknown = [name for name in names if name not in PEERS]
    if unknown:
        sys.exit(f"batch_norm.py: error: unknown peer '{unknown[0]}', expected one of {', '.join(PEERS)}")
    if len(names) == 1:
        os.environ["PEER"] = names[0]
        __import__(PEERS[names[0]]).run()
        return
    for name in names or PEERS:
        subprocess.run([sys.executable, __file__, name], check=True)


if __name__ == "__main__":
    main(sys.argv[1:])
