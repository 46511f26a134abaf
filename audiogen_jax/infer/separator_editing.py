"""Edits by a separator, which hears a named sound out, and a generator, which makes new ones."""

import dataclasses
import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Float32, Int

from audiogen_jax.caption import StructuredCaption
from audiogen_jax.checkpoints.family import Tokenize
from audiogen_jax.edit_kinds import STEMS
from audiogen_jax.infer.codec import Codec
from audiogen_jax.infer.latent_editing import instruction_text
from audiogen_jax.infer.options import SamplingOptions
from audiogen_jax.infer.parts import joined, parts_of
from audiogen_jax.infer.prompts import warn_of_lost
from audiogen_jax.infer.requests import Clip, ClipError, Request
from audiogen_jax.infer.separation import Grid, shared_out
from audiogen_jax.infer.stem_editing import ADDING, LISTENING, StemEditor, Take, mono_at
from audiogen_jax.input.scenes.layers import gain_below
from audiogen_jax.models.prompting import Sound
from audiogen_jax.models.separator.network import Separator
from audiogen_jax.refiner.refine import refine
from audiogen_jax.types import Latents, Params, Tokens

PART_SECONDS = 5.0
"""Longest recording that it hears at once, as in its training."""
TAKEN_AWAY = 2.0
"""Sharpness of masks of what is taken away, so that a doubtful share is left. In 30 mixtures that
no report is of, removals gain 2.8 dB with it and 2.6 without, and 87 of 100 clips without the sound
stay as they are, not 60. What is extracted would lose by it."""
ABOVE_DB = 1.5
"""Level of what is added above the recording around it: the middle of AudioEdit's range
(arXiv:2604.10708)."""


class ClipMaker(Protocol):
    """What a `Pipeline` makes new sounds by."""

    def for_options(self, options: SamplingOptions) -> "ClipMaker": ...

    def requests(
        self,
        prompts: Sequence[StructuredCaption],
        ids: Sequence[str],
        duration: float | None,
        options: SamplingOptions,
    ) -> list[Request]: ...

    def run(
        self, batch: Sequence[Request], seed: int, options: SamplingOptions, silent: bool
    ) -> list[Clip | ClipError]: ...


