"""A separator learns what share of a recording's spectra a named sound has."""

import dataclasses
import functools
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Self

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float, Int

from audiogen_jax.checkpoints.folder import CheckpointFolder, open_checkpoint
from audiogen_jax.checkpoints.mapping import on_host
from audiogen_jax.checkpoints.parameter_hash import encoder_sha256
from audiogen_jax.checkpoints.registry import GENERATORS, LoadedCodec, family_of, open_codec
from audiogen_jax.checkpoints.separator import (
    SEPARATOR,
    load_separator,
    save_separator,
    separator_folder,
)
from audiogen_jax.checkpoints.t5 import load_t5
from audiogen_jax.input.edits.batches import EditDataConfig
from audiogen_jax.models.separator.config import SeparatorConfig
from audiogen_jax.models.separator.network import Separator, Spectra
from audiogen_jax.sharding.placement import AxisRules, beneath
from audiogen_jax.train.batches import AudioBatch
from audiogen_jax.train.gradients import Metrics, value_and_gradients
from audiogen_jax.train.guarded_update import guarded_update
from audiogen_jax.train.objective import Objective, OpenAudio
from audiogen_jax.train.optimizer import make_optimizer
from audiogen_jax.train.state import TrainState
from audiogen_jax.train.train_config import TrainConfig
from audiogen_jax.types import CheckpointSource, Decay, Params, compute_dtype

SOFT = 1e-3
"""Error, against the energy of a recording, that is told as none (-30 dB)."""


@dataclasses.dataclass(frozen=True)
class SeparationConfig(TrainConfig):
    """A training of a separator.

    Attributes:
      data: pairs, of which recordings and what is extracted of them are read.
      init: the generator beside which it works: its text encoder, its codec, its text tokenizer.
      model: sizes of the separator, but for those that `init` gives.
      warm_start: begins with the separator that stands beside `init`, not with a new one.
      ema_decay: of the averaged parameters; 0 keeps no average, and exports the parameters.
      dtype: of activations; parameters, moments and averages are float32.
    """

    data: EditDataConfig  # pyright: ignore[reportIncompatibleVariableOverride]
    init: CheckpointSource
    model: Mapping[str, int]
    warm_start: bool
    ema_decay: Decay
    dtype: np.dtype

    def __post_init__(self):
        super().__post_init__()
        compute_dtype(self.dtype)
        kinds = {} if self.data.edits is None else self.data.edits.kinds
        if wrong := sorted(kind for kind, share in kinds.items() if share and kind != "extract"):
            raise ValueError(f"data.edits.kinds: a separator learns 'extract' alone, not {wrong}")


