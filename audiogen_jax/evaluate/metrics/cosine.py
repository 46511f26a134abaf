"""Cosine of embeddings that belong together: text and audio, a voice and its copy."""

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike

from audiogen_jax.evaluate.embedders.embedder import Embeddings, check_comparable
from audiogen_jax.evaluate.metrics.inputs import pairs


def pair_cosines(first: ArrayLike, second: ArrayLike) -> Float[np.ndarray, " n"]:
    """x . y / |x| |y| of each pair, whatever the lengths of the vectors.

    Args:
      first: [n d].
      second: [n d].

    Returns:
      float [n], -1 to 1.

    Raises:
      ValueError: not as many of both, other widths, NaN, or a vector of zeros.
    """
    a, b = (_unit(each) for each in pairs(first, second, "embeddings"))
    return np.clip((a * b).sum(axis=1), -1.0, 1.0)


def clap_scores(text: Embeddings, audio: Embeddings) -> Float[np.ndarray, " n"]:
    """CLAP score of each prompt and clip: their cosine (Wu et al. 2023, arXiv:2211.06687).

    Args:
      text: n prompts, by the text tower.
      audio: n clips, by the audio tower of the same network.

    Returns:
      float [n], -1 to 1.

    Raises:
      ValueError: towers of two networks, and those of `pair_cosines`.
    """
    networks = [(each.identity.name, each.identity.weights_sha256) for each in (text, audio)]
    if networks[0] != networks[1]:
        raise ValueError(f"text by {networks[0]} and audio by {networks[1]}: expected one network")
    return pair_cosines(text.values, audio.values)


def speaker_similarities(reference: Embeddings, generated: Embeddings) -> Float[np.ndarray, " n"]:
    """SIM of each clip and a recording of who should speak: cosine of speaker embeddings.

    As in VALL-E (Wang et al. 2023, arXiv:2301.02111); which embedder it is moves the numbers.

    Args:
      reference: n recordings.
      generated: n clips.

    Returns:
      float [n], -1 to 1.

    Raises:
      ValueError: different embedders, and those of `pair_cosines`.
    """
    check_comparable(reference, generated)
    return pair_cosines(reference.values, generated.values)


def _unit(values: Float[np.ndarray, "n d"]) -> Float[np.ndarray, "n d"]:
    # By the greatest value first, so that squares neither overflow nor vanish.
    scale = np.abs(values).max(axis=1, keepdims=True)
    if not scale.all():
        row = int(np.flatnonzero(scale[:, 0] == 0)[0])
        raise ValueError(f"the embedding of clip {row} is zero: its cosine is not defined")
    scaled = values / scale
    return scaled / np.linalg.norm(scaled, axis=1, keepdims=True)
