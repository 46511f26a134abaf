"""The difference between a generator and one that was trained from it, small enough to ship.

    python -m data.pack_form --base nano --export runs/editor/export --out editor.safetensors

Matrices keep the `--rank` largest singular values of their difference, which is what low-rank
adapters could have learned at best; everything else is kept whole, in half precision. The file goes
into the folder of the base, as `editor.safetensors` or `few_steps.safetensors`.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import jax
import numpy as np
from flax.traverse_util import flatten_dict, unflatten_dict
from jaxtyping import Float

from audiogen_jax.checkpoints.adapters import Adapters, Form, save_adapters
from audiogen_jax.checkpoints.forms import form_of
from audiogen_jax.checkpoints.mapping import on_host
from audiogen_jax.checkpoints.registry import load_generator
from audiogen_jax.files.atomic import check_writable
from audiogen_jax.models.protocols import Generator
from audiogen_jax.types import Params

STORED = np.float16


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--base", default="nano", help="the generator that it is beside")
    parser.add_argument("--export", required=True, help="what was trained from it")
    parser.add_argument("--rank", type=int, default=64, help="of the difference of a matrix")
    parser.add_argument("--out", type=Path, required=True, help="the file, .safetensors")
    arguments = parser.parse_args(argv)
    check_writable(arguments.out)
    (base, params), (trained, others) = (_read(arguments.base), _read(arguments.export))
    name = base.network
    adapters, lost = pack(params[name], others[name], arguments.rank, form_of(trained))
    save_adapters(arguments.out, adapters)
    size = arguments.out.stat().st_size / 1e6
    print(f"{arguments.out}: {size:.1f} MB; {lost:.2%} of the energy of the difference is left out")


def pack(base: Params, trained: Params, rank: int, form: Form) -> tuple[Adapters, float]:
    """Adapters of the best approximation of a rank, and the share of the difference they lack.

    Args:
      base: parameters of the network.
      trained: of the one that was trained from it, which may have more.
      rank: of the difference of each matrix for which that is smaller.
      form: of the trained one.

    Raises:
      ValueError: the trained network lacks a parameter of the base, or has one of another shape.
    """
    known, leaves = (flatten_dict(dict(tree), sep="/") for tree in (base, trained))
    if odd := sorted(
        path for path, leaf in known.items() if _shape(leaves.get(path)) != leaf.shape
    ):
        raise ValueError(f"{odd[0]!r} of the base is not in the export: was it trained from it?")
    matrices, added, left, total = {}, {}, 0.0, 0.0
    for path, leaf in leaves.items():
        value = np.asarray(leaf, np.float32)
        if path not in known:
            added[path] = value.astype(STORED)
            continue
        change = value - np.asarray(known[path], np.float32)
        total += float(np.square(change).sum())
        if change.ndim > 1 and rank * sum(change.shape[-2:]) < np.prod(change.shape[-2:]):
            a, b = _factors(change, rank)
            matrices[path] = {"lora_a": a.astype(STORED), "lora_b": b.astype(STORED)}
            left += float(np.square(change - a @ b).sum())
        elif change.any():
            added[path] = value.astype(STORED)
    return Adapters(matrices, 1.0, unflatten_dict(added, sep="/"), form), left / max(total, 1e-30)


def _factors(
    change: Float[np.ndarray, "*layers i o"], rank: int
) -> tuple[Float[np.ndarray, "*layers i r"], Float[np.ndarray, "*layers r o"]]:
    """The best approximation of a rank, its scale split evenly (Eckart and Young 1936)."""
    u, s, v = np.linalg.svd(change, full_matrices=False)
    root = np.sqrt(s[..., :rank])
    return u[..., :rank] * root[..., None, :], root[..., :, None] * v[..., :rank, :]


def _read(source: str) -> tuple[Generator, Params]:
    loaded = load_generator(
        source, dtype=np.float32, param_dtype=np.float32, put=on_host, for_sampling=False
    )
    return loaded.generator, jax.tree.map(np.asarray, loaded.params)


def _shape(leaf: np.ndarray | None) -> tuple[int, ...] | None:
    return None if leaf is None else leaf.shape


if __name__ == "__main__":
    main()
