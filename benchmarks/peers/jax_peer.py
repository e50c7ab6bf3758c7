"""JAX: jax.jit of the formula. The output of the call before is donated, so that XLA writes to memory it has
already; inputs are views of NumPy's memory where JAX can have them. XLA's pool has as many threads as the
process may use processors, see run.py."""

import time

import jax
import jax.numpy as jnp
import numpy

from harness import EPSILON, MOMENTUM, Unsupported

NAME = "jax"
TYPES = {"f32": jnp.float32, "f64": jnp.float64, "f16": jnp.float16, "bf16": jnp.bfloat16, "u8": jnp.uint8}


class Jax:
    def __init__(self, threads=2):
        jax.config.update("jax_enable_x64", True)
        jax.config.update("jax_enable_compilation_cache", False)

    def version(self):
        return jax.__version__

    def _function(self, case, inputs):
        axes = case.reduced()
        shape = case.broadcast()
        out = TYPES[case.out]
        compute = jnp.float64 if case.dtype == "f64" else jnp.float32

        def per_channel(values):
            return jnp.asarray(values).astype(compute)

        mean, variance, gamma, beta = map(per_channel,
                                          (inputs.mean, inputs.variance, inputs.gamma, inputs.beta))
        if case.work == "moments":
            def function(old, x):
                x = x.astype(compute)
                mean = jnp.mean(x, axis=axes, keepdims=True)
                return mean, jnp.mean(jnp.square(x - mean), axis=axes, keepdims=True)
            return function, ()
        if case.work == "normalize":
            def function(old, x, mean, variance):
                scale = jax.lax.rsqrt(variance).reshape(shape)
                return ((x.astype(compute) - mean.reshape(shape)) * scale).astype(out)
            return function, (mean, variance)
        if case.work == "infer":
            def function(old, x, mean, variance, gamma, beta):
                scale = (gamma * jax.lax.rsqrt(variance + EPSILON)).reshape(shape)
                return ((x - mean.reshape(shape)) * scale + beta.reshape(shape)).astype(out)
            return function, (mean, variance, gamma, beta)
        if case.work == "forward":
            def function(old, x, mean, variance, gamma, beta):
                batch_mean = jnp.mean(x, axis=axes)
                batch_variance = jnp.mean(jnp.square(x - batch_mean.reshape(shape)), axis=axes)
                scale = (gamma * jax.lax.rsqrt(batch_variance + EPSILON)).reshape(shape)
                y = (x - batch_mean.reshape(shape)) * scale + beta.reshape(shape)
                return (y, mean * MOMENTUM + batch_mean * (1 - MOMENTUM),
                        variance * MOMENTUM + batch_variance * (1 - MOMENTUM), batch_mean, batch_variance)
            return function, (mean, variance, gamma, beta)
        if case.work == "backward":
            def function(old, x, dy, mean, invstd, gamma):
                count = x.size / case.channels
                centered = x - mean.reshape(shape)
                dbeta = jnp.sum(dy, axis=axes)
                dot = jnp.sum(dy * centered, axis=axes)
                slope = (invstd * invstd * dot / count).reshape(shape)
                dx = (dy - (dbeta / count).reshape(shape) - centered * slope) * (gamma * invstd).reshape(shape)
                return dx, dot * invstd, dbeta
            x = inputs.x
            means = x.mean(axis=axes, dtype=numpy.float32)
            invstd = 1 / numpy.sqrt(x.var(axis=axes, dtype=numpy.float32) + EPSILON)
            return function, (jnp.asarray(inputs.dy), jnp.asarray(means), jnp.asarray(invstd), gamma)
        raise Unsupported(f"no {case.work} here")

    def _compiled(self, case, inputs):
        """The compiled function, its arguments, and the seconds that tracing and compiling took."""
        function, arguments = self._function(case, inputs)
        arguments = (jnp.asarray(inputs.x), *arguments)
        donates = case.work != "moments"
        old = jnp.zeros(case.shape if donates else (), TYPES[case.out])
        start = time.perf_counter()
        jitted = jax.jit(function, donate_argnums=(0,) if donates else (), keep_unused=True)
        compiled = jitted.lower(old, *arguments).compile()
        return compiled, old, arguments, time.perf_counter() - start

    def prepare(self, case, inputs):
        compiled, old, arguments, _ = self._compiled(case, inputs)
        if case.work == "moments":
            return lambda: jax.block_until_ready(compiled(old, *arguments))
        holder = [old]

        def call():
            result = compiled(holder[0], *arguments)
            jax.block_until_ready(result)
            holder[0] = result[0] if isinstance(result, tuple) else result

        return call

    def compile_seconds(self, case, inputs):
        return self._compiled(case, inputs)[3]
