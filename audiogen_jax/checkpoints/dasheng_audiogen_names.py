"""Where the parameters of Dasheng AudioGen are in its checkpoint."""

import numpy as np

from audiogen_jax.checkpoints.mapping import Buffer, Rule
from audiogen_jax.models.audiogen.config import AudioGenConfig
from audiogen_jax.ops.rope import inverse_frequencies

INSTRUCTION_LENGTH = "instruction_lengths"
TEXT_PROJ = "content_encoder.text_encoder.proj.weight"


def audiogen_rules(config: AudioGenConfig) -> tuple[Rule, ...]:
    """Every parameter of `models.audiogen.AudioGen`."""
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
        rules.append(Rule(name, "special_token_embed/embedding", "vd->vd"))
    return tuple(rules)


def audiogen_buffers(config: AudioGenConfig) -> tuple[Buffer, ...]:
    """The tensors that are no parameters of ours."""
    half = config.dit_depth // 2
    blocks = [f"in_blocks.{i}" for i in range(half)] + [f"out_blocks.{i}" for i in range(half)]
    frequencies = inverse_frequencies(config.dit_embed_dim // config.dit_num_heads)
    return (
        Buffer("dummy_param", np.zeros(0, np.float32)),
        Buffer(INSTRUCTION_LENGTH, np.array([config.instruction_length], np.int64)),
        *(
            Buffer(f"backbone.{block}.attn.rotary.inv_freq", frequencies)
            for block in [*blocks, "mid_block"]
        ),
    )


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
        *_linear(f"{name}.patch_embed.proj", f"{path}/patch_embed", "oi1->io"),
        *_block(config, f"{name}.in_blocks.{{i}}", f"{path}/in_blocks"),
        *_block(config, f"{name}.mid_block", f"{path}/mid_block"),
        *_block(config, f"{name}.out_blocks.{{i}}", f"{path}/out_blocks"),
        *_norm(f"{name}.out_blocks.{{i}}.skip_norm", f"{path}/out_blocks/skip_norm", config),
        *_linear(f"{name}.out_blocks.{{i}}.skip_linear", f"{path}/out_blocks/skip_linear"),
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
