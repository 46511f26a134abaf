"""A generator learns to change recordings: the flow from noise to the result, given the source.

Source and instruction are dropped apart in a part of the clips, so that both can be guided
(InstructPix2Pix, https://arxiv.org/abs/2211.09800, section 3.2.1).
"""

import dataclasses
from typing import NamedTuple, Self

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from audiogen_jax.input.edits.batches import EditDataConfig
from audiogen_jax.train.batches import AudioBatch, Batch
from audiogen_jax.train.gradients import Metrics
from audiogen_jax.train.objective import OpenAudio
from audiogen_jax.train.objectives.flow_matching import Examples, FlowMatching
from audiogen_jax.train.objectives.flow_matching_config import FlowMatchingConfig
from audiogen_jax.train.state import TrainState
from audiogen_jax.types import Latents, Params, Tokens


@dataclasses.dataclass(frozen=True)
class EditingConfig(FlowMatchingConfig):
    """A training of an editor.

    Attributes:
      data: pairs of recordings.
    """

    data: EditDataConfig  # pyright: ignore[reportIncompatibleVariableOverride]


class EditExamples(NamedTuple):
    """What the losses of some clips are computed from.

    Attributes:
      results: what the sources become.
      source: recordings to change; zero-padded.
      drop_source: clips that are shown without them.
    """

    results: Examples
    source: Float[Array, "b n a"]
    drop_source: Bool[Array, " b"]


@dataclasses.dataclass(frozen=True, eq=False)
class Editing(FlowMatching):
    """An editor, which begins as the generator at `config.init` if that is none yet.

    What is trained is its network, or adapters and what only an editor has.
    """

    @classmethod
    def load(cls, config: FlowMatchingConfig, open_data: OpenAudio) -> Self:
        """See `FlowMatching.load`.

        Raises:
          ValueError: the family of the generator edits in another way.
        """
        loaded = FlowMatching.load(config, open_data)
        generator, base = loaded.generator, None
        if not generator.edits:
            generator, base = generator.as_editor(), generator
        return cls(loaded.config, generator, loaded.codec, loaded.loaded, base=base)

    def _examples(  # pyright: ignore[reportIncompatibleMethodOverride]
        self, batch: Batch, sigma_key: jax.Array, noise_key: jax.Array
    ) -> EditExamples:
        assert isinstance(batch, AudioBatch) and batch.source is not None
        results = super()._examples(batch, sigma_key, noise_key)
        return EditExamples(results, jnp.asarray(batch.source), jnp.asarray(batch.drop_source))

    def _losses(  # pyright: ignore[reportIncompatibleMethodOverride]
        self,
        params: Params,
        frozen: Params,
        clips: EditExamples,
        dropout_key: jax.Array | None,
        frames: Array,
    ) -> Metrics:
        results = clips.results
        source = self._codec.encode(frozen["codec"], clips.source, results.lengths)
        if dropout_key is not None:
            source = jnp.where(clips.drop_source[:, None, None], 0, source)
        assert isinstance(results.prompts, Tokens)
        results = results._replace(prompts=results.prompts._replace(source=source))
        return super()._losses(params, frozen, results, dropout_key, frames)

    def sample(self, state: TrainState, batch: Batch, frozen: Params) -> Latents:
        """Guided latents of what the sources of a batch become."""
        assert isinstance(batch, AudioBatch) and batch.tokens is not None
        encode = self._codec.encode
        source = encode(frozen["codec"], jnp.asarray(batch.source), jnp.asarray(batch.lengths))
        batch = batch._replace(tokens=batch.tokens._replace(source=source))
        return super().sample(state, batch, frozen)
