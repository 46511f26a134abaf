"""Dasheng AudioGen checkpoints: reading, writing, and where the release keeps each parameter."""

import dataclasses
import functools
from collections.abc import Mapping
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import DTypeLike

from audiogen_jax.checkpoints.folder import CheckpointFolder
from audiogen_jax.checkpoints.layout import Buffer, Layout, Rule
from audiogen_jax.checkpoints.mapping import Put, on_host, with_dtype
from audiogen_jax.checkpoints.parameter_file import ParameterFile
from audiogen_jax.checkpoints.safetensors import save_safetensors
from audiogen_jax.flow.flow_map import Distilled
from audiogen_jax.models.audiogen.config import AudioGenConfig
from audiogen_jax.models.audiogen.network import AudioGen
from audiogen_jax.ops.rope import inverse_frequencies
from audiogen_jax.types import Params

# Two facts that the released config.json leaves out.
_INSTRUCTION_LENGTH = "instruction_lengths"
_TEXT_PROJ = "text_proj/kernel"

_DISTILLED: Mapping[Distilled, tuple[str, ...]] = {
    "": (),
    "guided": ("guidance_embed",),
    "flow_map": ("until_embed", "guidance_embed"),
}
"""Embeddings that distilled networks have more than the release."""


def load_audiogen(
    opened: CheckpointFolder,
    dtype: str | DTypeLike = jnp.float32,
    put: Put = on_host,
    stacked: bool = True,
) -> tuple[AudioGenConfig, Params]:
    """Reads a generator, without its text encoder and its tokenizer.

    Args:
      opened: the checkpoint.
      dtype: of the parameters, whatever that of the file.
      put: see `stack_layers` and `split_layers`.
      stacked: False keeps the blocks of the DiT apart, as samplers need them.

    Returns:
      The configuration, with `instruction_length` from the checkpoint, and the parameters.

    Raises:
      FileNotFoundError: there are no weights.
      ValueError: the tensors are not those of the configuration; all differences are named.
    """
    config, file = read_audiogen_config(opened), opened.tensors
    layout = audiogen_layout(config)
    template = audiogen_template(config, _text_dim(file.layout(layout), file.shapes()), dtype)
    return config, ParameterFile(file, layout, template).read(put=put, stacked=stacked)


def read_audiogen_config(opened: CheckpointFolder) -> AudioGenConfig:
    """The configuration of a generator, with `instruction_length` from the checkpoint.

    Raises:
      FileNotFoundError: there are no weights.
      ValueError: config.json or the length is not what it should be.
    """
    config, file = opened.config(AudioGenConfig), opened.tensors
    if file.shapes().get(_INSTRUCTION_LENGTH) != (1,):  # of another shape, it is named elsewhere
        return config
    try:
        length = int(file.read(_INSTRUCTION_LENGTH)[0])
        return dataclasses.replace(config, instruction_length=length)
    except (ValueError, OverflowError) as error:  # NaN or infinite, too
        raise ValueError(f"{file.path}: {_INSTRUCTION_LENGTH}: {error}") from error


def save_audiogen(
    folder: str | Path,
    config: AudioGenConfig,
    params: Params,
    dtype: str | DTypeLike | None = None,
    max_shard_bytes: int | None = None,
) -> None:
    """Writes a generator in the layout that `load_audiogen` reads.

    Args:
      folder: made if it does not exist.
      config: its configuration.
      params: its parameters, without the text encoder's.
      dtype: of the file; that of the parameters if None.
      max_shard_bytes: see `save_safetensors`.
    """
    layout = audiogen_layout(config)
    save_safetensors(folder, config.to_hf(), params, layout, dtype, max_shard_bytes)


def audiogen_template(
    config: AudioGenConfig, text_dim: int | None = None, dtype: str | DTypeLike = jnp.float32
) -> Params:
    """Shapes of the generator's parameters, for a text encoder of width `text_dim`."""
    return with_dtype(_shapes(config, text_dim), dtype)


