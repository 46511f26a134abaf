"""A generator on its devices: prompts to conditions, noise to latents, few compiled programs."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh
from jaxtyping import DTypeLike, Int, PyTree

from audiogen_jax.flow.guidance import Guidance
from audiogen_jax.flow.inpainting import EditArrays
from audiogen_jax.flow.windows import Windows
from audiogen_jax.infer.compile import compiler_options
from audiogen_jax.infer.layout import Layout, inference_mesh
from audiogen_jax.infer.options import SamplingOptions
from audiogen_jax.infer.requests import SMALLEST_TEXT
from audiogen_jax.infer.sampling_programs import Static, sampling_programs
from audiogen_jax.models.protocols import Condition, Generator
from audiogen_jax.types import Latents, Params, Tokens


class Sampler:
    """A generator with its weights; compiles once per set of shapes.

    Attributes:
      generator: the model.
      params: its parameters on the devices.
      layout: of parameters and batches on the devices.
      programs: what was compiled for it and for equal generators.
      smallest_text: tokens of the shortest bucket of prompts; more makes for fewer programs.
    """

    def __init__(
        self,
        generator: Generator,
        params: Params,
        mesh: Mesh | None = None,
        window: int | None = None,
    ):
        """Places the parameters.

        Args:
          generator: the model.
          params: from its `for_sampling`; shapes (`jax.ShapeDtypeStruct`) are enough for `lower`.
          mesh: of its devices, see `inference_mesh`; the first one if None.
          window: see `guided_velocity`.
        """
        self.generator, self.smallest_text = generator, SMALLEST_TEXT
        self.layout = Layout(mesh or inference_mesh())
        self.params = self.layout.put(params, generator.axes)
        options = tuple(compiler_options(self.params).items())
        self.programs = sampling_programs(generator, self.mesh, window, options)

    @property
    def mesh(self) -> Mesh:
        """The devices."""
        return self.layout.mesh

    def padded_rows(self, count: int) -> int:
        """The rows of a batch of so many clips: a power of two, and what the devices can split.

        Filling batches up bounds the number of compiled shapes.
        """
        rows = 1 << (count - 1).bit_length()
        return -(-rows // self.layout.rows) * self.layout.rows

    def condition(self, prompts: Tokens) -> list[Condition]:
        """Conditions of some prompts, each with a first axis of 1, to wait on the devices.

        Args:
          prompts: tokens padded to one length.

        Returns:
          One for each prompt; returns before the devices are done.
        """
        count = len(prompts.ids)
        rows = np.minimum(np.arange(self.padded_rows(count)), count - 1)
        filled = jax.tree.map(lambda leaf: leaf[rows], prompts)
        filled = jax.device_put(filled, self.layout.split)
        with self.layout.active():
            return list(self.programs.condition(self.params, filled)[:count])

    def condition_alone(self, prompts: PyTree) -> Condition:
        """The condition of one clip's prompts, in whatever form the generator reads them."""
        placed = jax.device_put(prompts, self.layout.everywhere)
        with self.layout.active():
            return self.programs.condition_alone(self.params, placed)

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
        windows: Windows | None = None,
    ) -> Latents:
        """Carries noise to latents along the guided flow; returns before the devices are done.

        Args:
          conditions: of each clip: [what `options.negative` says,] its prompt, its prompt without
            each of `options.view_guidance`; from `condition`. With `windows` all that for each
            prompt of the clip.
          lengths: latent frames of each clip, at most t.
          noise: float [b t c].
          options: how.
          edit: real audio to start from or to keep.
          sigma: noise level where sampling starts; below 1 needs an `edit`.
          windows: of clips whose windows have prompts of their own.

        Returns:
          Float32 [b t c]; frames past the end of a clip are 0, but sampled along under
          `Quirks.sample_padding`.
        """
        batch = jax.device_put((np.asarray(lengths), noise, edit, windows), self.layout.split)
        kinds = tuple(zip(*self._equal_shapes(conditions), strict=True))
        arguments = (kinds, *batch, options.plan(sigma), self._guidance(options))
        prompts = None if windows is None else len(kinds) // _kinds(options)
        static = Static(options.negative is None, options.quirks, prompts)
        with self.layout.active():
            return self.programs.integrate(self.params, *arguments, static=static)

    def lower(
        self, clips: int, tokens: int, frames: int, options: SamplingOptions
    ) -> tuple[jax.stages.Lowered, jax.stages.Lowered]:
        """The programs that a batch of this size runs, conditions and sampling; nothing runs.

        Args:
          clips, tokens, frames: b, l and t; tokens have times where the model takes them.
          options: how; a negative prompt is taken to be as long as the others.
        """

        def split(shape: tuple[int, ...], dtype: DTypeLike) -> jax.ShapeDtypeStruct:
            return jax.ShapeDtypeStruct(shape, dtype, sharding=self.layout.split)

        prompts = Tokens(split((clips, tokens), jnp.int32), split((clips, tokens), jnp.bool_))  # type: ignore[arg-type]
        if self.generator.timeline:
            prompts = prompts._replace(spans=split((clips, tokens, 2), jnp.float32))
        with self.layout.active():
            condition = self.programs.condition.lower(self.params, prompts)
        kind = jax.tree.map(
            lambda leaf: jax.ShapeDtypeStruct(
                leaf.shape, leaf.dtype, sharding=self.layout.everywhere
            ),
            condition.out_info,
        )
        kinds = (kind,) * _kinds(options)
        lengths = split((clips,), jnp.int32)
        noise = split((clips, frames, self.generator.latent_dim), jnp.float32)
        how = options.plan(), self._guidance(options)
        static = Static(options.negative is None, options.quirks)
        with self.layout.active():
            sampling = self.programs.integrate.lower(
                self.params, kinds, lengths, noise, None, None, *how, static=static
            )
        return condition, sampling

    def _guidance(self, options: SamplingOptions) -> Guidance:
        return options.guidance_of(self.generator.distilled)

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
        return [
            tuple(self.programs.pad({}, row, shapes=longest) for row in clip) for clip in conditions
        ]


def _kinds(options: SamplingOptions) -> int:
    """Conditions that a clip has for each of its prompts."""
    return (options.negative is not None) + 1 + len(options.view_guidance)
