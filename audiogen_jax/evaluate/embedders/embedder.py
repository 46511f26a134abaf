"""What turns clips into embeddings, and says what it is: distances compare only what it made."""

import dataclasses
from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float


@dataclasses.dataclass(frozen=True)
class Identity:
    """All that decides the embedding of a clip.

    Attributes:
      name: of the network.
      weights_sha256: of its parameters.
      sample_rate: that it hears, Hz.
      resampler: how audio of another rate gets there.
      layer: whose output is taken.
      pooling: how a clip of any length becomes one vector.
    """

    name: str
    weights_sha256: str
    sample_rate: int
    resampler: str
    layer: str
    pooling: str


@dataclasses.dataclass(frozen=True)
class Embeddings:
    """Embeddings of some clips.

    Attributes:
      values: float [n d].
      identity: of the embedder.
    """

    values: Float[np.ndarray, "n d"]
    identity: Identity

    def __len__(self) -> int:
        return len(self.values)

    def __getitem__(self, rows: slice | np.ndarray) -> "Embeddings":
        return Embeddings(self.values[rows], self.identity)


class Embedder(Protocol):
    """A network that embeds clips."""

    @property
    def identity(self) -> Identity: ...

    def embed(self, clips: Sequence[Float[np.ndarray, " n"]], sample_rate: int) -> Embeddings:
        """Embeds mono clips of any length and loudness; none depends on the others.

        Args:
          clips: float [n] each.
          sample_rate: of the clips, Hz.

        Raises:
          ValueError: there are no clips, or one is no mono clip of finite floats.
        """
        ...


@runtime_checkable
class FrameEmbedder(Embedder, Protocol):
    """An embedder that has a vector for every moment of a clip, too."""

    @property
    def frame_rate(self) -> float:
        """Frames per second."""
        ...

    def embed_frames(
        self, clips: Sequence[Float[np.ndarray, " n"]], sample_rate: int
    ) -> list[Float[np.ndarray, "t d"]]:
        """The frames [t d] of each clip, without padding; see `embed`."""
        ...


@runtime_checkable
class TextEmbedder(Embedder, Protocol):
    """An embedder that puts texts beside clips."""

    def embed_texts(self, texts: Sequence[str]) -> Embeddings:
        """Embeddings [b d] of texts; see `clap_scores`."""
        ...


@runtime_checkable
class Classifier(Embedder, Protocol):
    """An embedder that also says of what classes a clip is."""

    def logits(
        self, clips: Sequence[Float[np.ndarray, " n"]], sample_rate: int
    ) -> Float[np.ndarray, "b c"]:
        """Logits of independent classes; see `embed`."""
        ...


def check_comparable(*embeddings: Embeddings) -> None:
    """Raises ValueError unless one embedder made them all."""
    first, *others = (each.identity for each in embeddings)
    for identity in others:
        if identity != first:
            raise ValueError(
                f"embeddings of {identity} and of {first}: distances need the same embedder"
            )
