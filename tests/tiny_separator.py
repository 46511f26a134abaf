"""The tiny generator with a separator of random weights beside it."""

import shutil
from pathlib import Path

import jax
import numpy as np

import audiogen_jax as ag
from audiogen_jax.checkpoints.separator import SEPARATOR, save_separator
from audiogen_jax.models.separator.config import SeparatorConfig
from audiogen_jax.models.separator.network import Separator
from audiogen_jax.models.t5.config import T5Config

SIZES = SeparatorConfig(
    n_fft=512, latent_dim=16, text_dim=16, width=16, depth=2, num_heads=2, hidden=16, hop=160
)


def with_separator(generator: Path, target: Path) -> Path:
    """A copy of a folder, with a separator in it."""
    shutil.copytree(generator, target)
    loaded = ag.load(generator)
    assert (loaded.codec.latent_dim, loaded.generator.text.d_model) == (16, 16)  # pyright: ignore
    separator = Separator(SIZES, T5Config(d_model=16))
    shapes, rng = jax.eval_shape(separator.init, jax.random.key(0)), np.random.default_rng(0)
    params = jax.tree.map(lambda leaf: rng.normal(0, 0.3, leaf.shape).astype(np.float32), shapes)
    save_separator(target / SEPARATOR, SIZES, params)
    return target
