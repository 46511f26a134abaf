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


def omni_folder(folder: Path) -> Path:
    """Conditioners and velocity network, without thinker and codec."""
    (folder / "config.json").write_text(json.dumps(omni_values()))
    weights = {}
    for name in ("dit", "tts", "mel", "sync", "omni"):
        weights |= golden("audio_omni", f"{name}.weights")
    save_file(weights, folder / "model.safetensors")
    return folder


def omni_values() -> dict:
    """Contents of its config.json."""
    dit, tts, mel, sync, omni = map(sizes, ("dit", "tts", "mel", "sync", "omni"))
    vae = sizes("vae")["config"]
    samples = golden("audio_omni", "mel.io")["in.wav"].shape[1]
    e2e = json.loads((FOLDER / "audio_omni" / "e2e.json").read_text())
    assert mel["frames"] == samples // mel["hop"] + 1
    return {
        "model_type": "audio_omni",
        "sample_rate": mel["sample_rate"],
        "sample_size": e2e["sample_size"],
        "downsampling_ratio": vae["downsampling_ratio"],
        **{name: dit[name] for name in ("io_channels", "embed_dim", "depth", "num_heads")},
        "cond_dim": dit["cond_token_dim"],
        "pad_length": omni["pad_length"],
        "thinker_dim": omni["hidden"],
        "sync_dim": sync["input_dim"],
        "sync_length": sync["sync_seq_dim"],
        "sync_tokens": sync["sync_output_dim"],
        "vocab_size": tts["vocab_size"],
        "text_dim": tts["text_dim"],
        "text_length": tts["seq_len"],
        "text_tokens": tts["proj_seq_len"],
        "text_layers": tts["conv_layers"],
        "text_mult": tts["conv_mult"],
        "n_fft": mel["n_fft"],
        "hop_length": mel["hop"],
        "n_mels": mel["n_mels"],
        "reference_samples": samples,
        "mel_tokens": mel["seq_len"],
    }
