"""Audio-Omni checkpoints: conditioners and velocity network, and where the release keeps them."""

import functools
import re
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import DTypeLike

from audiogen_jax.checkpoints.folder import CheckpointFolder
from audiogen_jax.checkpoints.layout import Buffer, Layout, Rule
from audiogen_jax.checkpoints.mapping import Put, on_host, with_dtype
from audiogen_jax.checkpoints.omni_release import CODEC_PREFIX, THINKER_PREFIX
from audiogen_jax.checkpoints.parameter_file import ParameterFile
from audiogen_jax.checkpoints.safetensors import save_safetensors
from audiogen_jax.models.omni.config import OmniConfig
from audiogen_jax.models.omni.generator import AudioOmni
from audiogen_jax.ops.rope import inverse_frequencies
from audiogen_jax.types import Params

_CONDITIONERS = "conditioner.conditioners"
# In the released file, beside these: the codec and the thinker.
_OTHERS = "|".join(f"{re.escape(prefix)}.*" for prefix in (CODEC_PREFIX, THINKER_PREFIX))


def load_omni(
    opened: CheckpointFolder,
    dtype: str | DTypeLike = jnp.float32,
    put: Put = on_host,
    stacked: bool = True,
) -> tuple[OmniConfig, Params]:
    """Reads Audio-Omni, without its thinker and its codec.

    Args:
      opened: the checkpoint.
      dtype: of the parameters, whatever that of the file.
      put: see `stack_layers` and `split_layers`.
      stacked: False keeps the blocks of the DiT apart, as samplers need them.

    Raises:
      FileNotFoundError: there are no weights.
      ValueError: the tensors are not those of the configuration; all differences are named.
    """
    config = opened.config(OmniConfig)
    file = ParameterFile(opened.tensors, omni_layout(config), omni_template(config, dtype))
    return config, file.read(put=put, stacked=stacked)


def save_omni(
    folder: str | Path,
    config: OmniConfig,
    params: Params,
    dtype: str | DTypeLike | None = None,
    max_shard_bytes: int | None = None,
) -> None:
    """Writes Audio-Omni, without its thinker and its codec, under the released names.

    Args:
      folder: made if it does not exist.
      config: its configuration.
      params: its parameters.
      dtype: of the file; that of the parameters if None.
      max_shard_bytes: see `save_safetensors`.
    """
    layout = omni_layout(config)
    save_safetensors(folder, config.to_hf(), params, layout, dtype, max_shard_bytes)


def omni_template(config: OmniConfig, dtype: str | DTypeLike = jnp.float32) -> Params:
    """Shapes of the parameters of conditioners and velocity network."""
    return with_dtype(_shapes(config), dtype)


@functools.lru_cache(maxsize=8)  # as tracing takes a second
def _shapes(config: OmniConfig) -> Params:
    generator = AudioOmni(config)
    return jax.eval_shape(generator.init, jax.random.key(0))[generator.network]


def omni_layout(config: OmniConfig) -> Layout:
    """Where the release keeps the parameters; zeros of norms, frequencies, a tensor without use."""
    name = "model.model.transformer"
    beta = np.zeros(config.embed_dim, np.float32)
    norms = [
        f"{name}.layers.{i}.{norm}.beta"
        for i in range(config.depth)
        for norm in ("pre_norm", "cross_attend_norm", "ff_norm")
    ]
    frequencies = inverse_frequencies(config.rotary_dims)
    no_audio = np.zeros((1, config.mel_tokens, config.cond_dim), np.float32)
    buffers = (
        *(Buffer(norm, beta) for norm in norms),
        Buffer(f"{name}.rotary_pos_emb.inv_freq", frequencies),
        Buffer(f"{_CONDITIONERS}.audio_input_prompt.empty_audio_feat", no_audio, None),
    )
    return Layout(
        (*_dit(), *_thinker_and_sync(), *_transcript(config), *_mel()), buffers, ignore=_OTHERS
    )


