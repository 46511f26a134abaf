"""What a codec's encoder says of clips: its latents, or what these are made of."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Float32

from audiogen_jax.evaluate.embedders.embedder import Embeddings, Identity
from audiogen_jax.evaluate.waveforms import RESAMPLER, clips_at, to_channels
from audiogen_jax.infer.codec import Codec


class CodecEmbedder:
    """A `FrameEmbedder` by the encoder of any checkpoint.

    Each clip is encoded alone, in a shape that its own length decides: other clips and padding
    change no bit.
    """

    def __init__(self, codec: Codec, layer: str | None = None):
        """Reads the parameters of the encoder.

        Args:
          codec: whose encoder it is.
          layer: of `Codec.layers`: of a DashengTokenizer "semantic", "acoustic" or "unified", their
            sum; the last of them, the latents, if None.

        Raises:
          ValueError: the codec has no such layer.
        """
        self._codec = codec
        self.layer = layer or codec.layers[-1]
        if self.layer not in codec.layers:
            raise ValueError(f"layer {layer!r}: this codec has {', '.join(codec.layers)}")
        self.identity = Identity(
            name=type(codec.codec).__name__,
            weights_sha256=codec.encoder_sha256,
            sample_rate=codec.sample_rate,
            resampler=RESAMPLER,
            layer=self.layer,
            pooling="mean of valid frames",
        )

    @property
    def frame_rate(self) -> float:
        """Frames per second."""
        return self._codec.latent_rate

    def embed_frames(
        self, clips: Sequence[Float[np.ndarray, " n"]], sample_rate: int
    ) -> list[Float32[np.ndarray, "t d"]]:
        """Latent frames of mono clips, as many as each has whole ones.

        Args:
          clips: float [n] each, with at least `Codec.min_samples` at its rate; a codec of more
            channels hears them in all.
          sample_rate: of the clips, Hz.

        Raises:
          ValueError: there are no clips, or one is too short or no mono clip of finite floats.
        """
        frames = []
        for number, clip in enumerate(clips_at(self._codec.sample_rate, clips, sample_rate)):
            if len(clip) < self._codec.min_samples:
                raise ValueError(
                    f"clip {number} of {len(clip)} samples at {self._codec.sample_rate} Hz is too "
                    f"short: this codec needs {self._codec.min_samples}"
                )
            audio = to_channels(clip, self._codec.channels)
            frames.append(self._codec.encode_layer(audio, self.layer))
        return frames

    def embed(self, clips: Sequence[Float[np.ndarray, " n"]], sample_rate: int) -> Embeddings:
        """The mean frame of each clip, see `embed_frames`."""
        means = [
            frames.mean(axis=0, dtype=np.float64)
            for frames in self.embed_frames(clips, sample_rate)
        ]
        return Embeddings(np.stack(means), self.identity)
