"""Where the Synchformer checkpoint keeps the parameters of its visual half."""

import functools

import jax
import jax.numpy as jnp
from jaxtyping import DTypeLike

from audiogen_jax.checkpoints.layout import Layout, Rule
from audiogen_jax.checkpoints.mapping import Put, TensorFile, on_host, with_dtype
from audiogen_jax.checkpoints.parameter_file import ParameterFile
from audiogen_jax.models.omni.synchformer import Synchformer, SynchformerConfig
from audiogen_jax.types import Params

_PREFIX = "vfeat_extractor."
# The audio half and what compares the two; of the visual half, an embedding of single frames.
_UNUSED = rf"(?!{_PREFIX}).*|{_PREFIX}patch_embed\.proj\.(weight|bias)"


def load_synchformer(
    file: TensorFile,
    config: SynchformerConfig | None = None,
    dtype: str | DTypeLike = jnp.float32,
    put: Put = on_host,
) -> Params:
    """Reads the visual half.

    Args:
      file: the checkpoint.
      config: sizes; the published ones if None.
      dtype: of the parameters, whatever that of the file.
      put: see `stack_layers`.

    Raises:
      ValueError: the tensors are not those of the configuration; all differences are named.
    """
    config = config or SynchformerConfig()
    template = synchformer_template(config, dtype)
    return ParameterFile(file, synchformer_layout(config), template).read(put=put)


def synchformer_template(config: SynchformerConfig, dtype: str | DTypeLike = jnp.float32) -> Params:
    """Shapes of the parameters."""
    return with_dtype(_shapes(config), dtype)


@functools.lru_cache(maxsize=8)  # as tracing takes a second
def _shapes(config: SynchformerConfig) -> Params:
    size = config.image_size
    frames = jnp.zeros((1, config.frames_per_segment, size, size, 3))
    return jax.eval_shape(Synchformer(config).init, jax.random.key(0), frames)["params"]


def synchformer_layout(config: SynchformerConfig) -> Layout:
    """Where the file has each parameter."""
    c, block = config, "blocks.{i}"
    kernel = (c.width, 3, c.temporal_patch, c.patch, c.patch)
    packed = [f"summary/{part}" for part in ("query", "key", "value")]
    inner = "spatial_attn_agg"
    rules = [
        Rule("cls_token", "class_token", "1ad->ad"),
        Rule("pos_embed", "place_embed", "1pd->pd"),
        Rule("temp_embed", "time_embed", "1td->td"),
        Rule("patch_embed_3d.proj.weight", "patch_embed/kernel", "ocfyx->cfyxo", kernel),
        Rule("patch_embed_3d.proj.bias", "patch_embed/bias"),
        *_norm("norm", "final_norm"),
        Rule(f"{inner}.cls_token", "summary_class_token", "1ad->ad"),
        Rule(f"{inner}.self_attn.in_proj_weight", tuple(f"{p}/kernel" for p in packed), "oi->io"),
        Rule(f"{inner}.self_attn.in_proj_bias", tuple(f"{p}/bias" for p in packed)),
        *_linear(f"{inner}.self_attn.out_proj", "summary/out"),
        *_linear(f"{inner}.linear1", "summary_mlp/fc1"),
        *_linear(f"{inner}.linear2", "summary_mlp/fc2"),
        *_norm(f"{inner}.norm1", "summary_norm"),
        *_norm(f"{inner}.norm2", "summary_mlp_norm"),
        *_norm(f"{block}.norm3", "blocks/{i}/time_norm"),
        *_norm(f"{block}.norm1", "blocks/{i}/space_norm"),
        *_norm(f"{block}.norm2", "blocks/{i}/mlp_norm"),
        *_linear(f"{block}.mlp.fc1", "blocks/{i}/mlp/fc1"),
        *_linear(f"{block}.mlp.fc2", "blocks/{i}/mlp/fc2"),
    ]
    for theirs, ours in (("timeattn", "time"), ("attn", "space")):
        rules += _linear(f"{block}.{theirs}.qkv", f"blocks/{{i}}/{ours}/qkv")
        rules += _linear(f"{block}.{theirs}.proj", f"blocks/{{i}}/{ours}/out")
    prefixed = (Rule(_PREFIX + r.tensor, r.param, r.axes, r.tensor_shape) for r in rules)
    return Layout(tuple(prefixed), ignore=_UNUSED)


def _linear(name: str, path: str) -> list[Rule]:
    weight = Rule(f"{name}.weight", f"{path}/kernel", "oi->io")
    return [weight, Rule(f"{name}.bias", f"{path}/bias")]


def _norm(name: str, path: str) -> list[Rule]:
    return [Rule(f"{name}.weight", f"{path}/scale"), Rule(f"{name}.bias", f"{path}/bias")]