@functools.lru_cache(maxsize=8)  # as tracing takes a second
def _shapes(config: AudioGenConfig, text_dim: int | None) -> Params:
    model = AudioGen(config, text_dim)
    hidden = np.zeros((1, 2, text_dim or config.content_dim), np.float32)
    latents = np.zeros((1, 4, config.latent_dim), np.float32)
    masks = np.ones((1, 2), bool), np.ones((1, 4), bool)
    variables = jax.eval_shape(model.init, jax.random.key(0), hidden, masks[0], latents, masks[1])
    return variables["params"]


def audiogen_layout(config: AudioGenConfig) -> Layout:
    """Where the release keeps the parameters; frequencies and two tensors of its bookkeeping."""
    rules = [
        *_linear("content_encoder.text_encoder.proj", "text_proj"),
        Rule("instruction_embedding", "instruction", "1sd->sd"),
        Rule("dummy_ta_embed", "no_time_aligned"),
        Rule("dummy_nta_embed", "no_context"),
        *_content_adapter(config),
        *_dit(config),
    ]
    if config.special_tokens:
        name = "content_encoder.text_encoder.special_token_embedding.weight"
        rules.append(Rule(name, "special_token_embed/embedding"))
    if config.edits:
        for name in ("source_proj", "source_embed"):
            rules.append(Rule(f"{name}.weight", f"{name}/kernel", "oi->io"))
    half = config.dit_depth // 2
    blocks = [f"{side}_blocks.{i}" for side in ("in", "out") for i in range(half)]
    frequencies = inverse_frequencies(config.dit_embed_dim // config.dit_num_heads)
    buffers = (
        Buffer("dummy_param", np.zeros(0, np.float32)),
        Buffer(_INSTRUCTION_LENGTH, np.array([config.instruction_length], np.int64)),
        *(
            Buffer(f"backbone.{block}.attn.rotary.inv_freq", frequencies)
            for block in [*blocks, "mid_block"]
        ),
    )
    return Layout(tuple(rules), buffers)


def _text_dim(layout: Layout, shapes: Mapping[str, tuple[int, ...]]) -> int | None:
    """Width of the text encoder, from the projection; None if that is missing or misshapen."""
    rule = next(rule for rule in layout.rules if rule.param == _TEXT_PROJ)
    shape = shapes.get(rule.tensor, ())
    return rule.param_shape(shape)[0] if len(shape) == 2 else None


def _content_adapter(config: AudioGenConfig) -> list[Rule]:
    name, path = "content_adapter", "content_adapter"
    packed = [f"{path}/attention/{part}" for part in ("query", "key", "value")]
    rules = [
        Rule(f"{name}.attn.in_proj_weight", tuple(f"{p}/kernel" for p in packed), "oi->io"),
        Rule(f"{name}.attn.in_proj_bias", tuple(f"{p}/bias" for p in packed)),
        *_linear(f"{name}.attn.out_proj", f"{path}/attention/out"),
        *_norm(f"{name}.norm", f"{path}/norm"),
        *_linear(f"{name}.content_proj", f"{path}/content_out", "oi1->io"),
        *_linear(f"{name}.global_duration_mlp.0", f"{path}/duration_fc1"),
        *_linear(f"{name}.global_duration_mlp.3", f"{path}/duration_fc2"),
        *_linear(f"{name}.duration_predictor.linear", f"{path}/local_duration/out"),
    ]
    for i in range(config.duration_predictor_n_layers):
        conv, local = f"{name}.duration_predictor.conv.{i}", f"{path}/local_duration"
        rules += _linear(f"{conv}.1", f"{local}/conv_{i}", "oik->kio")
        rules += _norm(f"{conv}.3", f"{local}/norm_{i}")
    return rules


def _dit(config: AudioGenConfig) -> list[Rule]:
    name, path = "backbone", "dit"
    return [
        *_linear(f"{name}.context_embed.0", f"{path}/context_fc1"),
        *_linear(f"{name}.context_embed.2", f"{path}/context_fc2"),
        *_linear(f"{name}.time_embed.mlp.0", f"{path}/time_embed/fc1"),
        *_linear(f"{name}.time_embed.mlp.2", f"{path}/time_embed/fc2"),
        *(
            rule
            for extra in _DISTILLED[config.distilled]
            for number, layer in ((0, "fc1"), (2, "fc2"))
            for rule in _linear(f"{name}.{extra}.mlp.{number}", f"{path}/{extra}/{layer}")
        ),
        *_linear(f"{name}.patch_embed.proj", f"{path}/patch_embed", "oi1->io"),
        *_block(config, f"{name}.in_blocks.{{i}}", f"{path}/in_blocks/{{i}}"),
        *_block(config, f"{name}.mid_block", f"{path}/mid_block"),
        *_block(config, f"{name}.out_blocks.{{i}}", f"{path}/out_blocks/{{i}}"),
        *_norm(f"{name}.out_blocks.{{i}}.skip_norm", f"{path}/out_blocks/{{i}}/skip_norm", config),
        *_linear(f"{name}.out_blocks.{{i}}.skip_linear", f"{path}/out_blocks/{{i}}/skip_linear"),
        *_linear(f"{name}.time_ada_final", f"{path}/final_modulation"),
        *_norm(f"{name}.final_block.norm", f"{path}/final_norm", config),
        *_linear(f"{name}.final_block.linear", f"{path}/final_linear"),
        *_linear(f"{name}.final_block.final_layer", f"{path}/final_conv", "oik->kio"),
    ]


def _block(config: AudioGenConfig, name: str, path: str) -> list[Rule]:
    rules = [
        *_linear(f"{name}.adaln.time_ada", f"{path}/modulation"),
        *_norm(f"{name}.norm1", f"{path}/attention_norm", config),
        *_norm(f"{name}.norm2", f"{path}/cross_norm", config),
        *_norm(f"{name}.norm3", f"{path}/mlp_norm", config),
        *_norm(f"{name}.norm_context", f"{path}/context_norm", config),
        *_norm(f"{name}.ta_context_norm", f"{path}/time_aligned_norm", config),
        Rule(f"{name}.ta_context_projection.weight", f"{path}/time_aligned/kernel", "oi->io"),
        *_linear(f"{name}.mlp.net.0.proj", f"{path}/mlp/proj_in"),
        *_linear(f"{name}.mlp.net.2", f"{path}/mlp/proj_out"),
    ]
    for theirs, ours in (("attn", "attention"), ("cross_attn", "cross_attention")):
        for part, full in (("q", "query"), ("k", "key"), ("v", "value")):
            weight = f"{name}.{theirs}.to_{part}.weight"
            rules.append(Rule(weight, f"{path}/{ours}/{full}/kernel", "oi->io"))
        for part, full in (("q", "query"), ("k", "key")):
            norm = f"{name}.{theirs}.norm_{part}"
            rules += _norm(norm, f"{path}/{ours}/{full}_norm", config, config.dit_qk_norm)
        rules += _linear(f"{name}.{theirs}.proj", f"{path}/{ours}/out")
    return rules


def _linear(name: str, path: str, axes: str = "oi->io") -> list[Rule]:
    return [Rule(f"{name}.weight", f"{path}/kernel", axes), Rule(f"{name}.bias", f"{path}/bias")]


def _norm(
    name: str, path: str, config: AudioGenConfig | None = None, kind: str | None = None
) -> list[Rule]:
    scale = Rule(f"{name}.weight", f"{path}/scale")
    if config is not None and (kind or config.dit_norm_layer) == "rmsnorm":
        return [scale]
    return [scale, Rule(f"{name}.bias", f"{path}/bias")]
