"""Qwen2.5-Omni checkpoints: the thinker alone, which understands; what speaks is left on disk."""

import functools
from collections.abc import Mapping
from pathlib import Path

import jax
import jax.numpy as jnp
from absl import logging
from jaxtyping import DTypeLike

from audiogen_jax.checkpoints.config_file import CONFIG
from audiogen_jax.checkpoints.family import (
    FolderFamily,
    LanguageModelFamily,
    LoadedLanguageModel,
)
from audiogen_jax.checkpoints.folder import CheckpointFolder
from audiogen_jax.checkpoints.layout import Layout, Rule
from audiogen_jax.checkpoints.mapping import Put, on_host, with_dtype
from audiogen_jax.checkpoints.parameter_file import ParameterFile
from audiogen_jax.checkpoints.releases import QWEN_OMNI
from audiogen_jax.checkpoints.safetensors import save_safetensors
from audiogen_jax.files.content_hashes import read_checked
from audiogen_jax.files.json_object import object_of
from audiogen_jax.input.byte_pairs import BytePairTokenizer
from audiogen_jax.models.omni.thinker.config import ThinkerConfig
from audiogen_jax.models.omni.thinker.thinker import Thinker
from audiogen_jax.types import Params

WHOLE = "qwen2_5_omni"
"""`model_type` of a release: thinker, talker and vocoder in one folder."""
GENERATION = "generation_config.json"
_PREFIX = "thinker."
_SPEECH = r"(talker|token2wav)\..*"


def load_thinker(
    opened: CheckpointFolder,
    dtype: str | DTypeLike = jnp.bfloat16,
    put: Put = on_host,
    stacked: bool = True,
) -> tuple[ThinkerConfig, Params]:
    """Reads the thinker of a release, or a folder of it alone.

    Args:
      opened: the checkpoint.
      dtype: of the parameters, whatever that of the file.
      put: see `stack_layers`.
      stacked: False keeps the layers of the text decoder apart, as `Thinker.for_use` does.

    Raises:
      FileNotFoundError: there are no weights.
      ValueError: the tensors are not those of the configuration; all differences are named.
    """
    config, file = read_thinker_config(opened), opened.tensors
    layout = thinker_layout(config, _PREFIX if opened.model_type == WHOLE else "")
    template = thinker_template(config, dtype)
    checked = ParameterFile(file, layout, template)
    if unread := len(file.shapes()) - len(file.layout(layout).tensors(template)):
        logging.info("%s: %d tensors of the talker and the vocoder are not read", file.path, unread)
    if stacked:
        return config, checked.read(put=put)
    text = checked.read(["text"], put, stacked=False)
    params = {**checked.read(["audio", "vision"], put), **text}
    return config, Thinker(config).for_use(params)


def load_language_model(
    opened: CheckpointFolder, dtype: DTypeLike, param_dtype: DTypeLike, put: Put
) -> LoadedLanguageModel:
    """Reads a thinker with its text tokenizer; see `LanguageModelFamily.load`."""
    config, params = load_thinker(opened, param_dtype, put, stacked=False)
    reader = BytePairTokenizer(opened.path, config.text.vocab_size)
    stops = {config.eos_token_id, config.pad_token_id, *_stop_ids(opened.path / GENERATION)}
    model = Thinker(config, dtype)
    return LoadedLanguageModel(opened.path, model, params, reader, tuple(sorted(stops)))


def _stop_ids(path: Path) -> list[int]:
    """The ids with which an answer ends, as a release says beside its weights."""
    if not path.is_file():
        return []
    ids = object_of(read_checked(path), path).get("eos_token_id") or []
    ids = ids if isinstance(ids, list) else [ids]
    if any(type(each) is not int for each in ids):
        raise ValueError(f"{path}: eos_token_id={ids}: expected token ids")
    return ids


def read_thinker_config(opened: CheckpointFolder) -> ThinkerConfig:
    """The thinker's configuration.

    Raises:
      ValueError: config.json is not what it should be.
    """
    if opened.model_type != WHOLE:
        return opened.config(ThinkerConfig)
    values = opened.values.get("thinker_config")
    if not isinstance(values, Mapping):
        raise ValueError(f"{opened.path / CONFIG} has no object 'thinker_config'")
    try:
        return ThinkerConfig.from_hf(values)
    except ValueError as error:
        raise ValueError(f"{opened.path / CONFIG}: thinker_config: {error}") from error


def save_thinker(
    folder: str | Path,
    config: ThinkerConfig,
    params: Params,
    dtype: str | DTypeLike | None = None,
    max_shard_bytes: int | None = None,
) -> None:
    """Writes a thinker alone, as `load_thinker` and transformers read it.

    Args:
      folder: made if it does not exist.
      config: its configuration.
      params: its parameters, layers stacked.
      dtype: of the file; that of the parameters if None.
      max_shard_bytes: see `save_safetensors`.
    """
    layout = thinker_layout(config)
    save_safetensors(folder, config.to_hf(), params, layout, dtype, max_shard_bytes)


