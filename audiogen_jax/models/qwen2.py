"""Sizes of Qwen2 and Qwen2.5, whose layers are those of the thinker's text decoder.

Tokens of text have one position, which is time, height and width at once: all frequencies turn with
the first. Source: https://arxiv.org/abs/2412.15115.
"""

import dataclasses
from collections.abc import Mapping
from typing import Annotated, Self

from audiogen_jax.models.hf_config import SmallCount, Width
from audiogen_jax.models.omni.thinker.config import TextConfig
from audiogen_jax.types import Range


@dataclasses.dataclass(frozen=True)
class Qwen2Config(TextConfig):
    """A decoder whose head is its table of tokens; the sizes of Qwen2.5-0.5B by default."""

    MODEL_TYPE = "qwen2"
    FIXED = {**TextConfig.FIXED, "tie_word_embeddings": True}
    IMPLIED = {**TextConfig.IMPLIED, "use_mrope": False}

    hidden_size: Width = 896
    intermediate_size: Annotated[int, Range(1, 2**20)] = 4864
    num_hidden_layers: SmallCount = 24
    num_attention_heads: Width = 14
    mrope_section: Annotated[tuple[int, ...], Range(0, 2**15)] = (32, 0, 0)

    @classmethod
    def from_hf(cls, values: Mapping[str, object]) -> Self:
        """See `HFConfig.from_hf`; the rotary sections are not among the fields."""
        width, heads = (values.get(name) for name in ("hidden_size", "num_attention_heads"))
        if type(width) is not int or type(heads) is not int or not 0 < heads <= width:
            raise ValueError(
                f"{cls.__name__}: hidden_size={width!r}, num_attention_heads={heads!r}: expected "
                "two numbers, the second at most the first"
            )
        return super().from_hf({**values, "mrope_section": [width // heads // 2, 0, 0]})

    def to_hf(self, derived: bool = False) -> dict[str, object]:
        """See `HFConfig.to_hf`."""
        return {k: v for k, v in super().to_hf(derived).items() if k != "rope_scaling"}
