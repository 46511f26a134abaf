"""Generation that starts from real audio: keep some of it, or move all of it a little.

One mask in latent time serves inpainting (frames to keep around a gap), continuation (frames to
keep at the start) and, with nothing kept, variation from a lower noise level. What is kept is put
back from the audio itself, as the codec would change it.
"""

import dataclasses
import math
import warnings
from collections.abc import Sequence
from typing import Self

import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float, Float32, Int

from audiogen_jax.files.audio import MAX_CHANNELS, RATES, convert
from audiogen_jax.flow.inpainting import EditArrays
from audiogen_jax.infer.codec import Codec
from audiogen_jax.scalars import as_integer, as_interval, as_number
from audiogen_jax.types import as_float32

CROSSFADE_SECONDS = 0.02
"""Before and after what is made anew, half a latent frame."""


@dataclasses.dataclass(frozen=True)
class Source:
    """Real audio to generate from.

    Attributes:
      audio: float [n], or [n a] of several channels.
      regenerate: (start, end) in seconds of the parts to make anew; what is left is kept. Times
        beyond the end of `audio` are always made anew.
      noise_level: where sampling starts, in (0, 1]: 1 forgets the audio outside what is kept, 0.5
        keeps its outline.
      sample_rate: Hz of `audio`; that of the codec if None.
    """

    audio: Float[np.ndarray, "n ..."]
    regenerate: Sequence[tuple[float, float]] = ()
    noise_level: float = 1.0
    sample_rate: int | None = None

    def __post_init__(self):
        audio = as_float32(self.audio, "source audio")
        channels = audio.shape[1] if audio.ndim == 2 else 1
        shaped = audio.ndim in (1, 2) and audio.size and channels <= MAX_CHANNELS
        if not shaped or not np.isfinite(audio).all():
            raise ValueError(
                f"source audio of shape {audio.shape}: expected finite samples [n], or [n a] of at "
                f"most {MAX_CHANNELS} channels"
            )
        level = as_number(self.noise_level)
        if level is None or not 0 < level <= 1:
            raise ValueError(f"noise_level={self.noise_level} must be above 0 and at most 1")
        rate = as_integer(self.sample_rate)
        if self.sample_rate is not None and (rate is None or not RATES[0] <= rate <= RATES[1]):
            raise ValueError(
                f"sample_rate={self.sample_rate!r} must be between {RATES[0]} and {RATES[1]} Hz"
            )
        spans = []
        for span in self.regenerate:
            interval = as_interval(span)
            if interval is None or not 0 <= interval[0] < interval[1]:
                shown = span if interval is None else "({:g}, {:g})".format(*interval)
                raise ValueError(f"regenerate={shown}: expected (start, end), 0 <= start < end")
            spans.append(interval)
        values = {"audio": audio, "regenerate": tuple(spans), "noise_level": level}
        for name, value in (values | {"sample_rate": rate}).items():
            object.__setattr__(self, name, value)

    @classmethod
    def inpaint(
        cls,
        audio: Float[np.ndarray, "n ..."],
        start: float,
        end: float,
        sample_rate: int | None = None,
    ) -> Self:
        """Keeps everything but the seconds from `start` to `end`."""
        return cls(audio, ((start, end),), sample_rate=sample_rate)

    @classmethod
    def extend(cls, audio: Float[np.ndarray, "n ..."], sample_rate: int | None = None) -> Self:
        """Keeps the audio; a longer duration continues it."""
        return cls(audio, sample_rate=sample_rate)

    @classmethod
    def vary(
        cls,
        audio: Float[np.ndarray, "n ..."],
        noise_level: float,
        sample_rate: int | None = None,
    ) -> Self:
        """Keeps nothing exactly, and the less the higher the noise level."""
        return cls(audio, ((0.0, float("inf")),), noise_level, sample_rate)

    def kept(self, frames: int, known: int, latent_rate: float) -> Bool[np.ndarray, " t"]:
        """The latent frames to keep.

        Args:
          frames: of the clip to make.
          known: of the source.
          latent_rate: latent frames per second.
        """
        anew = np.arange(frames) >= known
        for span in self.regenerate:
            anew |= _inside(span, frames, latent_rate)
        return ~anew

    def check_selection(self, frames: int, known: int, latent_rate: float) -> None:
        """Checks that what is asked for is something.

        Args:
          frames: of the clip to make.
          known: of the source.
          latent_rate: latent frames per second.

        Raises:
          ValueError: a part to make anew holds the middle of no frame of the clip, or all is kept.
        """
        for span in self.regenerate:
            if not _inside(span, frames, latent_rate).any():
                raise ValueError(
                    "regenerate=({:g}, {:g}) selects nothing: ".format(*span)
                    + f"the clip has {frames / latent_rate:g} s, in frames of "
                    f"{1 / latent_rate:g} s that are made anew when their middle is selected"
                )
        if self.kept(frames, known, latent_rate).all():
            raise ValueError(
                "the source would be kept as it is: select seconds to regenerate, or give a "
                f"duration above its {known / latent_rate:g} s"
            )

    def splice(
        self, made: Float32[np.ndarray, "n ..."], codec_rate: int
    ) -> tuple[Float32[np.ndarray, "m ..."], int]:
        """Puts the audio back where it is kept, sample for sample.

        Crossfades lie outside of what is made anew. New audio with a peak over full scale is
        attenuated, if anything is kept: later, all would have to be.

        Args:
          made: the clip as it was generated, float32 [n] or [n a].
          codec_rate: Hz of it.

        Returns:
          The clip at the rate and in the channels of the source, and that rate.
        """
        original, rate = _columns(self.audio), self.sample_rate or codec_rate
        new, _ = convert(
            _columns(made), codec_rate, rate, original.shape[1], "the clip that was generated"
        )
        count = round(len(made) * rate / codec_rate)
        if abs(count - len(original)) <= math.ceil(rate / codec_rate):
            count = len(original)  # a clip as long as the source, rounded to samples of the codec
        new, original = _resized(new, count), _resized(original, count)
        weight = self._share_of_new(count, rate)
        if not weight.all():
            new = self._within_full_scale(new, weight)
        audio = ((1 - weight) * original + weight * new).astype(np.float32)
        return audio.reshape(count, *self.audio.shape[1:]), rate

    def _share_of_new(self, count: int, rate: int) -> Float[np.ndarray, "n 1"]:
        """1 in what is made anew, 0 in what is kept, and a crossfade between."""
        seconds = np.arange(count) / rate
        weight = np.zeros(count)
        beyond = [(len(self.audio) / rate, np.inf)] if count > len(self.audio) else []
        for start, end in [*self.regenerate, *beyond]:
            outside = np.maximum(start - seconds, seconds - end)
            ramp = np.clip(1 - outside / CROSSFADE_SECONDS, 0, 1)
            weight = np.maximum(weight, 0.5 - 0.5 * np.cos(np.pi * ramp))
        return weight[:, None]

    def _within_full_scale(
        self, new: Float32[np.ndarray, "n a"], weight: Float[np.ndarray, "n 1"]
    ) -> Float32[np.ndarray, "n a"]:
        ceiling = max(1.0, float(np.abs(self.audio).max()))
        peak = float(np.abs(new * (weight > 0)).max())
        if peak <= ceiling:
            return new
        warnings.warn(
            f"what was made anew peaks at {peak:.2f}, over full scale: it is "
            f"{20 * math.log10(peak / ceiling):.1f} dB quieter in the clip",
            stacklevel=2,
        )
        return new * np.float32(ceiling / peak)


