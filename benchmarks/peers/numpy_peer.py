"""NumPy as a careful user writes it: blocks of rows that stay in the second-level cache between the
operations, results in place, and two Python threads (ufuncs release the interpreter's lock)."""

from concurrent.futures import ThreadPoolExecutor

import numpy

from harness import EPSILON, Unsupported

NAME = "numpy"
BLOCK_BYTES = 256 << 10


class NumPy:
    def __init__(self, threads=2):
        self.threads = threads
        self.pool = ThreadPoolExecutor(threads)

    def version(self):
        return numpy.__version__

    def _in_blocks(self, rows, row_bytes, body):
        """Returns body's results for blocks of rows, every thread taking one contiguous part."""
        step = max(1, BLOCK_BYTES // max(1, row_bytes))
        blocks = [(begin, min(rows, begin + step)) for begin in range(0, rows, step)]
        if len(blocks) < 2 * self.threads:
            return [body(*block) for block in blocks]
        cut = len(blocks) // 2
        parts = self.pool.map(lambda part: [body(*block) for block in part], [blocks[:cut], blocks[cut:]])
        return [result for part in parts for result in part]

    def prepare(self, case, inputs):
        if "f16" in case.dtype + case.out or case.family in ("train", "gradient"):
            raise Unsupported("not what NumPy is used for")
        x, y = inputs.x, inputs.y
        row_bytes = x[0].nbytes
        if case.work == "moments":
            return lambda: self._moments(case, x, row_bytes)
        deviation = numpy.sqrt(inputs.variance + (EPSILON if case.work == "infer" else 0))
        shape = case.broadcast()
        mean = inputs.mean.astype(y.dtype).reshape(shape)
        scale = (1 / deviation if case.work == "normalize" else inputs.gamma / deviation)
        scale = scale.astype(y.dtype).reshape(shape)
        beta = inputs.beta.astype(y.dtype).reshape(shape)

        def block(begin, end):
            part = y[begin:end]
            numpy.subtract(x[begin:end], mean, out=part, dtype=y.dtype)
            part *= scale
            if case.work == "infer":
                part += beta

        return lambda: self._in_blocks(x.shape[0], row_bytes, block)

    def _moments(self, case, x, row_bytes):
        # Sums of a block in its own type, of blocks in f64; deviations from the mean of the first block.
        axes = case.reduced()
        count = x.size // case.channels
        origin = x[: max(1, BLOCK_BYTES // row_bytes)].mean(axis=axes, keepdims=True, dtype=numpy.float32)

        def block(begin, end):
            deviations = x[begin:end] - origin
            first = deviations.sum(axis=axes, dtype=deviations.dtype)
            numpy.multiply(deviations, deviations, out=deviations)
            return first, deviations.sum(axis=axes, dtype=deviations.dtype)

        results = self._in_blocks(x.shape[0], row_bytes, block)
        first = numpy.sum([result[0] for result in results], axis=0, dtype=numpy.float64) / count
        second = numpy.sum([result[1] for result in results], axis=0, dtype=numpy.float64) / count
        return origin.reshape(-1) + first, second - first * first
