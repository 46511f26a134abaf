"""What is compiled to sample: prompts to conditions, noise along the guided flow to latents."""

import functools
from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.sharding import Mesh
from jaxtyping import Array, Int

from audiogen_jax.flow.guidance import Guidance
from audiogen_jax.flow.inpainting import EditArrays
from audiogen_jax.flow.sampler import sample
from audiogen_jax.flow.solvers import Plan
from audiogen_jax.flow.windows import Windows
from audiogen_jax.infer.compile import Programs
from audiogen_jax.infer.layout import Layout
from audiogen_jax.models.guided_velocity import guided_velocity
from audiogen_jax.models.protocols import Condition, Generator
from audiogen_jax.models.quirks import Quirks
from audiogen_jax.ops.masks import length_mask
from audiogen_jax.types import Latents, Params, Tokens


class Static(NamedTuple):
    """What decides which program is compiled, beside the shapes.

    Attributes:
      unconditional: is guidance away from no prompt, and not from another?
      quirks: of the release.
      prompts: of each clip, in windows; None: it has one.
    """

    unconditional: bool
    quirks: Quirks
    prompts: int | None = None


class SamplingPrograms:
    """The programs of a generator on a mesh, for any parameters of it.

    Attributes:
      condition: parameters and `Tokens` -> the condition of every row, each with a first axis of 1.
      condition_alone: parameters and prompts of one clip, of any form -> its condition.
      integrate: parameters, conditions and noise -> latents.
      pad: a condition to longer axes.
    """

    def __init__(
        self, generator: Generator, mesh: Mesh, window: int | None, options: Sequence[tuple]
    ):
        """Nothing is compiled yet.

        Args:
          generator: the model.
          mesh: of its devices.
          window: see `guided_velocity`.
          options: items of `compiler_options`.
        """
        self._generator, self._window, self._layout = generator, window, Layout(mesh)
        # Unused parameters stay arguments: they are on the devices, and plans count arguments.
        programs = functools.partial(Programs, compiler_options=dict(options), keep_unused=True)
        self.condition = programs(self._condition_rows, out_shardings=self._layout.everywhere)
        self.condition_alone = programs(
            lambda params, prompts: self._generator.condition(params, prompts),
            out_shardings=self._layout.everywhere,
        )
        self.integrate = programs(self._integrate_split)
        self.pad = Programs(_pad, out_shardings=self._layout.everywhere)

    def _condition_rows(self, params: Params, prompts: Tokens) -> tuple[Condition, ...]:
        condition = self._layout.by_rows(self._generator.condition, (True, False))
        conditions = condition(params, prompts)
        rows = range(prompts.ids.shape[0])
        return tuple(
            jax.tree.map(lambda leaf, row=row: leaf[row : row + 1], conditions) for row in rows
        )

    def _integrate_split(
        self,
        params: Params,
        kinds: Sequence[Sequence[Condition]],
        lengths: Int[Array, " b"],
        noise: Latents,
        edit: EditArrays | None,
        windows: Windows | None,
        plan: Plan,
        guidance: Guidance,
        static: Static,
    ) -> Latents:
        integrate = self._layout.by_rows(
            functools.partial(self._integrate, static=static),
            (True, False, False, False, False, False, True, True),
        )
        conditions = [jax.tree.map(lambda *rows: jnp.concatenate(rows), *kind) for kind in kinds]
        return integrate(params, conditions, lengths, noise, edit, windows, plan, guidance)

    def _integrate(
        self,
        params: Params,
        kinds: Sequence[Condition],
        lengths: Int[Array, " b"],
        noise: Latents,
        edit: EditArrays | None,
        windows: Windows | None,
        plan: Plan,
        guidance: Guidance,
        static: Static,
    ) -> Latents:
        mask = length_mask(lengths, noise.shape[1])
        conditions = jax.tree.map(lambda *leaves: jnp.concatenate(leaves), *kinds)
        if static.prompts is not None:
            first = static.prompts, -1
            conditions = jax.tree.map(
                lambda leaf: leaf.reshape(*first, *leaf.shape[1:]), conditions
            )
        velocity, levels = guided_velocity(
            self._generator.with_quirks(static.quirks),
            params,
            conditions,
            guidance,
            mask,
            unconditional=static.unconditional,
            window=self._window,
            windows=windows,
        )
        start, constrain = noise, None
        if edit is not None:
            start, constrain = edit.at(plan.sigmas[0], noise), edit.constraint(noise)
        final_mask = None if static.quirks.sample_padding else mask
        return sample(velocity, start, plan, final_mask, prepare=levels, constrain=constrain)


sampling_programs = functools.lru_cache(maxsize=8)(SamplingPrograms)
"""The same programs for equal generators: a checkpoint loaded again compiles nothing again."""


def _pad(params: Params, condition: Condition, *, shapes: tuple[tuple[int, ...], ...]) -> Condition:
    """A condition with its axes filled up with zeros, False in masks."""
    leaves, structure = jax.tree.flatten(condition)
    padded = [
        jnp.pad(leaf, [(0, size - had) for size, had in zip(shape, leaf.shape, strict=True)])
        for leaf, shape in zip(leaves, shapes, strict=True)
    ]
    return jax.tree.unflatten(structure, padded)
