"""Sizes of a T5 encoder, named like the fields of its `config.json`."""

import dataclasses

from audiogen_jax.models.hf_config import HFConfig


@dataclasses.dataclass(frozen=True)
class T5Config(HFConfig):
    """Encoder half of T5 v1.1 / Flan-T5 / mT5 (gated GELU, relative position bias)."""

    MODEL_TYPE = "t5"
    FIXED = {"feed_forward_proj": "gated-gelu", "dense_act_fn": "gelu_new"}

    vocab_size: int = 32128
    d_model: int = 1024
    d_kv: int = 64
    d_ff: int = 2816
    num_layers: int = 24
    num_heads: int = 16
    relative_attention_num_buckets: int = 32
    relative_attention_max_distance: int = 128
    layer_norm_epsilon: float = 1e-6
    model_type: str = "t5"  # "mt5" differs in vocabulary alone

    def __post_init__(self):
        if self.model_type not in ("t5", "mt5"):
            raise ValueError(f"model_type={self.model_type!r}: expected 't5' or 'mt5'")
