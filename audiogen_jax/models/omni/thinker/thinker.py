"""The Qwen2.5-Omni thinker: text, sound and pictures to hidden states, and to answers.

Source: https://arxiv.org/abs/2503.20215.
"""

import dataclasses
import functools
from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, DTypeLike, Float, Int, Key, PRNGKeyArray, UInt8

from audiogen_jax.files.video import VideoTimes
from audiogen_jax.layers.apply import apply
from audiogen_jax.models.language_model import Decoding, Film, FrameChoice, Recording, TextReader
from audiogen_jax.models.omni.resize import resize
from audiogen_jax.models.omni.thinker.audio import AudioTower
from audiogen_jax.models.omni.thinker.axes import AXES
from audiogen_jax.models.omni.thinker.chat import chat
from audiogen_jax.models.omni.thinker.config import ThinkerConfig
from audiogen_jax.models.omni.thinker.generation import generate
from audiogen_jax.models.omni.thinker.inputs import (
    Part,
    Pictures,
    Sound,
    ThinkerInputs,
    VisionRows,
    of_text,
    part_length,
    thinker_inputs,
)
from audiogen_jax.models.omni.thinker.mel import SAMPLE_RATE, log_mel
from audiogen_jax.models.omni.thinker.pictures import patches
from audiogen_jax.models.omni.thinker.text import TextDecoder, unstack
from audiogen_jax.models.omni.thinker.video import frame_choice, frame_size
from audiogen_jax.models.omni.thinker.vision import VisionTower
from audiogen_jax.models.quirks import Quirks
from audiogen_jax.ops.blocks import in_blocks
from audiogen_jax.types import Params, Tokens

VISION_PATCHES = 8192
"""Patches that the vision tower codes at a time, or those of one pair of frames if they are more:
attention in one takes memory of their square."""


class HiddenStates(NamedTuple):
    """What a layer makes of prompts.

    Attributes:
      states: of every token.
      mask: True at tokens.
    """

    states: Float[Array, "b l d"]
    mask: Bool[Array, "b l"]


