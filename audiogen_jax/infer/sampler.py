"""The generator under jit: token ids to predicted lengths, and noise to latents."""

import functools
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding
from jax.sharding import PartitionSpec as P
from jaxtyping import Array, Bool, Float, Int

from audiogen_jax.flow.guidance import guidance_weights, guide
from audiogen_jax.flow.inpainting import EditArrays
from audiogen_jax.flow.sampler import sample
from audiogen_jax.flow.solvers import Plan
from audiogen_jax.flow.windows import in_windows
from audiogen_jax.infer.compile import compiler_options
from audiogen_jax.infer.options import SamplingOptions
from audiogen_jax.models.audiogen.cached_dit import (
    LevelCache,
    cached_velocity,
    prepare_levels,
    prepare_text,
    unstack_blocks,
)
from audiogen_jax.models.audiogen.config import AudioGenConfig
from audiogen_jax.models.audiogen.dit import DiT, TextCache
from audiogen_jax.models.audiogen.durations import global_latent_lengths
from audiogen_jax.models.audiogen.generator import AudioGen, Condition, condition
from audiogen_jax.models.t5.config import T5Config
from audiogen_jax.models.t5.encoder import T5Encoder
from audiogen_jax.ops.masks import length_mask
from audiogen_jax.types import FrameMask, Latents, Params, TokenIds, TokenMask, VelocityFn


class _Static(NamedTuple):
    """What decides which program is compiled, beside the shapes."""

    weights: tuple[float, ...]
    without_text: bool
    interval: tuple[float, float] | None
    window: int
    compat: str | None


