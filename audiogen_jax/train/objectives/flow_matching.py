"""Stage (c): a generator learns the velocity from noise to the latents of a codec.

Names no model. Everything but `load`, `decode` and `export` works without any file.
"""

import dataclasses
import functools
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple, Self

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Bool, Float, Int, PyTree

from audiogen_jax.checkpoints.adapters import ADAPTERS, Adapters, save_adapters
from audiogen_jax.checkpoints.forms import form_of
from audiogen_jax.checkpoints.parameter_hash import encoder_sha256
from audiogen_jax.checkpoints.registry import LoadedCodec
from audiogen_jax.flow.guidance import Guidance
from audiogen_jax.flow.loss import flow_matching_loss
from audiogen_jax.flow.sampler import sample
from audiogen_jax.flow.schedules import SCHEDULES
from audiogen_jax.flow.solvers import SOLVERS
from audiogen_jax.models import lora
from audiogen_jax.models.guided_velocity import guided_velocity
from audiogen_jax.models.parameter_trees import leaves_beyond, with_leaves
from audiogen_jax.models.prompting import Prompts, ReadsAhead
from audiogen_jax.models.protocols import AudioCodec, Condition, Generator
from audiogen_jax.ops.masks import length_mask
from audiogen_jax.sharding.placement import AxisRules, beneath
from audiogen_jax.train.batches import AudioBatch, Batch
from audiogen_jax.train.gradients import Metrics, value_and_gradients
from audiogen_jax.train.guarded_update import guarded_update
from audiogen_jax.train.objective import OpenAudio, SamplingObjective
from audiogen_jax.train.objectives.flow_matching_config import FlowMatchingConfig
from audiogen_jax.train.objectives.generator_files import (
    from_base,
    prompts_sha256,
    read_adapters,
    read_generator,
    write_generator,
)
from audiogen_jax.train.objectives.text_vocabulary import check_text_tokenizer
from audiogen_jax.train.optimizer import make_optimizer
from audiogen_jax.train.state import TrainState
from audiogen_jax.types import Latents, Params

SAMPLE_STEPS = 25
SAMPLE_GUIDANCE = 5.0
"""Of the clips that a training lets one listen to."""


class Examples(NamedTuple):
    """What the losses of some clips are computed from.

    Attributes:
      source: recordings to encode, or float32 latents; zero-padded.
      lengths: valid samples or frames of each clip.
      seconds: of each clip.
      prompts: texts, or what frozen parts made of prompts before.
      drop_condition: clips that are shown without their text.
      sigma: noise level of each clip.
      noise: standard normal.
    """

    source: Float[Array, "b _ _"]
    lengths: Int[Array, " b"]
    seconds: Float[Array, " b"]
    prompts: Prompts
    drop_condition: Bool[Array, " b"]
    sigma: Float[Array, " b"]
    noise: Latents


