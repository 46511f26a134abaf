"""Sizes of a T5 encoder, named like the fields of its `config.json`."""

import dataclasses
from typing import Annotated

from audiogen_jax.models.hf_config import HFConfig, SmallCount, Width
from audiogen_jax.types import Range


@dataclasses.dataclass(frozen=True)
class T5Config(HFConfig):
    """Encoder half of T5 v1.1 / Flan-T5 / mT5 (gated GELU, relative position bias)."""

    MODEL_TYPE = "t5"
    FIXED = {"feed_forward_proj": "gated-gelu", "dense_act_fn": "gelu_new"}
    IMPLIED = {
        "add_cross_attention": False,
        "is_decoder": False,
        "is_gated_act": True,
        "pruned_heads": {},
    }

    vocab_size: Annotated[int, Range(1, 2**22)] = 32128
    d_model: Width = 1024
    d_kv: Width = 64
    d_ff: Width = 2816
    num_layers: SmallCount = 24
    num_heads: Width = 16
    relative_attention_num_buckets: Annotated[int, Range(4, 2**12)] = 32
    relative_attention_max_distance: Annotated[int, Range(1, 2**20)] = 128
    layer_norm_epsilon: Annotated[float, Range(0, 1, above=True)] = 1e-6
    model_type: str = "t5"  # "mt5" differs in vocabulary alone

    def __post_init__(self):
        super().__post_init__()
        if self.model_type not in ("t5", "mt5"):
            raise ValueError(f"model_type={self.model_type!r}: expected 't5' or 'mt5'")
        buckets = self.relative_attention_num_buckets
        if buckets % 4 or self.relative_attention_max_distance <= buckets // 4:
            raise ValueError(
                f"relative_attention_num_buckets={buckets} must be a multiple of 4, and "
                f"relative_attention_max_distance={self.relative_attention_max_distance} above a "
                "quarter of it (half of the buckets of each direction hold one distance each)"
            )