class Sampler:
    """Text encoder and generator with their weights; compiles once per set of shapes.

    Batches are split over the devices, each of which holds all weights.

    Attributes:
      config: configuration of the generator.
      params: {"text_encoder", "audiogen", "dit"} on every device.
      window: latent frames that the model sees at a time; longer clips are sampled in windows.
      mesh: the devices; the rows of a batch must be a multiple of its size.
      programs: what was compiled so far, one per set of shapes and options.
    """

    def __init__(
        self,
        config: AudioGenConfig,
        params: Params,
        t5_config: T5Config,
        t5_params: Params,
        special_token_ids: Sequence[int] = (),
        dtype: Any = jnp.float32,
        window: int | None = None,
        devices: Sequence[Any] | None = None,
    ):
        """Takes the parameters over: those of the blocks are moved out of `params`.

        Args:
          config: of the generator.
          params: its parameters; shapes (`jax.ShapeDtypeStruct`) are enough for `lower`.
          t5_config: of its text encoder.
          t5_params: its parameters, or their shapes.
          special_token_ids: ids of `config.special_tokens`.
          dtype: of the computation; norms, softmax, rotary angles and the state stay float32.
          window: see the class; `config.dit_img_size` if None.
          devices: the first one if None.
        """
        self.config = config
        self.window = window or config.dit_img_size
        self._model = AudioGen(config, text_dim=t5_config.d_model, dtype=dtype)
        self._dit = DiT(config, dtype=dtype)
        self._text_encoder = T5Encoder(t5_config, dtype=dtype)
        self._special_token_ids = tuple(special_token_ids)
        self.mesh = Mesh(np.array(devices or jax.local_devices()[:1]), ("data",))
        everywhere = NamedSharding(self.mesh, P())
        self.params = jax.tree.map(
            lambda leaf: _place(leaf, everywhere),
            {
                "text_encoder": t5_params,
                "audiogen": {k: v for k, v in params.items() if k != "dit"},
                "dit": unstack_blocks(params["dit"]),
            },
        )
        self._compiler_options = compiler_options(self.params)
        self._log_duration = jax.jit(self._predict, compiler_options=self._compiler_options)
        self._sample = jax.jit(self._integrate_sharded, static_argnames="static")
        self.programs: dict[Any, jax.stages.Compiled] = {}

    def frames(
        self, token_ids: Int[np.ndarray, "b l"], token_mask: Bool[np.ndarray, "b l"]
    ) -> Int[np.ndarray, " b"]:
        """The latent frames that the model gives each text; may be out of range, 0 included.

        Raises:
          ValueError: a prediction is not finite.
        """
        log_duration = np.asarray(self._log_duration(self.params, token_ids, token_mask))
        if not np.isfinite(log_duration).all():
            raise ValueError(f"predicted durations are not finite: ln(s + offset) = {log_duration}")
        return global_latent_lengths(log_duration, self.config)

    def sample(
        self,
        token_ids: Int[np.ndarray, "b l"],
        token_mask: Bool[np.ndarray, "b l"],
        frames: Int[np.ndarray, " b"],
        noise: Latents,
        options: SamplingOptions,
        *,
        removed: Sequence[tuple[Int[np.ndarray, "b l"], Bool[np.ndarray, "b l"]]] = (),
        negative: tuple[Int[np.ndarray, "b l"], Bool[np.ndarray, "b l"]] | None = None,
        edit: EditArrays | None = None,
        noise_level: float = 1.0,
    ) -> Latents:
        """Carries noise to latents along the guided flow; returns before the device is done.

        Args:
          token_ids: int [b l].
          token_mask: bool [b l].
          frames: latent frames of each clip, at most t.
          noise: float [b t c].
          options: how.
          removed: ids and mask of the prompts without one view each, in the order of
            `options.view_guidance`.
          negative: ids and mask of what `options.negative` says.
          edit: real audio to start from or to keep.
          noise_level: where sampling starts; below 1 needs an `edit`.

        Returns:
          Float32 [b t c]; frames past the end of a clip are 0, but sampled along under "release".
        """
        texts = [(token_ids, token_mask), *removed]
        if negative is not None:
            texts = [negative, *texts]
        static = self._static(options, negative is None)
        rows = NamedSharding(self.mesh, P("data"))
        ids, masks = (np.stack(arrays, axis=1) for arrays in zip(*texts, strict=True))
        batch = jax.device_put((ids, masks, np.asarray(frames), noise, edit), rows)
        arguments = (self.params, *batch, options.plan(noise_level))
        leaves, structure = jax.tree.flatten(arguments[1:])
        key = (static, structure, *(leaf.shape for leaf in leaves))
        if key not in self.programs:
            lowered = self._sample.lower(*arguments, static=static)
            self.programs[key] = lowered.compile(compiler_options=self._compiler_options)
        return self.programs[key](*arguments)

    def lower(
        self, clips: int, tokens: int, frames: int, options: SamplingOptions
    ) -> jax.stages.Lowered:
        """The program that `sample` would compile for a batch of this size; nothing runs.

        Args:
          clips, tokens, frames: b, l and t.
          options: how, without a negative prompt or scales for views.
        """
        rows = NamedSharding(self.mesh, P("data"))
        shapes = (
            ((clips, 1, tokens), jnp.int32),
            ((clips, 1, tokens), jnp.bool_),
            ((clips,), jnp.int32),
            ((clips, frames, self.config.latent_dim), jnp.float32),
        )
        batch = (jax.ShapeDtypeStruct(*shape, sharding=rows) for shape in shapes)
        static = self._static(options, without_text=True)
        return self._sample.lower(self.params, *batch, None, options.plan(), static=static)

    def _static(self, options: SamplingOptions, without_text: bool) -> _Static:
        scales = tuple(options.view_guidance.values())
        weights = tuple(guidance_weights(options.guidance, scales))
        if options.guidance == 1 and without_text and not scales:
            weights, without_text = (1.0,), False
        return _Static(
            weights=weights,
            without_text=without_text,
            interval=None if options.guidance_interval == (0.0, 1.0) else options.guidance_interval,
            window=self.window,
            compat=options.compat,
        )

    def _condition(self, params: Params, token_ids: TokenIds, token_mask: TokenMask) -> Condition:
        return condition(
            self._model, self._text_encoder, params, token_ids, token_mask, self._special_token_ids
        )

    def _predict(
        self, params: Params, token_ids: TokenIds, token_mask: TokenMask
    ) -> Float[Array, " b"]:
        return self._condition(params, token_ids, token_mask).log_duration

    def _integrate_sharded(self, params: Params, *batch_and_plan: Any, static: _Static) -> Latents:
        # Nothing is exchanged between clips, so each device runs the program for its own rows.
        integrate = jax.shard_map(
            functools.partial(self._integrate, static=static),
            mesh=self.mesh,
            in_specs=(P(), *(P("data"),) * 5, P()),
            out_specs=P("data"),
            check_vma=False,
        )
        return integrate(params, *batch_and_plan)

    def _integrate(
        self,
        params: Params,
        token_ids: Int[Array, "b texts l"],
        token_mask: Bool[Array, "b texts l"],
        frames: Int[Array, " b"],
        noise: Latents,
        edit: EditArrays | None,
        plan: Plan,
        static: _Static,
    ) -> Latents:
        mask = length_mask(frames, noise.shape[1])
        # One text after the other, the clips of each together, as `guide` orders velocities.
        ids, token_mask = (jnp.concatenate(jnp.unstack(a, axis=1)) for a in (token_ids, token_mask))
        told = self._condition(params, ids, token_mask)
        time_aligned = told.time_aligned
        if static.without_text:
            nothing = jnp.zeros_like(time_aligned[: len(noise)])
            time_aligned = jnp.concatenate([nothing, time_aligned])
        text = prepare_text(self._dit, params["dit"], told.context, time_aligned)

        def velocity(text: Sequence[TextCache], token_mask: TokenMask, copies: int) -> VelocityFn:
            def in_frames(mask: FrameMask) -> VelocityFn:
                rows = jnp.tile(mask, (copies, 1))
                return cached_velocity(
                    self._dit, params["dit"], text, token_mask, rows, static.compat
                )

            return in_windows(in_frames, mask, static.window)

        count = len(static.weights)
        velocity_fn = velocity(text, token_mask, count)
        if count > 1:
            within = otherwise = None
            if static.interval is not None:
                low, high = static.interval
                within = lambda level: (low <= level.sigma) & (level.sigma <= high)  # noqa: E731
                start = 0 if static.without_text else len(noise)  # of the prompts' own text
                own, own_mask = _rows(text, token_mask, start, len(noise), static.without_text)
                otherwise = velocity(own, own_mask, 1)
            weights = jnp.array(static.weights)
            velocity_fn = guide(velocity_fn, weights, within=within, otherwise=otherwise)

        def prepare(sigmas: Float[Array, " n"]) -> LevelCache:
            return prepare_levels(self._dit, params["dit"], sigmas, static.compat)

        start, constrain = noise, None
        if edit is not None:
            start, constrain = edit.at(plan.sigmas[0], noise), edit.constraint(noise)
        kept = None if static.compat == "release" else mask
        return sample(velocity_fn, start, plan, kept, prepare=prepare, constrain=constrain)


def _place(leaf: Any, sharding: NamedSharding) -> Any:
    """An array on its devices; a shape only says where it would be."""
    if isinstance(leaf, jax.ShapeDtypeStruct):
        return jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=sharding)
    return jax.device_put(leaf, sharding)


def _rows(
    text: Sequence[TextCache], token_mask: TokenMask, start: int, count: int, without_text: bool
) -> tuple[list[TextCache], TokenMask]:
    """The caches of the prompts themselves, out of those of all texts."""
    part = slice(start, start + count)
    aligned = slice(start + count, start + 2 * count) if without_text else part
    own = [TextCache(c.key[part], c.value[part], c.aligned[aligned]) for c in text]
    return own, token_mask[part]
