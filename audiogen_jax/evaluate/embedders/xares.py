"""Encoders that keep the contract of X-ARES, in any framework, as embedders of frames."""

from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

import numpy as np
from jaxtyping import ArrayLike, Float, Float32

from audiogen_jax.evaluate.embedders.embedder import Embeddings, Identity
from audiogen_jax.evaluate.waveforms import RESAMPLER, clips_at

Input = TypeVar("Input", contravariant=True)
"""Arrays of the encoder's framework."""


class XaresEncoder(Protocol[Input]):
    """What X-ARES asks of an encoder (its `audio_encoder_checker.py`).

    Attributes:
      sampling_rate: that it hears, Hz.
      output_dim: channels of its frames.
      hop_size_in_ms: from one frame to the next.
    """

    sampling_rate: int
    output_dim: int
    hop_size_in_ms: float

    def __call__(self, audio: Input, /) -> ArrayLike:
        """Float [b n] -> float [b t output_dim]."""
        ...


class EncoderEmbedder:
    """A `FrameEmbedder` by such an encoder, which is given one clip at a time."""

    def __init__(
        self,
        encoder: XaresEncoder[Input],
        as_input: Callable[[Float32[np.ndarray, "1 n"]], Input],
        name: str,
        weights_sha256: str,
    ):
        """Nothing is encoded yet.

        Args:
          encoder: see `XaresEncoder`; no gradients may hang on what it returns.
          as_input: to the arrays of its framework: `torch.from_numpy`, `jax.numpy.asarray`.
          name: of it.
          weights_sha256: of its weights: frames are kept on disk by it.

        Raises:
          ValueError: an attribute is missing or not above 0.
        """
        for attribute in ("sampling_rate", "output_dim", "hop_size_in_ms"):
            if not getattr(encoder, attribute, 0) > 0:
                raise ValueError(
                    f"encoder {name}: {attribute} is {getattr(encoder, attribute, None)!r}, "
                    "expected a number above 0"
                )
        self._frames = lambda clip: encoder(as_input(clip))
        self._width, self._hop = encoder.output_dim, encoder.hop_size_in_ms
        self._identity = Identity(
            name=name,
            weights_sha256=weights_sha256,
            sample_rate=encoder.sampling_rate,
            resampler=RESAMPLER,
            layer="frames",
            pooling="mean of frames",
        )

    @property
    def identity(self) -> Identity:
        """What it is as an embedder."""
        return self._identity

    @property
    def frame_rate(self) -> float:
        """Frames per second."""
        return 1000 / self._hop

    def embed_frames(
        self, clips: Sequence[Float[np.ndarray, " n"]], sample_rate: int
    ) -> list[Float32[np.ndarray, "t d"]]:
        """The frames of each mono clip.

        Raises:
          ValueError: clips that are none, or frames of another shape or not finite.
        """
        frames = []
        for number, clip in enumerate(clips_at(self._identity.sample_rate, clips, sample_rate)):
            encoded = np.asarray(self._frames(clip[None]), np.float32)
            width = self._width
            if encoded.ndim != 3 or encoded.shape[0] != 1 or encoded.shape[2] != width:
                raise ValueError(
                    f"{self._identity.name} returns {list(encoded.shape)} of clip {number}: "
                    f"expected [1 t {width}]"
                )
            if not encoded.shape[1] or not np.isfinite(encoded).all():
                raise ValueError(
                    f"{self._identity.name}: {encoded.shape[1]} frames of clip {number}, or "
                    "NaN or infinite values in them"
                )
            frames.append(encoded[0])
        return frames

    def embed(self, clips: Sequence[Float[np.ndarray, " n"]], sample_rate: int) -> Embeddings:
        """The mean frame of each clip, see `embed_frames`."""
        means = [
            frames.mean(axis=0, dtype=np.float64)
            for frames in self.embed_frames(clips, sample_rate)
        ]
        return Embeddings(np.stack(means), self._identity)
