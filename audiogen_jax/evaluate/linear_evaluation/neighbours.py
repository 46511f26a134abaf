"""Nearest neighbours: what embeddings say without any training (X-ARES `KNNTrainer`)."""

import numpy as np
from jaxtyping import Float, Int

NEIGHBOURS = 10
TEMPERATURE = 0.07
_CHUNK = 1024


def neighbour_votes(
    train: Float[np.ndarray, "n d"],
    labels: Int[np.ndarray, " n"],
    test: Float[np.ndarray, "m d"],
    classes: int,
) -> Float[np.ndarray, "m c"]:
    """Votes of the 10 nearest training clips by cosine, weighed by a softmax of cosine / 0.07.

    Args:
      train: embeddings.
      labels: of them.
      test: embeddings that are classified.
      classes: how many there are.

    Raises:
      ValueError: fewer than 10 training clips.
    """
    if len(train) < NEIGHBOURS:
        raise ValueError(f"{len(train)} training clips: {NEIGHBOURS} neighbours need more")
    known, asked = _unit(train), _unit(test)
    votes = np.zeros((len(test), classes))
    for start in range(0, len(test), _CHUNK):
        cosines = asked[start : start + _CHUNK] @ known.T
        nearest = np.argsort(-cosines, axis=1, kind="stable")[:, :NEIGHBOURS]
        closeness = np.exp((np.take_along_axis(cosines, nearest, 1) - 1) / TEMPERATURE)
        closeness /= closeness.sum(axis=1, keepdims=True)
        rows = np.arange(start, start + len(cosines))[:, None]
        np.add.at(votes, (rows, labels[nearest]), closeness)
    return votes


def _unit(vectors: Float[np.ndarray, "n d"]) -> Float[np.ndarray, "n d"]:
    vectors = vectors.astype(np.float64)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True).clip(1e-12)
