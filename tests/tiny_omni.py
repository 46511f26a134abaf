"""Audio-Omni with a few random channels, and clips of a third of a second."""

import json
from pathlib import Path

import jax
import numpy as np
from safetensors.numpy import load_file

from audiogen_jax.checkpoints.layout import TENSOR_PREFIX
from audiogen_jax.checkpoints.omni_generator import omni_template, save_omni
from audiogen_jax.checkpoints.omni_oobleck import oobleck_template, save_oobleck
from audiogen_jax.checkpoints.omni_release import CODEC_PREFIX, THINKER_PREFIX
from audiogen_jax.checkpoints.safetensors import save_safetensors
from audiogen_jax.checkpoints.synchformer import synchformer_layout, synchformer_template
from audiogen_jax.models.omni.config import OmniConfig, OobleckConfig
from audiogen_jax.models.omni.synchformer import SynchformerConfig
from audiogen_jax.types import Params
from tests import tiny_thinker
from tests.checkpoints import torch_writer

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
    sync_length=4,
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

SYNCHFORMER = SynchformerConfig(
    width=6, depth=1, heads=2, mlp_ratio=2, frames_per_segment=4, step=2, image_size=32
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
    seen = random_like(synchformer_template(SYNCHFORMER), 2)
    layout = synchformer_layout(SYNCHFORMER)
    save_safetensors(folder / "synchformer", SYNCHFORMER.to_hf(), seen, layout)
    return folder


def write_released(folder: Path, separate: Path) -> Path:
    """As the release has it: one checkpoint of torch with all three models in it.

    Sizes that Audio-Omni.json cannot name stand in config.json, in the fields of that.

    Args:
      folder: to write.
      separate: from `write_checkpoint`.
    """
    folder.mkdir()
    tensors = load_file(separate / "model.safetensors")
    for name, value in load_file(separate / "codec" / "model.safetensors").items():
        if not name.endswith("weight"):
            tensors[CODEC_PREFIX + name] = value
            continue
        axes = tuple(range(1, value.ndim))
        length = np.sqrt(np.sum(value**2, axis=axes, keepdims=True))
        tensors[f"{CODEC_PREFIX}{name}_g"], tensors[f"{CODEC_PREFIX}{name}_v"] = length, 2 * value
    for name, value in load_file(separate / "thinker" / "model.safetensors").items():
        tensors[THINKER_PREFIX + name] = value
    torch_writer.save(folder / "model.ckpt", tensors)
    values = json.loads((separate / "config.json").read_text())
    for name, prefix in (("codec", CODEC_PREFIX), ("thinker", THINKER_PREFIX)):
        inner = json.loads((separate / name / "config.json").read_text())
        values[name] = {**inner, TENSOR_PREFIX: prefix}
    (folder / "config.json").write_text(json.dumps(values))
    tiny_thinker.write_tokenizer(folder)
    return folder