def thinker_template(config: ThinkerConfig, dtype: str | DTypeLike = jnp.float32) -> Params:
    """Shapes of the thinker's parameters, layers stacked."""
    return with_dtype(_shapes(config), dtype)


@functools.lru_cache(maxsize=8)  # as tracing takes a second
def _shapes(config: ThinkerConfig) -> Params:
    return jax.eval_shape(Thinker(config).init, jax.random.key(0))


def thinker_layout(config: ThinkerConfig, prefix: str = "") -> Layout:
    """Where a file keeps the parameters.

    Args:
      config: sizes.
      prefix: of all names.
    """
    head = Rule("lm_head.weight", "text/head/embedding")
    names = (*decoder_rules("text/"), head, *_audio(), *_vision(config))
    rules = (Rule(f"{prefix}{r.tensor}", r.param, r.axes, r.tensor_shape) for r in names)
    return Layout(tuple(rules), ignore=_SPEECH)


def decoder_rules(prefix: str = "") -> list[Rule]:
    """Where Qwen2 and what is built on it keep a text decoder, but for its head.

    Args:
      prefix: of the paths of all parameters.
    """
    name, path = "model.layers.{i}", f"{prefix}layers/{{i}}"
    rules = [
        Rule("model.embed_tokens.weight", f"{prefix}embed/embedding"),
        Rule("model.norm.weight", f"{prefix}norm/scale"),
        Rule(f"{name}.input_layernorm.weight", f"{path}/attention_norm/scale"),
        Rule(f"{name}.post_attention_layernorm.weight", f"{path}/mlp_norm/scale"),
        Rule(f"{name}.self_attn.o_proj.weight", f"{path}/out/kernel", "oi->io"),
    ]
    for part in ("query", "key", "value"):
        rules += _linear(f"{name}.self_attn.{part[0]}_proj", f"{path}/{part}")
    for part in ("gate", "up", "down"):
        rules.append(Rule(f"{name}.mlp.{part}_proj.weight", f"{path}/{part}/kernel", "oi->io"))
    return rules


def _audio() -> list[Rule]:
    name, path = "audio_tower.layers.{i}", "audio/blocks/{i}"
    return [
        *_linear("audio_tower.conv1", "audio/conv1", "oik->kio"),
        *_linear("audio_tower.conv2", "audio/conv2", "oik->kio"),
        Rule("audio_tower.audio_bos_eos_token.weight", "audio/boundaries"),
        *_norm("audio_tower.ln_post", "audio/final_norm"),
        *_linear("audio_tower.proj", "audio/out"),
        *_norm(f"{name}.self_attn_layer_norm", f"{path}/attention_norm"),
        *_norm(f"{name}.final_layer_norm", f"{path}/mlp_norm"),
        *_linear(f"{name}.fc1", f"{path}/mlp/fc1"),
        *_linear(f"{name}.fc2", f"{path}/mlp/fc2"),
        *_linear(f"{name}.self_attn.q_proj", f"{path}/attention/query"),
        Rule(f"{name}.self_attn.k_proj.weight", f"{path}/attention/key/kernel", "oi->io"),
        *_linear(f"{name}.self_attn.v_proj", f"{path}/attention/value"),
        *_linear(f"{name}.self_attn.out_proj", f"{path}/attention/out"),
    ]


def _vision(config: ThinkerConfig) -> list[Rule]:
    c, name, path = config.vision, "visual.blocks.{i}", "vision/blocks/{i}"
    kernel = (c.hidden_size, 3, c.temporal_patch_size, c.patch_size, c.patch_size)
    rules = [
        Rule("visual.patch_embed.proj.weight", "vision/patch_embed/kernel", "ocfyx->cfyxo", kernel),
        Rule("visual.merger.ln_q.weight", "vision/merge_norm/scale"),
        *_linear("visual.merger.mlp.0", "vision/merge_fc1"),
        *_linear("visual.merger.mlp.2", "vision/merge_fc2"),
        Rule(f"{name}.norm1.weight", f"{path}/attention_norm/scale"),
        Rule(f"{name}.norm2.weight", f"{path}/mlp_norm/scale"),
        *_linear(f"{name}.attn.proj", f"{path}/out"),
    ]
    for part in ("query", "key", "value"):
        rules += _linear(f"{name}.attn.{part[0]}", f"{path}/{part}")
    for part in ("gate", "up", "down"):
        rules += _linear(f"{name}.mlp.{part}_proj", f"{path}/{part}")
    return rules


def _linear(name: str, path: str, axes: str = "oi->io") -> list[Rule]:
    return [Rule(f"{name}.weight", f"{path}/kernel", axes), Rule(f"{name}.bias", f"{path}/bias")]


def _norm(name: str, path: str) -> list[Rule]:
    return [Rule(f"{name}.weight", f"{path}/scale"), Rule(f"{name}.bias", f"{path}/bias")]


LANGUAGE_MODEL = LanguageModelFamily(load_language_model, QWEN_OMNI)
FOLDER = FolderFamily(load_thinker, save_thinker)
