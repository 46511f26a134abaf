"""Compiled programs kept on disk, so that the second start of a command is quick."""

import os
from pathlib import Path

import jax


def use_compile_cache() -> None:
    """Lets jax keep compiled programs in `$XDG_CACHE_HOME/audiogen_jax`, by default in `~/.cache`.

    A folder that the user set (`JAX_COMPILATION_CACHE_DIR` or `jax.config`) is left as it is.
    """
    if jax.config.jax_compilation_cache_dir is not None:
        return
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    jax.config.update("jax_compilation_cache_dir", str(base / "audiogen_jax"))