@dataclasses.dataclass(frozen=True, eq=False)
class Separation(Objective[AudioBatch]):
    """A separator and how it is trained.

    Attributes:
      config: of the training.
      separator: the model.
      codec: of the latents that it reads.
      loaded: "text_encoder" and "codec", the encoding half, on the host; "separator", what a warm
        start begins with.
      generator: the checkpoint at `config.init`.
    """

    config: SeparationConfig
    separator: Separator
    codec: LoadedCodec
    loaded: Mapping[str, Params]
    generator: CheckpointFolder

    @classmethod
    def load(cls, config: SeparationConfig, open_data: OpenAudio) -> Self:
        """Reads the text encoder, the codec and, to start warm, the separator of `config.init`.

        Raises:
          ValueError: it is no generator, its prompts are not read by a T5 encoder, its codec has
            several channels, or a warm start finds no separator of the sizes of `config.model`.
        """
        opened = open_checkpoint(config.init)
        family = family_of(opened, GENERATORS)
        codec = open_codec(config.init, dtype="float32", param_dtype="float32")
        if codec.codec.channels != 1:
            raise ValueError(f"init={config.init!r}: its codec has several channels, expected one")
        text, text_encoder = load_t5(opened.component("text_encoder_name", "text_encoder"))
        data = dataclasses.replace(
            config.data,
            text_tokenizer=config.data.text_tokenizer or str(family.text_tokenizer(opened)),
            sample_rate=codec.codec.sample_rate,
            channels=1,
        )
        config = dataclasses.replace(config, data=data)
        sizes = SeparatorConfig(
            sample_rate=codec.codec.sample_rate,
            latent_dim=codec.codec.latent_dim,
            samples_per_latent=codec.codec.samples_per_latent,
            text_dim=text.d_model,
            **config.model,
        )
        separator = Separator(sizes, text, config.dtype, config.remat)
        half = codec.read(codec.codec.encoder, on_host)
        loaded = {"text_encoder": text_encoder, "codec": half}
        if config.warm_start:
            loaded["separator"] = _separator_of(opened, sizes)
        return cls(config, separator, codec, loaded, opened)

    @property
    def axes(self) -> AxisRules:  # pyright: ignore[reportIncompatibleVariableOverride]
        return self.separator.axes + beneath("codec", self.codec.codec.axes)

    @property
    def frozen(self) -> Params:
        return {name: self.loaded[name] for name in ("text_encoder", "codec")}

    @property
    def facts(self) -> Mapping[str, str]:
        return {"tokenizer": encoder_sha256(self.codec.codec, self.loaded["codec"])}

    @functools.cached_property
    def optimizer(self) -> optax.GradientTransformation:
        """Of all parameters of the network."""
        return make_optimizer(self.config.optimizer, self.config.steps, ())

    def init_state(self, key: jax.Array) -> TrainState:
        params = {"separator": self.separator.init(key)}
        return TrainState.new(params, self.optimizer, average=self.config.ema_decay > 0)

    def prepare(self, state: TrainState) -> TrainState:
        if (separator := self.loaded.get("separator")) is None:
            return state
        average = None if state.ema is None else {"separator": jax.tree.map(np.copy, separator)}
        return state.replace(params={"separator": separator}, ema=average)

    def frame_lengths(self, batch: AudioBatch) -> Int[Array | np.ndarray, " b"]:
        return self.codec.codec.latent_length(batch.lengths)

    def step(
        self, state: TrainState, batch: AudioBatch, frozen: Params
    ) -> tuple[TrainState, Metrics]:
        config = self.config

        def loss(params: Params, batch: AudioBatch, key: jax.Array) -> tuple[Array, Metrics]:
            metrics = self._metrics(params, frozen, batch)
            return metrics["loss"], metrics

        key = jax.random.key(config.seed)  # nothing is drawn
        metrics, gradients = value_and_gradients(loss, state.params, batch, key, config.accumulate)
        updated = state.apply_gradients(gradients, self.optimizer)
        if updated.ema is not None:
            updated = updated.average_params(config.ema_decay)
        state, norms = guarded_update(
            state, updated, metrics["loss"], gradients, config.guard.spike
        )
        return state, metrics | norms

    def evaluate(
        self, state: TrainState, batch: AudioBatch, frozen: Params, index: Int[Array, ""]
    ) -> Metrics:
        return self._metrics(self.exported(state), frozen, batch)

    def _metrics(self, params: Params, frozen: Params, batch: AudioBatch) -> Metrics:
        """The loss, and the error in dB against the recording: -30 at best, 0 of doing nothing.

        The loss is the cross-entropy against the ideal ratio mask, the share of the named sound in
        the energy (Wang & Chen 2018, https://arxiv.org/abs/1708.07524, section III-B), above its
        own entropy, louder bins counting more. The error itself would be least with masks of
        nothing until a model knows what to look for, and those learn no more.
        """
        assert batch.source is not None and batch.tokens is not None
        source, lengths = jnp.asarray(batch.source), jnp.asarray(batch.lengths)
        latents = self.codec.codec.encode(frozen["codec"], source, lengths)
        spectra, mask = self.separator.spectra(source[..., 0], lengths)
        named, _ = self.separator.spectra(batch.mono, lengths)
        params = {**params, "text_encoder": frozen["text_encoder"]}
        logits = self.separator.logits(params, spectra, mask, latents, batch.tokens)
        energies = _squares(named), _squares(spectra - named)
        ideal = energies[0] / jnp.maximum(energies[0] + energies[1], 1e-20)
        surprise = optax.sigmoid_binary_cross_entropy(logits, ideal) - _entropy(ideal)
        weight = jnp.where(mask[..., None], jnp.abs(spectra), 0)
        surprise = (weight * surprise).sum((1, 2)) / jnp.maximum(weight.sum((1, 2)), 1e-20)
        left = jnp.where(mask[..., None], _squares(nn.sigmoid(logits) * spectra - named), 0)
        whole = jnp.where(mask[..., None], _squares(spectra), 0)
        share = left.sum((1, 2)) / jnp.maximum(whole.sum((1, 2)), 1e-20)
        return {"loss": surprise.mean(), "error_db": (10 * jnp.log10(share + SOFT)).mean()}

    def exported(self, state: TrainState) -> Params:
        return state.params if state.ema is None else state.ema

    def export(self, params: Params, folder: Path) -> None:
        """The generator with this separator beside it."""
        shutil.copytree(
            self.generator.path,
            folder,
            dirs_exist_ok=True,
            ignore=shutil.ignore_patterns(SEPARATOR),
        )
        save_separator(folder / SEPARATOR, self.separator.config, params["separator"])


def _squares(spectra: Spectra) -> Float[Array, "b t f"]:
    return jnp.square(spectra.real) + jnp.square(spectra.imag)


def _entropy(share: Float[Array, "b t f"]) -> Float[Array, "b t f"]:
    """Of a coin that falls so, in nats."""
    rest = jnp.maximum(1 - share, 0)  # quotients of a GPU exceed 1 by a rounding
    return -(jax.scipy.special.xlogy(share, share) + jax.scipy.special.xlogy(rest, rest))


def _separator_of(generator: CheckpointFolder, sizes: SeparatorConfig) -> Params:
    """The parameters of the separator beside a generator."""
    if (beside := separator_folder(generator.path)) is None:
        raise ValueError(
            f"warm_start: there is no separator beside {generator.path}; begin with a new one "
            "(warm_start=false)"
        )
    found, params = load_separator(beside)
    if found != sizes:
        raise ValueError(f"warm_start: {beside.path} is of {found}, the config asks for {sizes}")
    return params
