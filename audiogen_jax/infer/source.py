"""Generation that starts from real audio: keep some of it, or move all of it a little.

One mask in latent time serves inpainting (frames to keep around a gap), continuation (frames to
keep at the start) and, with nothing kept, variation from a lower noise level.
"""

import dataclasses
from collections.abc import Sequence
from typing import Self

import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float, Int

from audiogen_jax.flow.inpainting import EditArrays
from audiogen_jax.infer.codec import Codec


@dataclasses.dataclass(frozen=True)
class Source:
    """Real audio to generate from.

    Attributes:
      audio: float [n] at the codec's sample rate, [n a] if that has several channels.
      regenerate: (start, end) in seconds of the parts to make anew; what is left is kept. Times
        beyond the end of `audio` are always made anew.
      noise_level: where sampling starts, in (0, 1]: 1 forgets the audio outside what is kept, 0.5
        keeps its outline.
    """

    audio: Float[np.ndarray, "n ..."]
    regenerate: Sequence[tuple[float, float]] = ()
    noise_level: float = 1.0

    def __post_init__(self):
        if np.ndim(self.audio) not in (1, 2) or not np.isfinite(self.audio).all():
            raise ValueError(
                f"source audio of shape {np.shape(self.audio)}: expected finite samples [n] of "
                "mono audio, else [n a]"
            )
        if not 0 < self.noise_level <= 1:
            raise ValueError(f"noise_level={self.noise_level} must be above 0 and at most 1")
        for start, end in self.regenerate:
            if not 0 <= start < end:
                raise ValueError(f"regenerate=({start}, {end}): expected 0 <= start < end seconds")

    @classmethod
    def inpaint(cls, audio: Float[np.ndarray, "n ..."], start: float, end: float) -> Self:
        """Keeps everything but the seconds from `start` to `end`."""
        return cls(audio, ((start, end),))

    @classmethod
    def extend(cls, audio: Float[np.ndarray, "n ..."]) -> Self:
        """Keeps the audio; a longer duration continues it."""
        return cls(audio)

    @classmethod
    def vary(cls, audio: Float[np.ndarray, "n ..."], noise_level: float) -> Self:
        """Keeps nothing exactly, and the less the higher the noise level."""
        return cls(audio, ((0.0, float("inf")),), noise_level)

    def kept(self, frames: int, known: int, latent_rate: float) -> Bool[np.ndarray, " t"]:
        """The latent frames to keep.

        Args:
          frames: of the clip to make.
          known: of the source.
          latent_rate: latent frames per second.
        """
        middle = (np.arange(frames) + 0.5) / latent_rate
        anew = np.arange(frames) >= known
        for start, end in self.regenerate:
            anew |= (start <= middle) & (middle < end)
        return ~anew


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
      ValueError: sampling starts below full noise, but a clip is longer than the source.
    """
    audio = np.asarray(source.audio, np.float32)
    padding = [(0, -len(audio) % codec.samples_per_latent), *[(0, 0)] * (audio.ndim - 1)]
    latents = np.asarray(codec.encode(np.pad(audio, padding)[None]))[0]  # whole latent frames
    known = len(latents)
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
