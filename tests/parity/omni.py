"""Checkpoint folders made of the reference tensors of Audio-Omni."""

import json
from pathlib import Path

from safetensors.flax import save_file

from tests.parity.golden import FOLDER, golden


def sizes(name: str) -> dict:
    """The sizes that stand beside the tensors of one component."""
    return json.loads((FOLDER / "audio_omni" / f"{name}.json").read_text())["config"]


def oobleck_folder(folder: Path) -> Path:
    """The VAE alone, its weights as the release keeps them: lengths and directions."""
    config = sizes("vae")["config"]
    encoder = config["encoder"]["config"]
    values = {
        "model_type": "oobleck",
        "audio_channels": encoder["in_channels"],
        "latent_dim": config["latent_dim"],
        **{name: encoder[name] for name in ("channels", "c_mults", "strides")},
    }
    (folder / "config.json").write_text(json.dumps(values))
    weights = golden("audio_omni", "vae.weights")
    prefix = "pretransform.model."
    tensors = {name.removeprefix(prefix): value for name, value in weights.items()}
    save_file(tensors, folder / "model.safetensors")
    return folder
