"""The released configuration of Audio-Omni, Audio-Omni.json, in the fields that are used here.

The release describes its three models in one nested file, in the way of stable-audio-tools, and
keeps their tensors in one checkpoint. Here each of them is a component with a prefix.
"""

import reprlib
from collections.abc import Mapping

from audiogen_jax.checkpoints.layout import TENSOR_PREFIX
from audiogen_jax.files.jsonl import Row
from audiogen_jax.models.omni.config import OmniConfig, OobleckConfig

RELEASED_CONFIG = "Audio-Omni.json"
CODEC_PREFIX = "pretransform.model."
THINKER_PREFIX = "conditioner.conditioners.omni_prompt.model.thinker."
_THINKER = "qwen2_5_omni_thinker"
_VARIANTS = {
    "model_type": "diffusion_cond",
    "model.pretransform.type": "autoencoder",
    "model.pretransform.config.encoder.type": "oobleck",
    "model.pretransform.config.encoder.config.use_snake": True,
    "model.pretransform.config.decoder.type": "oobleck",
    "model.pretransform.config.decoder.config.use_snake": True,
    "model.pretransform.config.decoder.config.final_tanh": False,
    "model.pretransform.config.bottleneck.type": "vae",
    "model.conditioning.omni_prompt.type": "qwen_omni",
    "model.conditioning.omni_prompt.config.layer_idx": -2,
    "model.conditioning.omni_prompt.config.qwen_omni_model_name": "Qwen/Qwen2.5-Omni-3B",
    "model.conditioning.sync_feature.type": "sync_feature",
    "model.conditioning.speech_prompt.type": "tts-f5",
    "model.conditioning.audio_input_prompt.type": "mel_spec",
    "model.diffusion.high_level_cond_ids": ["omni_prompt", "speech_prompt"],
    "model.diffusion.low_level_cond_ids": ["sync_feature", "audio_input_prompt"],
    "model.diffusion.type": "dit",
    "model.diffusion.diffusion_objective": "rectified_flow",
    "model.diffusion.config.project_cond_tokens": True,
    "model.diffusion.config.transformer_type": "continuous_transformer",
}
"""What selects a variant, and the only one of it that is built."""
_OMNI = {
    "sample_rate": "sample_rate",
    "sample_size": "sample_size",
    "model.pretransform.config.downsampling_ratio": "downsampling_ratio",
    "model.io_channels": "io_channels",
    "model.diffusion.config.embed_dim": "embed_dim",
    "model.diffusion.config.depth": "depth",
    "model.diffusion.config.num_heads": "num_heads",
    "model.conditioning.cond_dim": "cond_dim",
    "model.conditioning.omni_prompt.config.pad_length": "pad_length",
    "model.conditioning.sync_feature.config.sync_seq_dim": "sync_length",
    "model.conditioning.speech_prompt.config.seq_len": "text_length",
    "model.conditioning.speech_prompt.config.proj_seq_len": "text_tokens",
    "model.conditioning.audio_input_prompt.config.n_fft": "n_fft",
    "model.conditioning.audio_input_prompt.config.hop_length": "hop_length",
    "model.conditioning.audio_input_prompt.config.n_mel_channels": "n_mels",
    "model.conditioning.audio_input_prompt.config.seq_len": "mel_tokens",
    "model.conditioning.audio_input_prompt.config.mask_ratio_start": "mask_ratio_start",
    "model.conditioning.audio_input_prompt.config.mask_ratio_end": "mask_ratio_end",
}
_OPTIONAL = {
    "model.conditioning.sync_feature.config.input_dim": "sync_dim",
    "model.conditioning.sync_feature.config.sync_output_dim": "sync_tokens",
    "model.conditioning.speech_prompt.config.text_dim": "text_dim",
    "model.conditioning.speech_prompt.config.conv_layers": "text_layers",
    "model.conditioning.speech_prompt.config.conv_mult": "text_mult",
}
"""What the release leaves at the values of `OmniConfig`."""
_CODEC = {
    "model.pretransform.config.io_channels": "audio_channels",
    "sample_rate": "sample_rate",
    "model.pretransform.config.encoder.config.channels": "channels",
    "model.pretransform.config.encoder.config.c_mults": "c_mults",
    "model.pretransform.config.encoder.config.strides": "strides",
    "model.pretransform.config.latent_dim": "latent_dim",
}
_EQUAL = {
    "audio_channels": "model.pretransform.config.io_channels",
    "model.pretransform.config.encoder.config.in_channels": "model.pretransform.config.io_channels",
    "model.pretransform.config.decoder.config.out_channels": (
        "model.pretransform.config.io_channels"
    ),
    **{
        f"model.pretransform.config.decoder.config.{name}": (
            f"model.pretransform.config.encoder.config.{name}"
        )
        for name in ("channels", "c_mults", "strides")
    },
    "model.pretransform.config.decoder.config.latent_dim": "model.pretransform.config.latent_dim",
    "model.diffusion.config.io_channels": "model.io_channels",
    "model.diffusion.config.cond_token_dim": "model.conditioning.cond_dim",
    "model.diffusion.config.global_cond_dim": "model.conditioning.cond_dim",
    "model.conditioning.audio_input_prompt.config.target_sample_rate": "sample_rate",
    "model.conditioning.audio_input_prompt.config.win_length": (
        "model.conditioning.audio_input_prompt.config.n_fft"
    ),
}
"""Fields that must have the value of another."""
_UNUSED = (
    "video_fps",
    "model.pretransform.iterate_batch",
    "model.pretransform.config.encoder.requires_grad",
    "model.pretransform.config.encoder.config.latent_dim",
    "model.conditioning.omni_prompt.config.add_sync_feature",
    "model.conditioning.omni_prompt.config.project_out",
    "model.conditioning.omni_prompt.config.out_features",
    "model.conditioning.sync_feature.config.project_out",
    "model.conditioning.speech_prompt.config.tts_model_name",
    "model.conditioning.speech_prompt.config.vocab_file",
    "model.conditioning.audio_input_prompt.config.mel_spec_type",
    "model.diffusion.config.condition_mask_type",
    "model.diffusion.config.video_fps",
)
"""What changes no output: the release stores it, or does not use it."""


