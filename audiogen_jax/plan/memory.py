"""What a compiled program needs on one device, and whether that fits."""

import math
from typing import Any

import jax

from audiogen_jax.hardware import Chip
from audiogen_jax.plan.hlo import ProgramCost
from audiogen_jax.types import Device, Params

Shapes = Any
"""A tree of `jax.ShapeDtypeStruct`."""

ADVICE = {
    "parameters_and_optimizer": "more mesh.fsdp, or sharding=fsdp",
    "parameters": "dtype=bfloat16, or cut over the chips (--sharding fsdp of `audiogen generate`)",
    "working": "a smaller --batch; for training also accumulate=2 or remat='nothing_saveable'",
}
"""Term of the memory -> what makes it smaller."""


class DoesNotFitError(ValueError):
    """The plan needs more memory than a device has."""


def placed(tree: Shapes, shardings: Any) -> Shapes:
    """The same shapes, with the place of each."""
    return jax.tree.map(
        lambda leaf, at: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=at), tree, shardings
    )


def count(tree: Params) -> int:
    """Numbers in a tree."""
    return sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(tree))


def memory(compiled: jax.stages.Compiled, held: Shapes, name: str, chip: Chip) -> dict[str, float]:
    """Bytes of one device; arguments that are donated count once.

    Args:
      compiled: the program.
      held: placed shapes of what stays on the devices between its runs.
      name: what that is called, a key of `ADVICE`.
      chip: the device.
    """
    kept = sum(
        math.prod(leaf.sharding.shard_shape(leaf.shape)) * leaf.dtype.itemsize
        for leaf in jax.tree.leaves(held)
    )
    analysis: Any = compiled.memory_analysis()
    arguments = analysis.argument_size_in_bytes
    results = analysis.output_size_in_bytes - analysis.alias_size_in_bytes
    working = analysis.temp_size_in_bytes + analysis.generated_code_size_in_bytes
    return {
        "hbm": chip.memory,
        name: float(kept),
        "arguments": float(arguments),
        "working": float(working),
        "peak": float(arguments + results + working),
    }


def traffic(
    compiled: jax.stages.Compiled, cost: ProgramCost, chip: Chip, device: Device
) -> tuple[float, float]:
    """Bytes of HBM that a program moves, and the shortest time in which its kernels run.

    Only the compiler of TPUs says what is fused into one kernel: of programs that were compiled in
    the place of a GPU's it is what goes in and comes out, once, which is the least.

    Args:
      compiled: the program.
      cost: of it.
      chip: the device.
      device: that the program was compiled for.

    Returns:
      (bytes, seconds) of one device.
    """
    if device.platform == "tpu":
        return cost.bytes, cost.least_seconds(chip)
    analysis: Any = compiled.memory_analysis()
    moved = float(analysis.argument_size_in_bytes + analysis.output_size_in_bytes)
    return moved, max(cost.flops / chip.flops, moved / chip.bandwidth)


def check_fits(plan: dict[str, Any]) -> None:
    """Refuses a plan whose program does not fit into the memory of a device.

    Raises:
      DoesNotFitError: names what is too large and what would help.
    """
    sizes = plan["memory"]
    if sizes["peak"] <= sizes["hbm"]:
        return
    terms = {name: sizes[name] for name in ADVICE if name in sizes}
    largest = max(terms, key=terms.__getitem__)
    raise DoesNotFitError(
        f"{plan['topology']}: {plan['program']} needs {sizes['peak'] / 2**30:.1f} GiB of "
        f"{sizes['hbm'] / 2**30:.1f} GiB a chip; the largest term is {largest}, "
        f"{terms[largest] / 2**30:.1f} GiB. Try {ADVICE[largest]}"
    )