@dataclasses.dataclass(frozen=True)
class SeparatorEditor(StemEditor):
    """A separator and a generator, with what they stand on.

    Attributes:
      separator: the model.
      params: its weights.
      codec: of the latents that it reads, and of the sounds that are made.
      tokenize: texts -> tokens padded to one length.
      lost_views: a text -> those of its views that are cut off.
      maker: makes new sounds.
    """

    separator: Separator
    params: Params
    codec: Codec
    tokenize: Tokenize
    lost_views: Callable[[str], tuple[str, ...]]
    maker: ClipMaker

    def named(self, source: Sound, what: str, kept: bool, take: Take) -> Float32[np.ndarray, "n a"]:
        """See `StemEditor.named`; of all that is spoken more is kept, as of speech in noise."""
        _samples_nothing(take)
        sharpness = 1.0 if kept else TAKEN_AWAY
        enhances = kept and what == STEMS["voice"]

        def shares(masks: Float[np.ndarray, "1 f t"]) -> Float[np.ndarray, "2 f t"]:
            if enhances:  # the ideal ratio mask of amplitudes (Wang & Chen 2018, section III-B)
                masks = np.sqrt(masks)
            return np.concatenate([masks, 1 - masks])

        return self._separated(source, [what], shares, sharpness)[0]

    def shared(
        self, source: Sound, sounds: Mapping[str, str], take: Take
    ) -> list[Float32[np.ndarray, "n a"]]:
        _samples_nothing(take)

        def shares(masks: Float[np.ndarray, "k f t"]) -> Float[np.ndarray, "k f t"]:
            return masks / np.maximum(masks.sum(axis=0), 1e-6)

        return self._separated(source, list(sounds.values()), shares, 1.0)

    def made(
        self,
        source: Sound,
        what: str,
        span: tuple[float, float] | None,
        replaced: Float32[np.ndarray, "n a"] | None,
        take: Take,
    ) -> Float32[np.ndarray, " m"]:
        """See `StemEditor.made`; as loud as what it replaces, or a little above the recording."""
        rate, longest = self.codec.sample_rate, len(source.samples) / source.sample_rate
        start, seconds = (0.0, None) if span is None else (span[0], span[1] - span[0])
        sound = self._sound(what, seconds, longest - start, take)
        like, above = (source.samples, ABOVE_DB) if replaced is None else (replaced, 0.0)
        first = round(start * source.sample_rate)
        around = like[first : first + round(len(sound) / rate * source.sample_rate)]
        if around.any() and sound.any():
            around = mono_at(Sound(around, source.sample_rate), rate)[:, None]
            sound = sound * np.float32(gain_below(sound[:, None], around, -above, rate))
        return np.pad(sound, (round(start * rate), 0))

    def _sound(
        self, what: str, seconds: float | None, longest: float, take: Take
    ) -> Float32[np.ndarray, " m"]:
        """A new sound of some seconds, or of as many as suit it, if those are not too many."""
        options, caption = take.options or ADDING, refine(what)
        shortest = self.codec.samples_per_latent / self.codec.sample_rate
        longest = max(longest, shortest)  # what is more is cut off where it is mixed in
        seconds = None if seconds is None else max(seconds, shortest)
        maker = self.maker.for_options(options)
        (request,) = maker.requests([caption], [take.id], seconds, options)
        if request.samples > longest * self.codec.sample_rate:
            (request,) = maker.requests([caption], [take.id], longest, options)
        (clip,) = maker.run([request], take.seed, options, silent=False)
        if isinstance(clip, ClipError):
            raise clip
        return clip.audio if clip.audio.ndim == 1 else clip.audio.mean(axis=1)

    def _separated(
        self,
        source: Sound,
        sounds: Sequence[str],
        shares: Callable[[Float[np.ndarray, "k f t"]], Float[np.ndarray, "j f t"]],
        sharpness: float,
    ) -> list[Float32[np.ndarray, "n a"]]:
        """Stems by what becomes of the masks of some sounds, part by part and together."""
        texts = [instruction_text("extract", sound).format() for sound in sounds]
        tokens = self.tokenize(texts)
        warn_of_lost(texts, tokens, self.lost_views)
        parts = parts_of(source, PART_SECONDS)
        stems = [self._stems(part, tokens, shares, sharpness) for _, part in parts]
        starts = [start for start, _ in parts]
        return [
            joined(list(pieces), starts, len(source.samples)) for pieces in zip(*stems, strict=True)
        ]

    def _stems(
        self,
        part: Sound,
        tokens: Tokens,
        shares: Callable[[Float[np.ndarray, "k f t"]], Float[np.ndarray, "j f t"]],
        sharpness: float,
    ) -> list[Float32[np.ndarray, "n a"]]:
        rate, config = self.codec.sample_rate, self.separator.config
        mono = mono_at(part, rate)
        audio = np.zeros(round(PART_SECONDS * rate), np.float32)
        length = min(len(mono), len(audio))
        audio[:length] = mono[:length]
        least = max(length, self.separator.min_samples, self.codec.min_samples)
        latents = self.codec.encode(audio[None], np.array([least]))
        heard = audio, np.int32(least), latents
        masks = self._masks(self.params, *heard, tokens, np.float32(sharpness))
        grid = Grid(config.sample_rate, config.n_fft, config.hop)
        frames = length // config.hop + 1
        kept = np.asarray(masks)[:, :frames].swapaxes(1, 2)
        return shared_out(part.samples, part.sample_rate, shares(kept), grid)

    @functools.cached_property
    def _masks(self) -> Callable[..., Float[Array, "k t f"]]:
        """(params, recording, its samples, its latents, texts, sharpness) -> masks of the texts."""

        @jax.jit
        def masks(
            params: Params,
            audio: Float[Array, " n"],
            length: Int[Array, ""],
            latents: Latents,
            tokens: Tokens,
            sharpness: Float[Array, ""],
        ) -> Float[Array, "k t f"]:
            spectra, mask = self.separator.spectra(audio[None], length[None])
            count = len(tokens.ids)
            spectra, mask, latents = (
                jnp.repeat(row, count, axis=0) for row in (spectra, mask, latents)
            )
            return self.separator.masks(params, spectra, mask, latents, tokens, sharpness)

        return masks


def _samples_nothing(take: Take) -> None:
    if take.options not in (None, LISTENING):
        raise ValueError(
            "this editor samples only what is added: extractions, removals and stems take no "
            "steps, guidance, schedule or solver"
        )
