"""Audio-Omni with a few random channels, and clips of a third of a second."""

from pathlib import Path

import jax
import numpy as np

from audiogen_jax.checkpoints.omni_generator import omni_template, save_omni
from audiogen_jax.checkpoints.omni_oobleck import oobleck_template, save_oobleck
from audiogen_jax.models.omni.config import OmniConfig, OobleckConfig
from audiogen_jax.types import Params
from tests import tiny_thinker

CODEC = OobleckConfig(sample_rate=8000, channels=4, c_mults=(1, 2), strides=(4, 8), latent_dim=4)
CONFIG = OmniConfig(
    sample_rate=8000,
    sample_size=2400,
    downsampling_ratio=32,
    io_channels=4,
    embed_dim=32,
    depth=2,
    num_heads=1,
    cond_dim=8,
    pad_length=96,
    thinker_dim=tiny_thinker.CONFIG.text.hidden_size,
    sync_dim=6,
    sync_length=8,
    sync_tokens=4,
    text_dim=8,
    text_length=40,
    text_tokens=6,
    text_layers=1,
    n_fft=256,
    hop_length=64,
    n_mels=12,
    reference_samples=2048,
    mel_tokens=8,
    thinker="thinker",
)


def random_like(template: Params, seed: int) -> Params:
    """Random arrays of these shapes, so that no layer is without effect."""
    rng = np.random.default_rng(seed)

    def draw(path: tuple, leaf: jax.ShapeDtypeStruct) -> np.ndarray:
        if path[-1].key in ("scale", "bias", "alpha", "beta", "gamma"):
            return (path[-1].key == "scale") + rng.normal(0, 0.1, leaf.shape).astype(np.float32)
        width = 1.0 if len(leaf.shape) < 2 else np.prod(leaf.shape[-3:-1]) ** -0.5
        return rng.normal(0, width, leaf.shape).astype(np.float32)

    return jax.tree_util.tree_map_with_path(draw, template)


def write_checkpoint(folder: Path) -> Path:
    """In the layout that `convert` writes, with its thinker and its codec."""
    save_omni(folder, CONFIG, random_like(omni_template(CONFIG), 0))
    save_oobleck(folder / "codec", CODEC, random_like(oobleck_template(CODEC), 1))
    tiny_thinker.write_checkpoint(folder / "thinker")
    return folder
