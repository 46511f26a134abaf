"""How programs are compiled, and kept: in memory those used last, on disk for the next start."""

import functools
import os
from collections.abc import Callable, Hashable
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jaxtyping import PyTree

from audiogen_jax.types import Params

MAX_PROGRAMS = 16
"""Programs that a function keeps in memory, each of about 13 MB for the embedded model: two for
each bucket of clips up to ten seconds. Others are read again from the cache on disk."""
_most = MAX_PROGRAMS


def keep_programs(count: int) -> None:
    """Sets how many programs functions keep that name no limit, for processes that stay."""
    global _most
    _most = count


def use_compile_cache() -> None:
    """Lets jax keep compiled programs in `$XDG_CACHE_HOME/audiogen_jax`, by default in `~/.cache`.

    Nothing is kept where there is no home, or none that can be written to.

    A folder that the user set (`JAX_COMPILATION_CACHE_DIR` or `jax.config`) is left as it is. So
    is the shortest compilation worth keeping (`JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS`), but
    jax's own second would leave out all of a small model, and what runs once around it.
    """
    if "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS" not in os.environ:
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.01)
    if jax.config.jax_compilation_cache_dir is not None:  # pyright: ignore[reportAttributeAccessIssue]
        return
    try:
        base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache").absolute()
    except RuntimeError:  # a user without a home, as in many containers
        return
    folder = base / "audiogen_jax"
    present = next(path for path in (folder, *folder.parents) if path.exists())
    if present.is_dir() and os.access(present, os.W_OK | os.X_OK):
        jax.config.update("jax_compilation_cache_dir", str(folder))


def compiler_options(params: Params) -> dict[str, str | bool]:
    """Options for programs that read these parameters inside a loop.

    XLA's CPU backend moves the widening of half-precision weights out of loops over layers and
    steps, and so would hold a float32 copy of them all: with such weights it shall not.
    """
    narrow = any(leaf.dtype.itemsize < 4 for leaf in jax.tree.leaves(params))
    if not narrow or jax.default_backend() != "cpu":
        return {}
    passes = "while-loop-invariant-code-motion,while-loop-expensive-invariant-code-motion"
    return {"xla_disable_hlo_passes": passes}


class Programs:
    """A jitted function of which the programs that were used last stay in memory.

    `jax.jit` keeps one for every set of shapes, each of some MB, for ever. Here they are dropped
    with all that was traced for them.
    """

    def __init__(self, function: Callable, limit: int | None = None, **options: Any):
        """Nothing is compiled yet.

        Args:
          function: of parameters, whose shapes never change, and of arrays.
          limit: most programs that are kept; None: see `keep_programs`.
          **options: of `jax.jit`.
        """
        self._function, self._limit, self._options = function, limit, options
        self._programs: dict[Hashable, jax.stages.Wrapped] = {}

    def __len__(self) -> int:
        """Programs in memory."""
        return len(self._programs)

    def __call__(self, params: Params, *arguments: PyTree, **static: Hashable) -> PyTree:
        """Runs the program of these shapes and static arguments."""
        leaves, structure = jax.tree.flatten(arguments)
        shapes = tuple((np.shape(leaf), getattr(leaf, "dtype", type(leaf))) for leaf in leaves)
        key = (structure, shapes, tuple(sorted(static.items())))
        program = self._programs.pop(key, None) or self._jit(static)
        self._programs[key] = program  # the last one is the one used last
        while len(self._programs) > (_most if self._limit is None else self._limit):
            self._programs.pop(next(iter(self._programs))).clear_cache()  # pyright: ignore
        return program(params, *arguments)

    def lower(self, params: Params, *arguments: PyTree, **static: Hashable) -> jax.stages.Lowered:
        """The program of some shapes, not compiled and not kept."""
        return self._jit(static).lower(params, *arguments)

    def _jit(self, static: dict[str, Hashable]) -> jax.stages.Wrapped:
        return jax.jit(functools.partial(self._function, **static), **self._options)