def _dit() -> list[Rule]:
    name, path = "model.model", "dit"
    layer, block = f"{name}.transformer.layers.{{i}}", f"{path}/blocks/{{i}}"
    packed = [f"{block}/attention/{part}/kernel" for part in ("query", "key", "value")]
    return [
        Rule(f"{name}.timestep_features.weight", f"{path}/frequencies", "d1->d"),
        *_linear(f"{name}.to_timestep_embed.0", f"{path}/time_fc1"),
        *_linear(f"{name}.to_timestep_embed.2", f"{path}/time_fc2"),
        _matrix(f"{name}.to_cond_embed.0", f"{path}/context_fc1"),
        _matrix(f"{name}.to_cond_embed.2", f"{path}/context_fc2"),
        _matrix(f"{name}.to_global_embed.0", f"{path}/prefix_fc1"),
        _matrix(f"{name}.to_global_embed.2", f"{path}/prefix_fc2"),
        _matrix(f"{name}.preprocess_conv", f"{path}/mix_in", "oi1->io"),
        _matrix(f"{name}.postprocess_conv", f"{path}/mix_out", "oi1->io"),
        _matrix(f"{name}.transformer.project_in", f"{path}/project_in"),
        _matrix(f"{name}.transformer.project_out", f"{path}/project_out"),
        Rule(f"{layer}.pre_norm.gamma", f"{block}/attention_norm/scale"),
        Rule(f"{layer}.cross_attend_norm.gamma", f"{block}/cross_norm/scale"),
        Rule(f"{layer}.ff_norm.gamma", f"{block}/mlp_norm/scale"),
        Rule(f"{layer}.self_attn.to_qkv.weight", tuple(packed), "oi->io"),
        _matrix(f"{layer}.self_attn.to_out", f"{block}/attention/out"),
        _matrix(f"{layer}.cross_attn.to_q", f"{block}/cross_attention/query"),
        Rule(
            f"{layer}.cross_attn.to_kv.weight",
            tuple(f"{block}/cross_attention/{part}/kernel" for part in ("key", "value")),
            "oi->io",
        ),
        _matrix(f"{layer}.cross_attn.to_out", f"{block}/cross_attention/out"),
        *_linear(f"{layer}.ff.ff.0.proj", f"{block}/mlp/proj_in"),
        *_linear(f"{layer}.ff.ff.2", f"{block}/mlp/proj_out"),
    ]


def _thinker_and_sync() -> list[Rule]:
    sync = f"{_CONDITIONERS}.sync_feature"
    return [
        *_linear(f"{_CONDITIONERS}.omni_prompt.proj_features", "thinker_projection/project"),
        Rule(f"{sync}.norm.weight", "sync/norm/scale"),
        Rule(f"{sync}.norm.bias", "sync/norm/bias"),
        *_linear(f"{sync}.proj", "sync/project"),
        *_linear(f"{sync}.dim_project", "sync/along_time"),
    ]


def _transcript(config: OmniConfig) -> list[Rule]:
    name, path = f"{_CONDITIONERS}.speech_prompt", "transcript"
    rules = [
        Rule(f"{name}.empty_speech_feat", f"{path}/none", "1ue->ue"),
        Rule(f"{name}.text_embed.text_embed.weight", f"{path}/embed/embedding"),
        *_linear(f"{name}.proj_features", f"{path}/along_features"),
        *_linear(f"{name}.proj_seq_len", f"{path}/along_time"),
    ]
    for i in range(config.text_layers):
        block, layer = f"{name}.text_embed.text_blocks.{i}", f"{path}/layers_{i}"
        rules += [
            *_linear(f"{block}.dwconv", f"{layer}/dwconv", "oik->kio"),
            Rule(f"{block}.norm.weight", f"{layer}/norm/scale"),
            Rule(f"{block}.norm.bias", f"{layer}/norm/bias"),
            *_linear(f"{block}.pwconv1", f"{layer}/pwconv1"),
            Rule(f"{block}.grn.gamma", f"{layer}/responses/gamma", "11d->d"),
            Rule(f"{block}.grn.beta", f"{layer}/responses/beta", "11d->d"),
            *_linear(f"{block}.pwconv2", f"{layer}/pwconv2"),
        ]
    return rules


def _mel() -> list[Rule]:
    name = f"{_CONDITIONERS}.audio_input_prompt"
    return [
        *_linear(f"{name}.proj_sequence_features", "mel/along_time"),
        *_linear(f"{name}.proj_features", "mel/along_mels"),
    ]


def _matrix(name: str, path: str, axes: str = "oi->io") -> Rule:
    return Rule(f"{name}.weight", f"{path}/kernel", axes)


def _linear(name: str, path: str, axes: str = "oi->io") -> list[Rule]:
    return [_matrix(name, path, axes), Rule(f"{name}.bias", f"{path}/bias")]