def released_values(released: Row) -> Row:
    """The fields of Audio-Omni.json as config.json has them.

    Raises:
      ValueError: a field is missing, unknown, contradicts another or selects a variant that is not
        built; all are named.
    """
    flat = _flatten(released)
    known = {*_VARIANTS, *_OMNI, *_OPTIONAL, *_CODEC, *_EQUAL, *_UNUSED}
    wrong = [f"{name}: unknown" for name in sorted(flat.keys() - known)]
    needed = {*_OMNI, *_CODEC}
    wrong += [f"{name}: missing" for name in sorted(needed - flat.keys())]
    for name, only in _VARIANTS.items():
        if flat.get(name, only) != only:
            wrong.append(f"{name}={reprlib.repr(flat[name])}: only {only!r} is built")
    for name, other in _EQUAL.items():
        if name in flat and other in flat and flat[name] != flat[other]:
            wrong.append(f"{name}={reprlib.repr(flat[name])}: expected {other}, {flat[other]!r}")
    if wrong:
        raise ValueError(f"{RELEASED_CONFIG}: {wrong}")
    values = {field: flat[name] for name, field in (_OMNI | _OPTIONAL).items() if name in flat}
    codec = {field: flat[name] for name, field in _CODEC.items()}
    return {
        "model_type": OmniConfig.MODEL_TYPE,
        **values,
        "codec": {"model_type": OobleckConfig.MODEL_TYPE, TENSOR_PREFIX: CODEC_PREFIX, **codec},
        "thinker": {"model_type": _THINKER, TENSOR_PREFIX: THINKER_PREFIX},
    }


def _flatten(values: object, path: str = "") -> dict[str, object]:
    """Leaves by their dotted paths; conditioners by their ids."""
    if isinstance(values, Mapping):
        nested = {f"{path}.{name}" if path else name: value for name, value in values.items()}
        flat: dict[str, object] = {}
        for name, value in nested.items():
            flat |= _flatten(value, name)
        return flat
    if path == "model.conditioning.configs" and isinstance(values, list):
        flat = {}
        for each in values:
            name = each.get("id") if isinstance(each, Mapping) else None
            rest = {key: value for key, value in each.items() if key != "id"} if name else each
            flat |= _flatten(rest, f"model.conditioning.{name}")
        return flat
    return {path: values}