@dataclasses.dataclass(frozen=True, eq=False)
class FlowMatching(SamplingObjective[Batch]):
    """A generator and how it is trained.

    What is trained (`TrainState.params`) is the generator's network, with its encoders if they are
    trained along, or {"adapters"} of the network. The rest is in `frozen`, and "codec", the
    encoding half, where batches hold audio.

    Attributes:
      config: of the training.
      generator: the model.
      codec: of the latents; None where nothing is encoded, decoded or exported.
      loaded: parameters on the host: of the generator, by the names of its tree, those that were
        read; "codec", the encoding half.
      base: the generator that was read, where `generator` has parameters more, which are trained
        beside adapters.
      prompts_sha256: of what must have read the encoded prompts; empty if texts are read.
    """

    config: FlowMatchingConfig
    generator: Generator
    codec: LoadedCodec | None = None
    loaded: Mapping[str, Params] = dataclasses.field(default_factory=dict)
    prompts_sha256: str = ""
    base: Generator | None = None

    @classmethod
    def load(cls, config: FlowMatchingConfig, open_data: OpenAudio) -> Self:
        """Reads the codec at `config.tokenizer`, and the parameters that the config names.

        The codec says what audio it reads, whatever the config does.

        Raises:
          ValueError: the generator was distilled; see `from_base`, `read_generator`,
            `check_text_tokenizer` and `prompts_sha256`.
        """
        config = from_base(config)
        generator, codec, loaded = read_generator(config)
        if generator.distilled:
            raise ValueError(
                f"init={config.init!r} was distilled: train the generator that it comes from, and "
                "distil that again"
            )
        if generator.edits and config.objective == "flow_matching":
            raise ValueError(
                f"init={config.init!r} is an editor: train it on with objective 'editing', and "
                "generators with this one"
            )
        if config.has_audio:
            format = dict(sample_rate=codec.codec.sample_rate, channels=codec.codec.channels)
            config = dataclasses.replace(config, data=dataclasses.replace(config.data, **format))
        if not config.data.has_prompts:
            check_text_tokenizer(config, generator.vocab_size)
        return cls(config, generator, codec, loaded, prompts_sha256(config))

    @classmethod
    def without_parameters(cls, config: FlowMatchingConfig) -> Self:
        """For plans: of `config.model`, with no file read."""
        return cls(config, config.make_generator())

    @property
    def axes(self) -> AxisRules:
        rules = self.generator.axes + beneath("adapters", lora.AXES)
        return rules + beneath("codec", self.codec.codec.axes) if self.codec else rules

    @property
    def facts(self) -> Mapping[str, str]:
        if self.codec is None:
            return {}
        facts = {"tokenizer": encoder_sha256(self.codec.codec, self.loaded["codec"])}
        return facts | ({"prompts": self.prompts_sha256} if self.prompts_sha256 else {})

    def without_remat(self) -> Self:
        if self.config.remat is None:
            return self
        config = dataclasses.replace(self.config, remat=None)
        return dataclasses.replace(self, config=config, generator=config.make_generator())

    @functools.cached_property
    def optimizer(self) -> optax.GradientTransformation:
        """Of the parameters that are trained."""
        untrained = () if self.config.lora.rank else self.generator.untrained
        return make_optimizer(self.config.optimizer, self.config.steps, untrained)

    @property
    def _frozen_names(self) -> tuple[str, ...]:
        """Of the generator's parameters that stay as they are."""
        if self.config.lora.rank:
            return self.generator.network, *self.generator.encoders
        return self.generator.encoders if self.config.text_encoder else ()

    @property
    def frozen(self) -> Params:
        names = *self._frozen_names, *(("codec",) if self.config.has_audio else ())
        return {name: self.loaded[name] for name in names}

    def frozen_shapes(self) -> Params:
        """Shapes of `frozen` but for the codec; needs nothing that is loaded."""
        shapes = jax.eval_shape(self.generator.init, jax.random.key(0))
        return {name: shapes[name] for name in self._frozen_names}

    def init_state(self, key: jax.Array) -> TrainState:
        params = self.generator.init(key)
        if self.config.lora.rank:
            base = jax.eval_shape((self.base or self.generator).init, key)[self.generator.network]
            added = leaves_beyond(params[self.generator.network], base)
            params = {"adapters": lora.init_adapters(key, base, self.config.lora.rank)}
            params |= {self.generator.network: added} if added else {}
        else:
            params = {name: params[name] for name in params if name not in self._frozen_names}
        return TrainState.new(params, self.optimizer, average=self.config.ema_decay > 0)

    def prepare(self, state: TrainState) -> TrainState:
        """Puts the parameters of `config.init`, or adapters of `config.lora.init`, in place."""
        if self.config.lora.init is not None:
            loaded = read_adapters(self.config, form_of(self.generator), state.params)
        elif self.config.init is None or self.config.lora.rank:
            return state
        else:
            loaded = {name: self.loaded[name] for name in state.params}
        params = {name: with_leaves(state.params[name], loaded[name]) for name in loaded}
        if state.ema is None:
            return state.replace(params=params)
        copied = jax.tree.map(np.copy, loaded)  # buffers of their own: the state is donated
        average = {name: with_leaves(state.ema[name], copied[name]) for name in loaded}
        return state.replace(params=params, ema=average)

    def assemble(self, trained: Params, frozen: Params) -> Params:
        """The generator's parameters, of what is trained and what is not."""
        params = {**frozen, **trained}
        network = self.generator.network
        if "adapters" in trained:
            merged = lora.merge(frozen[network], trained["adapters"], self.config.adapter_scale)
            params[network] = with_leaves(merged, trained.get(network, {}))
        return {name: params[name] for name in (network, *self.generator.encoders)}

    def frame_lengths(self, batch: Batch) -> Int[Array | np.ndarray, " b"]:
        lengths = batch.lengths
        return self._codec.latent_length(lengths) if isinstance(batch, AudioBatch) else lengths

    @property
    def _codec(self) -> AudioCodec:
        assert self.codec is not None
        return self.codec.codec

    def _examples(self, batch: Batch, sigma_key: jax.Array, noise_key: jax.Array) -> Examples:
        """Draws for all clips, so that parts of a batch get what it would."""
        lengths = jnp.asarray(batch.lengths)
        if isinstance(batch, AudioBatch):
            source, rate = jnp.asarray(batch.audio), self._codec.sample_rate
        else:
            source, rate = jnp.asarray(batch.latents, jnp.float32), self.generator.latent_rate
        shape = len(source), self._padded_frames(batch), self.generator.latent_dim
        return Examples(
            source=source,
            lengths=lengths,
            seconds=lengths / rate,
            prompts=self._prompts(batch),
            drop_condition=jnp.asarray(batch.drop_condition),
            sigma=self.config.time_sampling.draw(sigma_key, len(source)),
            noise=jax.random.normal(noise_key, shape),
        )

    def _prompts(self, batch: Batch) -> Prompts:
        """What the generator is conditioned on."""
        if isinstance(batch, AudioBatch) or batch.prompts is None:
            assert batch.tokens is not None
            return batch.tokens
        assert isinstance(self.generator, ReadsAhead)
        return self.generator.stored_prompts(batch.prompts)

    def _latents(self, clips: Examples, frozen: Params) -> tuple[Latents, Int[Array, " b"]]:
        """Latents of some clips and how many frames are valid; audio is encoded here."""
        if not self.config.has_audio:
            return clips.source, clips.lengths
        latents = self._codec.encode(frozen["codec"], clips.source, clips.lengths)
        return latents, jnp.asarray(self._codec.latent_length(clips.lengths))

    def _losses(
        self,
        params: Params,
        frozen: Params,
        clips: Examples,
        dropout_key: jax.Array | None,
        frames: Array,
    ) -> Metrics:
        """Losses of some clips; with a key as in training, without as in validation."""
        latents, lengths = self._latents(clips, frozen)
        mask = length_mask(lengths, latents.shape[1])
        condition = self.generator.condition(params, clips.prompts, dropout_key=dropout_key)
        duration = self.generator.duration_loss(condition, clips.seconds)
        if dropout_key is not None:
            # Guidance needs the velocity without a condition too.
            without = self.generator.unconditional(condition)
            condition = replaced(condition, without, clips.drop_condition)

        def velocity(x: Latents, sigma: Float[Array, " b"]) -> Latents:
            return self.generator.velocity(params, condition, x, sigma, mask)

        flow = flow_matching_loss(velocity, latents, clips.noise, clips.sigma, mask, frames)
        loss = flow + self.config.duration_weight * duration
        return {"loss": loss, "flow": flow, "duration": duration}

    def step(self, state: TrainState, batch: Batch, frozen: Params) -> tuple[TrainState, Metrics]:
        config = self.config
        sigma_key, noise_key, dropout_key = jax.random.split(
            jax.random.fold_in(jax.random.key(config.seed), state.step), 3
        )
        clips = self._examples(batch, sigma_key, noise_key)
        frames = jnp.sum(self.frame_lengths(batch)) / config.accumulate

        return self._update(state, frozen, clips, dropout_key, frames)

    def _update(
        self, state: TrainState, frozen: Params, clips: PyTree, key: jax.Array, frames: Array
    ) -> tuple[TrainState, Metrics]:
        """One update by the losses of what was drawn of a batch, of the form `_losses` reads."""
        config = self.config

        def loss(params: Params, clips: PyTree, key: jax.Array) -> tuple[Array, Metrics]:
            metrics = self._losses(self.assemble(params, frozen), frozen, clips, key, frames)
            return metrics["loss"], metrics

        metrics, gradients = value_and_gradients(loss, state.params, clips, key, config.accumulate)
        updated = state.apply_gradients(gradients, self.optimizer)
        if updated.ema is not None:
            updated = updated.average_params(config.ema_decay)
        state, norms = guarded_update(
            state, updated, metrics["loss"], gradients, config.guard.spike
        )
        return state, metrics | norms

    def evaluate(
        self, state: TrainState, batch: Batch, frozen: Params, index: Int[Array, ""]
    ) -> Metrics:
        """Losses of the averaged parameters, without dropout of any kind."""
        key = jax.random.fold_in(jax.random.key(self.config.eval.seed), index)
        sigma_key, noise_key, _ = jax.random.split(key, 3)
        clips = self._examples(batch, sigma_key, noise_key)
        params = self.assemble(self.exported(state), frozen)
        frames = jnp.sum(self.frame_lengths(batch))
        return self._losses(params, frozen, clips, None, frames)

    def sample(self, state: TrainState, batch: Batch, frozen: Params) -> Latents:
        """Guided latents of a batch's prompts, each as long as the batch's own clip."""
        generator, key = self.generator, jax.random.key(self.config.eval.seed)
        params = self.assemble(self.exported(state), frozen)
        lengths = jnp.asarray(self.frame_lengths(batch))
        mask = length_mask(lengths, self._padded_frames(batch))
        velocity, levels = guided_velocity(
            generator,
            generator.for_sampling(params),
            generator.condition(params, self._prompts(batch)),
            Guidance.classifier_free(SAMPLE_GUIDANCE),
            mask,
            unconditional=True,
        )
        noise = jax.random.normal(key, (*mask.shape, generator.latent_dim))
        plan = SOLVERS["euler"](SCHEDULES["sway"](SAMPLE_STEPS))
        return sample(velocity, noise, plan, mask, prepare=levels)

    def _padded_frames(self, batch: Batch) -> int:
        if isinstance(batch, AudioBatch):
            return self._codec.latent_length(batch.audio.shape[1])
        return batch.latents.shape[1]

    def decode(self, latents: Float[np.ndarray, "b t c"]) -> tuple[Float[np.ndarray, "b n a"], int]:
        assert self.codec is not None
        codec = self.codec.codec
        params = self.codec.read(codec.decoder, jax.device_put)
        audio = codec.decode(params, jax.device_put(latents))
        return np.asarray(audio), codec.sample_rate

    def exported(self, state: TrainState) -> Params:
        return state.params if state.ema is None else state.ema

    def export(self, params: Params, folder: Path) -> None:
        """A whole generator with its codec and text tokenizer; adapters merged, and alone."""
        assert self.codec is not None
        whole = jax.tree.map(np.asarray, self.assemble(params, self.frozen))
        write_generator(folder, self.config, self.generator, self.codec, whole)
        if "adapters" in params:
            form = form_of(self.generator)
            added = params.get(self.generator.network, {})
            adapters = Adapters(params["adapters"], self.config.adapter_scale, added, form)
            save_adapters(folder / ADAPTERS, adapters)


def replaced(condition: Condition, other: Condition, clips: Bool[Array, " b"]) -> Condition:
    """The condition with that of another kind at chosen clips, to train for guidance."""

    def choose(other: Array, given: Array) -> Array:
        return jnp.where(clips.reshape(-1, *[1] * (given.ndim - 1)), other, given)

    return jax.tree.map(choose, other, condition)