@dataclasses.dataclass(frozen=True)
class Thinker:
    """The model without parameters: they are passed, as {"text", "audio", "vision"}.

    Attributes:
      config: sizes.
      dtype: of the computation; norms, softmax, rotary angles and logits are float32 in any.
    """

    config: ThinkerConfig
    dtype: DTypeLike = jnp.float32

    axes = AXES
    sample_rate = SAMPLE_RATE
    max_tokens = 32768
    """Longest prompt, with its answer, that the published models were trained on."""

    @property
    def width(self) -> int:
        return self.config.text.hidden_size

    @property
    def vocab_size(self) -> int:
        return self.config.text.vocab_size

    @property
    def text(self) -> TextDecoder:
        return TextDecoder(self.config.text, self.dtype)

    @functools.cached_property
    def _audio(self) -> AudioTower:
        return AudioTower(self.config.audio, dtype=self.dtype)

    @functools.cached_property
    def _vision(self) -> VisionTower:
        return VisionTower(self.config.vision, dtype=self.dtype)

    def init(self, key: PRNGKeyArray) -> dict[str, Params]:
        """Random parameters, layers stacked as in a template; see `for_use`."""
        keys, audio, vision = jax.random.split(key, 3), self.config.audio, self.config.vision
        mel = jnp.zeros((1, audio.chunk_frames, audio.num_mel_bins))
        count = vision.window_tokens**2 * vision.spatial_merge_size**2
        patches = jnp.zeros((1, count, vision.patch_values))
        places, mask = jnp.zeros((count, 2), int), jnp.ones(count, bool)
        return {
            "text": self.text.init(keys[0]),
            "audio": self._audio.init(keys[1], mel, jnp.ones(1, int))["params"],
            "vision": self._vision.init(keys[2], patches, places, mask)["params"],
        }

    def for_use(self, params: Params) -> Params:
        """The layers of the text decoder apart, as everything here but `init` has them."""
        return {**params, "text": unstack(params["text"])}

    def embed(self, params: Params, inputs: ThinkerInputs) -> Float[Array, "b l d"]:
        """Vectors of all tokens, those of sounds and pictures from their towers."""
        x = self.text.embed(params["text"], jnp.asarray(inputs.ids))
        features = []
        if inputs.audio is not None:
            mel, lengths = jnp.asarray(inputs.audio.mel), jnp.asarray(inputs.audio.lengths)
            features.append(apply(self._audio, params["audio"], mel, lengths))
        features += [self._see(params["vision"], rows) for rows in inputs.vision]
        if not features:
            return x
        flat = jnp.concatenate([each.reshape(-1, x.shape[-1]) for each in features])
        index = jnp.asarray(inputs.features)
        return jnp.where((index >= 0)[..., None], flat[jnp.maximum(index, 0)], x)

    def _see(self, params: Params, rows: VisionRows) -> Float[Array, "s n d"]:
        """The vision tower over some pairs of frames at a time."""
        patches, places, mask = (jnp.asarray(each) for each in rows)
        return in_blocks(
            lambda each: apply(self._vision, params, each, places, mask),
            patches,
            VISION_PATCHES // patches.shape[1],
        )

    def hidden_states(
        self, params: Params, inputs: ThinkerInputs | Tokens, layer: int = -2
    ) -> HiddenStates:
        """What a layer hands to the next, as transformers counts them.

        Args:
          params: from `for_use`; the layers behind, the final norm and the head are not needed.
          inputs: prompts, or the tokens of prompts of text alone.
          layer: -2 is what the last layer reads; 0 are the embeddings. The normalised output of
            the last layer, -1, is none of them.
        """
        depth = self.config.text.num_hidden_layers
        if not -depth - 1 <= layer < depth or layer == -1:
            raise ValueError(f"layer={layer}: expected {-depth - 1} to -2, or 0 to {depth - 1}")
        if isinstance(inputs, Tokens):
            inputs = of_text(inputs)
        mask = jnp.asarray(inputs.mask)
        x, _ = self.text.read(
            unstack(params["text"]),
            self.embed(params, inputs),
            jnp.asarray(inputs.positions),
            mask,
            layer % (depth + 1),
        )
        return HiddenStates(jnp.where(mask[..., None], x, 0), mask)

    def frame_choice(self, source: VideoTimes, quirks: Quirks) -> FrameChoice:
        """See `LanguageModel.frame_choice`."""
        pair = self.config.vision.temporal_patch_size
        return frame_choice(source, pair, quirks.frames_by_number, quirks.one_second_pairs)

    def resized(
        self, frame: UInt8[np.ndarray, "y x 3"], frames: int | None
    ) -> UInt8[np.ndarray, "y2 x2 3"]:
        """See `LanguageModel.resized`; a frame of a video is rounded once, as its readers do."""
        height, width = frame_size(frame.shape[0], frame.shape[1], frames, self.config.vision)
        return resize(frame[None], height, width, roundings=2 if frames is None else 1)[0]

    def sound(self, recording: Recording) -> Sound:
        """Sound as it stands in a prompt.

        Raises:
          ValueError: it is shorter than 21 ms, or not finite.
        """
        return Sound(log_mel(recording.samples, self.config.audio.num_mel_bins))

    def pictures(self, film: Film) -> Pictures:
        """A video or a picture as it stands in a prompt.

        Raises:
          ValueError: its frames are of another size than `resized` makes.
        """
        pair = self.config.vision.temporal_patch_size
        seconds = None if film.interval is None else film.interval * pair
        sound = None if film.sound is None else self.sound(film.sound)
        return Pictures(patches(film.frames, self.config.vision), seconds, sound)

    def prompt(
        self, reader: TextReader, question: str, media: Sequence[Recording | Film]
    ) -> list[Part]:
        """See `LanguageModel.prompt`: media first, then the question."""
        shown = [
            self.pictures(each) if isinstance(each, Film) else self.sound(each) for each in media
        ]
        return chat(reader, [*shown, question])

    def inputs(self, prompts: Sequence[Sequence[Part]], length: int = 0) -> ThinkerInputs:
        """See `thinker_inputs`."""
        return thinker_inputs(self.config, prompts, length)

    def prompt_length(self, prompt: Sequence[Part]) -> int:
        """See `LanguageModel.prompt_length`."""
        return sum(part_length(self.config, part) for part in prompt)

    def answer(
        self,
        params: Params,
        inputs: ThinkerInputs,
        keys: Key[Array, " b"],
        decoding: Decoding,
        stop_ids: Sequence[int],
    ) -> tuple[Int[Array, "b n"], Bool[Array, "b n"]]:
        """See `LanguageModel.answer`."""
        x, mask = self.embed(params, inputs), jnp.asarray(inputs.mask)
        positions = jnp.asarray(inputs.positions)
        weights = unstack(params["text"])
        return generate(self.text, weights, x, positions, mask, keys, decoding, stop_ids)
