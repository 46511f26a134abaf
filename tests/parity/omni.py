"""Checkpoint folders made of the reference tensors of Audio-Omni."""

import json
import math
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


def released_config(codec: dict, dit: dict, latent_dim: int) -> dict:
    """Audio-Omni.json as it is released, but for some sizes."""
    conditioners = {
        "omni_prompt": (
            "qwen_omni",
            {
                "qwen_omni_model_name": "Qwen/Qwen2.5-Omni-3B",
                "add_sync_feature": False,
                "project_out": False,
                "out_features": 2048,
                "pad_length": 2048,
                "layer_idx": -2,
            },
        ),
        "sync_feature": ("sync_feature", {"sync_seq_dim": 240, "project_out": False}),
        "speech_prompt": (
            "tts-f5",
            {
                "tts_model_name": "tts-f5",
                "vocab_file": "vocab.txt",
                "seq_len": 2584,
                "proj_seq_len": 256,
            },
        ),
        "audio_input_prompt": (
            "mel_spec",
            {
                "mel_spec_type": "mel_features",
                "n_fft": 1024,
                "hop_length": 256,
                "win_length": 1024,
                "n_mel_channels": 100,
                "target_sample_rate": 44100,
                "mask_ratio_start": 0.7,
                "mask_ratio_end": 1,
                "seq_len": 236,
            },
        ),
    }
    halves = {
        "encoder": {"in_channels": 2, "latent_dim": 2 * latent_dim, "use_snake": True},
        "decoder": {
            "out_channels": 2, "latent_dim": latent_dim, "use_snake": True, "final_tanh": False
        },
    }  # fmt: skip
    vae = {
        **{half: {"type": "oobleck", "config": {**own, **codec}} for half, own in halves.items()},
        "bottleneck": {"type": "vae"},
        "latent_dim": latent_dim,
        "downsampling_ratio": math.prod(codec["strides"]),
        "io_channels": 2,
    }
    return {
        "model_type": "diffusion_cond",
        "sample_size": 485100,
        "sample_rate": 44100,
        "video_fps": 5,
        "audio_channels": 2,
        "model": {
            "pretransform": {"type": "autoencoder", "iterate_batch": True, "config": vae},
            "conditioning": {
                "configs": [
                    {"id": name, "type": kind, "config": config}
                    for name, (kind, config) in conditioners.items()
                ],
                "cond_dim": 768,
            },
            "diffusion": {
                "high_level_cond_ids": ["omni_prompt", "speech_prompt"],
                "low_level_cond_ids": ["sync_feature", "audio_input_prompt"],
                "type": "dit",
                "diffusion_objective": "rectified_flow",
                "config": {
                    "io_channels": latent_dim,
                    "cond_token_dim": 768,
                    "global_cond_dim": 768,
                    "project_cond_tokens": True,
                    "transformer_type": "continuous_transformer",
                    "condition_mask_type": "cat",
                    "video_fps": 5,
                    **dit,
                },
            },
            "io_channels": latent_dim,
        },
    }
