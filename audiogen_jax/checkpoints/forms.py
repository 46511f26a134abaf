"""Other forms of a generator in a file beside it: one of few steps, one that edits."""

import dataclasses
import functools
from collections.abc import Mapping

import jax
import numpy as np

from audiogen_jax.checkpoints.adapters import Form, check_shapes, load_adapters
from audiogen_jax.checkpoints.family import LoadedGenerator
from audiogen_jax.checkpoints.mapping import on_host
from audiogen_jax.checkpoints.registry import load_generator
from audiogen_jax.models import lora
from audiogen_jax.models.parameter_trees import with_leaves
from audiogen_jax.models.protocols import Generator
from audiogen_jax.types import Params

FEW_STEPS, EDITOR = "few_steps.safetensors", "editor.safetensors"
FORMS_BESIDE: Mapping[Form, str] = {"guided": FEW_STEPS, "flow_map": FEW_STEPS, "edits": EDITOR}
"""Form -> the file in the folder of a generator that makes it of that."""


def form_of(generator: Generator) -> Form:
    """That a generator has."""
    return generator.distilled or ("edits" if generator.edits else "")


def load_form(base: LoadedGenerator, file: str) -> LoadedGenerator:
    """The form of a generator that the file beside it makes.

    Encoders and codec are shared; the velocity network is read anew and adapted.

    Args:
      base: a generator of the usual form, read from a folder.
      file: `FEW_STEPS` or `EDITOR`.

    Raises:
      OSError, ValueError: no such file, or it does not fit the generator; names it.
    """
    folder = base.folders[0]
    path = folder / file
    adapters = load_adapters(path)
    if FORMS_BESIDE.get(adapters.form) != file:
        expected = [form for form, name in FORMS_BESIDE.items() if name == file]
        raise ValueError(
            f"{path} makes a generator of form {adapters.form!r}, expected one of {expected}"
        )
    generator = _of_form(base.generator, adapters.form)
    name = generator.network
    dtype = jax.tree.leaves(base.params[name])[0].dtype
    read = load_generator(
        folder, dtype=np.float32, param_dtype=dtype, put=on_host, for_sampling=False
    )
    try:
        merged = lora.merge(read.params[name], adapters.matrices, adapters.scale)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
    network = with_leaves(merged, adapters.added)
    check_shapes(f"{path} does not fit the generator beside it", network, _shapes(generator)[name])
    network = jax.tree.map(lambda leaf: np.asarray(leaf, dtype), network)
    params = generator.for_sampling({**base.params, name: network})
    return dataclasses.replace(base, generator=generator, params=params)


@functools.lru_cache(maxsize=8)  # as tracing takes a second
def _shapes(generator: Generator) -> Mapping[str, Params]:
    return jax.eval_shape(generator.init, jax.random.key(0))


def _of_form(generator: Generator, form: Form) -> Generator:
    return generator.as_editor() if form == "edits" else generator.as_distilled(form)
