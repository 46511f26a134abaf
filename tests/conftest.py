"""Eight CPU devices, full float32 matmuls and a compile cache, set before any test uses jax."""

from pathlib import Path

import hypothesis
import jax

CACHE = Path(__file__).parent.parent / ".pytest_cache" / "jax"

jax.config.update("jax_num_cpu_devices", 8)
jax.config.update("jax_default_matmul_precision", "highest")
jax.config.update("jax_compilation_cache_dir", str(CACHE))
jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.5)

# First calls compile, so a deadline per example would measure XLA; derandomised to be repeatable.
hypothesis.settings.register_profile(
    "audiogen", deadline=None, max_examples=50, derandomize=True, print_blob=True
)
hypothesis.settings.load_profile("audiogen")