def encode_source(
    source: Source, codec: Codec, lengths: Int[np.ndarray, " b"], frames: int
) -> EditArrays:
    """A source in latent time, the same for every clip of a batch.

    Args:
      source: real audio and what to keep of it.
      codec: encodes it.
      lengths: latent frames of each clip to make.
      frames: of the padded batch.

    Raises:
      ValueError: nothing is to be made anew, or sampling starts below full noise, but a clip is
        longer than the source.
    """
    rate = source.sample_rate or codec.sample_rate
    audio, _ = convert(
        _columns(source.audio), rate, codec.sample_rate, codec.channels, "source audio"
    )
    latents = codec.encode_clip(audio)
    known = len(latents)
    for length in set(lengths.tolist()):
        source.check_selection(length, known, codec.latent_rate)
    if source.noise_level < 1 and lengths.max() > known:
        raise ValueError(
            f"noise_level={source.noise_level} with {lengths.max()} latent frames to make and "
            f"{known} in the source: what lies beyond the source needs noise_level=1"
        )
    keep = source.kept(frames, known, codec.latent_rate)
    padded = np.zeros((frames, latents.shape[1]), np.float32)
    padded[: min(known, frames)] = latents[:frames]
    clips = len(lengths)
    return EditArrays(jnp.tile(padded, (clips, 1, 1)), jnp.tile(keep, (clips, 1)))


def _inside(span: tuple[float, float], frames: int, latent_rate: float) -> Bool[np.ndarray, " t"]:
    """The latent frames whose middle lies in a span of seconds."""
    middle = (np.arange(frames) + 0.5) / latent_rate
    return (span[0] <= middle) & (middle < span[1])


def _columns(audio: Float32[np.ndarray, "n ..."]) -> Float32[np.ndarray, "n a"]:
    return audio if audio.ndim == 2 else audio[:, None]


def _resized(audio: Float32[np.ndarray, "n a"], count: int) -> Float32[np.ndarray, "m a"]:
    """Cut, or filled up with zeros."""
    return np.pad(audio[:count], ((0, max(0, count - len(audio))), (0, 0)))
