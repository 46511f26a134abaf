"""A generator on its devices: prompts to conditions, noise to latents, few compiled programs."""

import functools
from collections.abc import Hashable, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding
from jax.sharding import PartitionSpec as P
from jaxtyping import Array, ArrayLike, DTypeLike, Int

from audiogen_jax.flow.guidance import Guidance
from audiogen_jax.flow.inpainting import EditArrays
from audiogen_jax.flow.sampler import sample
from audiogen_jax.flow.solvers import Plan
from audiogen_jax.infer.compile import compiler_options
from audiogen_jax.infer.options import SamplingOptions
from audiogen_jax.models.guided_velocity import guided_velocity
from audiogen_jax.models.protocols import Condition, Generator
from audiogen_jax.models.quirks import Quirks
from audiogen_jax.ops.masks import length_mask
from audiogen_jax.types import Device, Latents, Params, Tokens


class _Static(NamedTuple):
    """What decides which program is compiled, beside the shapes."""

    unconditional: bool
    quirks: Quirks


class Sampler:
    """A generator with its weights; compiles once per set of shapes.

    Batches are split over the devices, each of which holds all weights.

    Attributes:
      generator: the model.
      params: its parameters on every device.
      mesh: the devices; the rows of a batch must be a multiple of its size.
      programs: what was compiled so far, one per set of shapes and kinds of options.
    """

    def __init__(
        self,
        generator: Generator,
        params: Params,
        devices: Sequence[Device] | None = None,
        window: int | None = None,
    ):
        """Places the parameters.

        Args:
          generator: the model.
          params: from its `for_sampling`; shapes (`jax.ShapeDtypeStruct`) are enough for `lower`.
          devices: the first one if None.
          window: see `guided_velocity`.
        """
        self.generator, self._window = generator, window
        self.mesh = Mesh(np.array(devices or jax.local_devices()[:1]), ("data",))
        self._everywhere = NamedSharding(self.mesh, P())
        self._split = NamedSharding(self.mesh, P("data"))
        self.params = jax.tree.map(lambda leaf: _put(leaf, self._everywhere), params)
        options = compiler_options(self.params)
        self._options = options
        # Unused parameters stay arguments: they are on the devices, and plans count arguments.
        self._condition = jax.jit(
            self._condition_rows,
            out_shardings=self._everywhere,
            compiler_options=options,
            keep_unused=True,
        )
        self._pad = jax.jit(_pad, static_argnums=1, out_shardings=self._everywhere)
        self._sample = jax.jit(self._integrate_split, static_argnames="static", keep_unused=True)
        self.programs: dict[Hashable, jax.stages.Compiled] = {}

    def padded_rows(self, count: int) -> int:
        """The rows of a batch of so many clips: a power of two and a multiple of the devices.

        Filling batches up bounds the number of compiled shapes.
        """
        rows = 1 << (count - 1).bit_length()
        return -(-rows // self.mesh.size) * self.mesh.size

    def condition(self, prompts: Tokens) -> list[Condition]:
        """Conditions of some prompts, each with a first axis of 1, to wait on the devices.

        Args:
          prompts: tokens padded to one length.

        Returns:
          One for each prompt; returns before the devices are done.
        """
        count = len(prompts.ids)
        rows = np.minimum(np.arange(self.padded_rows(count)), count - 1)
        filled = jax.device_put(Tokens(prompts.ids[rows], prompts.mask[rows]), self._split)
        return list(self._condition(self.params, filled)[:count])

    def frames(self, conditions: Sequence[Condition]) -> Int[np.ndarray, " b"]:
        """Latent frames that the model gives each clip; may be out of range, 0 included.

        Raises:
          ValueError: a prediction is not finite.
        """
        return np.concatenate([self.generator.frames(condition) for condition in conditions])

    def sample(
        self,
        conditions: Sequence[Sequence[Condition]],
        lengths: Int[np.ndarray, " b"],
        noise: Latents,
        options: SamplingOptions,
        *,
        edit: EditArrays | None = None,
        sigma: float = 1.0,
    ) -> Latents:
        """Carries noise to latents along the guided flow; returns before the devices are done.

        Args:
          conditions: of each clip: [what `options.negative` says,] its prompt, its prompt without
            each of `options.view_guidance`; from `condition`.
          lengths: latent frames of each clip, at most t.
          noise: float [b t c].
          options: how.
          edit: real audio to start from or to keep.
          sigma: noise level where sampling starts; below 1 needs an `edit`.

        Returns:
          Float32 [b t c]; frames past the end of a clip are 0, but sampled along under
          `Quirks.sample_padding`.
        """
        batch = jax.device_put((np.asarray(lengths), noise, edit), self._split)
        kinds = tuple(zip(*self._equal_shapes(conditions), strict=True))
        arguments = (kinds, *batch, options.plan(sigma), options.classifier_free())
        static = self._static(options)
        leaves, structure = jax.tree.flatten(arguments)
        key = (static, structure, *(np.shape(leaf) for leaf in leaves))
        if key not in self.programs:
            lowered = self._sample.lower(self.params, *arguments, static=static)
            self.programs[key] = lowered.compile(compiler_options=self._options)
        return self.programs[key](self.params, *arguments)

    def lower(
        self, clips: int, tokens: int, frames: int, options: SamplingOptions
    ) -> tuple[jax.stages.Lowered, jax.stages.Lowered]:
        """The programs that a batch of this size runs, conditions and sampling; nothing runs.

        Args:
          clips, tokens, frames: b, l and t.
          options: how; a negative prompt is taken to be as long as the others.
        """

        def split(shape: tuple[int, ...], dtype: DTypeLike) -> jax.ShapeDtypeStruct:
            return jax.ShapeDtypeStruct(shape, dtype, sharding=self._split)

        prompts = Tokens(split((clips, tokens), jnp.int32), split((clips, tokens), jnp.bool_))  # type: ignore[arg-type]
        condition = self._condition.lower(self.params, prompts)
        shapes = jax.eval_shape(self._condition_rows, self.params, prompts)
        kind = jax.tree.map(lambda leaf: _put(leaf, self._everywhere), shapes)
        kinds = (kind,) * ((options.negative is not None) + 1 + len(options.view_guidance))
        lengths = split((clips,), jnp.int32)
        noise = split((clips, frames, self.generator.latent_dim), jnp.float32)
        arguments = (kinds, lengths, noise, None, options.plan(), options.classifier_free())
        return condition, self._sample.lower(self.params, *arguments, static=self._static(options))

    def _static(self, options: SamplingOptions) -> _Static:
        return _Static(unconditional=options.negative is None, quirks=options.quirks)

    def _condition_rows(self, params: Params, prompts: Tokens) -> tuple[Condition, ...]:
        # Nothing is exchanged between clips, so each device conditions its own rows.
        split = jax.shard_map(
            self.generator.condition,
            mesh=self.mesh,
            in_specs=(P(), P("data")),
            out_specs=P("data"),
            check_vma=False,
        )
        conditions = split(params, prompts)
        rows = range(prompts.ids.shape[0])
        return tuple(
            jax.tree.map(lambda leaf, row=row: leaf[row : row + 1], conditions) for row in rows
        )

    def _equal_shapes(
        self, conditions: Sequence[Sequence[Condition]]
    ) -> list[tuple[Condition, ...]]:
        """Conditions of texts of several buckets, filled up to those of the longest."""
        rows = [row for clip in conditions for row in clip]
        shapes = [tuple(leaf.shape for leaf in jax.tree.leaves(row)) for row in rows]
        if len(set(shapes)) == 1:
            return [tuple(clip) for clip in conditions]
        longest = tuple(
            tuple(np.max(sizes, axis=0).tolist()) for sizes in zip(*shapes, strict=True)
        )
        return [tuple(self._pad(row, longest) for row in clip) for clip in conditions]

    def _integrate_split(
        self,
        params: Params,
        kinds: Sequence[Sequence[Condition]],
        lengths: Int[Array, " b"],
        noise: Latents,
        edit: EditArrays | None,
        plan: Plan,
        guidance: Guidance,
        static: _Static,
    ) -> Latents:
        # Nothing is exchanged between clips, so each device runs the program for its own rows.
        split = jax.shard_map(
            functools.partial(self._integrate, static=static),
            mesh=self.mesh,
            in_specs=(P(), *(P("data"),) * 4, P(), P()),
            out_specs=P("data"),
            check_vma=False,
        )
        conditions = [jax.tree.map(lambda *rows: jnp.concatenate(rows), *kind) for kind in kinds]
        return split(params, conditions, lengths, noise, edit, plan, guidance)

    def _integrate(
        self,
        params: Params,
        kinds: Sequence[Condition],
        lengths: Int[Array, " b"],
        noise: Latents,
        edit: EditArrays | None,
        plan: Plan,
        guidance: Guidance,
        static: _Static,
    ) -> Latents:
        mask = length_mask(lengths, noise.shape[1])
        conditions = jax.tree.map(lambda *leaves: jnp.concatenate(leaves), *kinds)
        velocity, levels = guided_velocity(
            self.generator.with_quirks(static.quirks),
            params,
            conditions,
            guidance,
            mask,
            unconditional=static.unconditional,
            window=self._window,
        )
        start, constrain = noise, None
        if edit is not None:
            start, constrain = edit.at(plan.sigmas[0], noise), edit.constraint(noise)
        final_mask = None if static.quirks.sample_padding else mask
        return sample(velocity, start, plan, final_mask, prepare=levels, constrain=constrain)


def _put(
    leaf: ArrayLike | jax.ShapeDtypeStruct, sharding: NamedSharding
) -> Array | jax.ShapeDtypeStruct:
    """An array on its devices; a shape only says where it would be."""
    if isinstance(leaf, jax.ShapeDtypeStruct):
        return jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=sharding)
    return jax.device_put(leaf, sharding)


def _pad(condition: Condition, shapes: tuple[tuple[int, ...], ...]) -> Condition:
    """A condition with its axes filled up with zeros, False in masks."""
    leaves, structure = jax.tree.flatten(condition)
    padded = [
        jnp.pad(leaf, [(0, size - had) for size, had in zip(shape, leaf.shape, strict=True)])
        for leaf, shape in zip(leaves, shapes, strict=True)
    ]
    return jax.tree.unflatten(structure, padded)
