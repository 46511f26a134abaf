"""What decides the bits of a result, beside its inputs: settings of XLA and of matrix products."""

import os

import jax

DETERMINISTIC_OPS = "--xla_gpu_deterministic_ops=true"
"""XLA: no atomic sums on a GPU, and no kernels chosen by how fast they happen to run."""


def make_deterministic() -> None:
    """Makes this process compute the same bits in every run on the same devices and versions.

    GPUs run deterministic kernels; matrix products and convolutions are float32 throughout
    (`jax_default_matmul_precision` "highest": no TF32 on GPUs, no bfloat16 passes on TPUs), which
    brings GPUs and CPUs as near to each other as the order of sums allows. CPUs are deterministic
    by themselves, for one number of cores.

    Raises:
      ValueError: JAX has computed something already, so that XLA has read its flags.
    """
    flags = os.environ.get("XLA_FLAGS", "")
    if DETERMINISTIC_OPS not in flags.split():
        if _has_computed():
            raise ValueError(
                f"deterministic: JAX has computed already, too late for {DETERMINISTIC_OPS}: ask "
                "for it first, or start with it in XLA_FLAGS"
            )
        os.environ["XLA_FLAGS"] = f"{flags} {DETERMINISTIC_OPS}".strip()
    jax.config.update("jax_default_matmul_precision", "highest")


def _has_computed() -> bool:
    """Whether XLA has read its flags: JAX refuses another number of devices from then on."""
    count = jax.config.jax_num_cpu_devices  # pyright: ignore
    try:
        jax.config.update("jax_num_cpu_devices", max(count, 1) + 1)
    except RuntimeError:
        return True
    jax.config.update("jax_num_cpu_devices", count)
    return False


def numerics() -> dict[str, object]:
    """The settings in force, for the protocol."""
    flags = os.environ.get("XLA_FLAGS", "")
    return {
        "deterministic_ops": DETERMINISTIC_OPS in flags.split(),
        "matmul_precision": jax.config.jax_default_matmul_precision,  # pyright: ignore
        "xla_flags": flags,
    }
