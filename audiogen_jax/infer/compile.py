"""How programs are compiled, and kept on disk for the next start."""

import os
from pathlib import Path

import jax

from audiogen_jax.types import Params


def use_compile_cache() -> None:
    """Lets jax keep compiled programs in `$XDG_CACHE_HOME/audiogen_jax`, by default in `~/.cache`.

    Nothing is kept where there is no home, or none that can be written to.

    A folder that the user set (`JAX_COMPILATION_CACHE_DIR` or `jax.config`) is left as it is. So
    is the shortest compilation worth keeping (`JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS`), but
    jax's own second would leave out conditioning and decoding of small models.
    """
    if "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS" not in os.environ:
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.1)
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
