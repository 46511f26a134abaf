"""How close generated clips come to training clips: memorising made visible."""

import dataclasses

import numpy as np
from jaxtyping import Float, Int

from audiogen_jax.evaluate.embedders.embedder import Embeddings, check_comparable
from audiogen_jax.evaluate.metrics.inputs import two_sets


@dataclasses.dataclass(frozen=True)
class Copies:
    """Nearest training clip of every generated one.

    Attributes:
      threshold: distance under which a clip counts as a near-copy.
      nearest: int [n], row of the nearest training clip.
      distance: float [n], distance to it.
    """

    threshold: float
    nearest: Int[np.ndarray, " n"]
    distance: Float[np.ndarray, " n"]

    @property
    def share(self) -> float:
        """Share of near-copies."""
        return float((self.distance < self.threshold).mean())


def near_copies(
    generated: Embeddings, training: Embeddings, held_out: Embeddings, quantile: float = 0.05
) -> Copies:
    """Finds generated clips that are nearer to a training clip than nearly all held-out clips are.

    Held-out clips were not trained on, so their own nearest distances say what is near by chance;
    a generator that does not memorise has a share of about `quantile`.

    Args:
      generated: clips.
      training: the clips trained on.
      held_out: real clips that were not.
      quantile: share of held-out clips that lie under the threshold.

    Raises:
      ValueError: different embedders or widths, a set without clips, or NaN.
    """
    check_comparable(generated, training, held_out)
    threshold = float(np.quantile(_nearest(held_out.values, training.values)[1], quantile))
    nearest, distance = _nearest(generated.values, training.values)
    return Copies(threshold, nearest, distance)


def _nearest(
    a: Float[np.ndarray, "n d"], b: Float[np.ndarray, "m d"]
) -> tuple[Int[np.ndarray, " n"], Float[np.ndarray, " n"]]:
    """Cosine distance of each row of a to its nearest row of b."""
    a, b = two_sets(a, b, "embeddings")
    a = a / np.maximum(np.linalg.norm(a, axis=1, keepdims=True), 1e-12)
    b = b / np.maximum(np.linalg.norm(b, axis=1, keepdims=True), 1e-12)
    distances = 1.0 - a @ b.T
    nearest = distances.argmin(axis=1)
    return nearest, np.maximum(distances[np.arange(len(a)), nearest], 0.0)
