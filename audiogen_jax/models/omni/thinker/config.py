"""Sizes of the Qwen2.5-Omni thinker, named like the fields of its `config.json`."""

import dataclasses
from collections.abc import Mapping
from typing import Annotated, Self

from audiogen_jax.models.hf_config import HFConfig, SmallCount, Width
from audiogen_jax.types import Range

TokenId = Annotated[int, Range(0, 2**22)]
_IMPLIED = {"add_cross_attention": False, "is_decoder": False, "pruned_heads": {}}
# Of training, of limits that nothing here has, or said by another field as well.
_IGNORED = frozenset(
    "activation_dropout attention_dropout dropout embed_dim encoder_layerdrop ignore_index "
    "in_chans init_std initializer_range max_position_embeddings max_source_positions "
    "max_window_layers num_hidden_layers sliding_window spatial_patch_size tokens_per_second "
    "user_token_id vision_token_id".split()
)


@dataclasses.dataclass(frozen=True)
class TextConfig(HFConfig):
    """The text decoder; the sizes of the 3B model by default."""

    MODEL_TYPE = "qwen2_5_omni_text"
    FIXED = {"hidden_act": "silu"}
    IMPLIED = {**_IMPLIED, "use_sliding_window": False}
    IGNORED = _IGNORED

    vocab_size: Annotated[int, Range(1, 2**22)] = 151936
    hidden_size: Width = 2048
    intermediate_size: Annotated[int, Range(1, 2**20)] = 11008
    num_hidden_layers: SmallCount = 36
    num_attention_heads: Width = 16
    num_key_value_heads: Width = 2
    rms_norm_eps: Annotated[float, Range(0, 1, above=True)] = 1e-6
    rope_theta: Annotated[float, Range(1, 1e12, above=True)] = 1e6
    mrope_section: Annotated[tuple[int, ...], Range(0, 2**15)] = (16, 24, 24)

    @property
    def head_dim(self) -> int:
        return self.hidden_size // self.num_attention_heads

    def __post_init__(self):
        super().__post_init__()
        heads, groups = self.num_attention_heads, self.num_key_value_heads
        if self.hidden_size % heads or self.head_dim % 2 or heads % groups:
            raise ValueError(
                f"hidden_size={self.hidden_size} must be an even multiple of "
                f"num_attention_heads={heads}, and that one of num_key_value_heads={groups}"
            )
        sections = self.mrope_section
        if len(sections) != 3 or sum(sections) != self.head_dim // 2:
            raise ValueError(
                f"mrope_section={sections}: expected three numbers (time, height, width) whose sum "
                f"is half of the {self.head_dim} features of a head"
            )

    @classmethod
    def from_hf(cls, values: Mapping[str, object]) -> Self:
        """See `HFConfig.from_hf`; the rotary sections stand in a field of their own kind."""
        values = dict(values)
        layers = values.pop("layer_types", None) or []
        rope: dict[str, object] = {}
        for name in ("rope_parameters", "rope_scaling"):
            field = values.pop(name, None) or {}
            if not isinstance(field, Mapping):
                raise ValueError(f"{cls.__name__}: {name}={field!r}: expected a JSON object")
            rope |= field
        kinds = [rope.pop(name) for name in ("type", "rope_type") if name in rope]
        wrong = [kind for kind in kinds if kind not in ("default", "mrope")]
        for name in ("mrope_section", "rope_theta"):
            if name in rope:
                values[name] = rope.pop(name)
        if rope or wrong or not isinstance(layers, list) or set(layers) - {"full_attention"}:
            raise ValueError(
                f"{cls.__name__}: rotary embedding of kind {wrong or kinds} with {sorted(rope)}, "
                f"layers {layers}: only the default kind and full attention are built"
            )
        return super().from_hf(values)

    def to_hf(self, derived: bool = False) -> dict[str, object]:
        """See `HFConfig.to_hf`."""
        values = super().to_hf(derived)
        section = values.pop("mrope_section")
        return {**values, "rope_scaling": {"mrope_section": section, "type": "default"}}


@dataclasses.dataclass(frozen=True)
class AudioConfig(HFConfig):
    """The audio tower."""

    MODEL_TYPE = "qwen2_5_omni_audio_encoder"
    FIXED = {"activation_function": "gelu"}
    IMPLIED = {**_IMPLIED, "scale_embedding": False}
    IGNORED = _IGNORED

    d_model: Annotated[int, Range(4, 2**16)] = 1280
    encoder_attention_heads: Width = 20
    encoder_ffn_dim: Width = 5120
    encoder_layers: SmallCount = 32
    num_mel_bins: SmallCount = 128
    n_window: Annotated[int, Range(2, 2**14)] = 100
    output_dim: Width = 2048

    def __post_init__(self):
        super().__post_init__()
        if self.d_model % 2 or self.d_model % self.encoder_attention_heads:
            raise ValueError(
                f"d_model={self.d_model} must be even, and a multiple of "
                f"encoder_attention_heads={self.encoder_attention_heads}"
            )
        if self.n_window % 2:
            raise ValueError(f"n_window={self.n_window}: expected an even number")

    @property
    def chunk_frames(self) -> int:
        """Mel frames that attend to each other."""
        return 2 * self.n_window

    @property
    def chunk_tokens(self) -> int:
        """Tokens of a whole chunk."""
        return self.n_window // 2


@dataclasses.dataclass(frozen=True)
class VisionConfig(HFConfig):
    """The vision tower."""

    MODEL_TYPE = "qwen2_5_omni_vision_encoder"
    FIXED = {"hidden_act": "silu", "in_channels": 3}
    IMPLIED = _IMPLIED
    IGNORED = _IGNORED

    depth: SmallCount = 32
    hidden_size: Width = 1280
    intermediate_size: Width = 3420
    num_heads: Width = 16
    patch_size: Annotated[int, Range(1, 256)] = 14
    spatial_merge_size: Annotated[int, Range(1, 16)] = 2
    temporal_patch_size: Annotated[int, Range(1, 16)] = 2
    window_size: Annotated[int, Range(1, 2**14)] = 112
    fullatt_block_indexes: Annotated[tuple[int, ...], Range(0, 1023)] = (7, 15, 23, 31)
    out_hidden_size: Width = 2048

    def __post_init__(self):
        super().__post_init__()
        if self.hidden_size % (4 * self.num_heads):
            raise ValueError(
                f"hidden_size={self.hidden_size} must be a multiple of 4 x num_heads="
                f"{self.num_heads}: a head has rotary pairs for height and for width"
            )
        if self.window_size % self.token_size:
            raise ValueError(
                f"window_size={self.window_size} must be a multiple of the {self.token_size} "
                "pixels of a token (patch_size x spatial_merge_size)"
            )
        if max(self.fullatt_block_indexes, default=0) >= self.depth:
            raise ValueError(
                f"fullatt_block_indexes={self.fullatt_block_indexes}: expected layers below "
                f"depth={self.depth}"
            )

    @property
    def token_size(self) -> int:
        """Pixels of a token on each side."""
        return self.patch_size * self.spatial_merge_size

    @property
    def window_tokens(self) -> int:
        """Tokens of a window on each side."""
        return self.window_size // self.token_size

    @property
    def patch_values(self) -> int:
        """Numbers of one patch: channels, frames, rows, columns."""
        return 3 * self.temporal_patch_size * self.patch_size**2


@dataclasses.dataclass(frozen=True)
class ThinkerConfig(HFConfig):
    """All of the thinker, and the tokens that it knows by their number."""

    MODEL_TYPE = "qwen2_5_omni_thinker"
    IMPLIED = _IMPLIED
    IGNORED = _IGNORED

    text: TextConfig = TextConfig()
    audio: AudioConfig = AudioConfig()
    vision: VisionConfig = VisionConfig()
    audio_token_index: TokenId = 151646
    audio_start_token_id: TokenId = 151647
    audio_end_token_id: TokenId = 151648
    vision_start_token_id: TokenId = 151652
    vision_end_token_id: TokenId = 151653
    image_token_index: TokenId = 151655
    video_token_index: TokenId = 151656
    pad_token_id: TokenId = 151643
    eos_token_id: TokenId = 151645
    position_id_per_seconds: Annotated[int, Range(1, 10_000)] = 25
    seconds_per_chunk: Annotated[int, Range(1, 3600)] = 2

    def __post_init__(self):
        super().__post_init__()
        widths = self.text.hidden_size, self.audio.output_dim, self.vision.out_hidden_size
        if len(set(widths)) > 1:
            raise ValueError(
                f"text hidden_size, audio output_dim and vision out_hidden_size are {widths}: "
                "expected one width"
            )
        special = [value for name, value in vars(self).items() if name.endswith(("_id", "_index"))]
        if max(special) >= self.text.vocab_size:
            raise ValueError(
                f"special tokens up to {max(special)}: expected numbers below "
                f"vocab_size={self.text.vocab_size}"
            )

    @classmethod
    def from_hf(cls, values: Mapping[str, object]) -> Self:
        """See `HFConfig.from_hf`; the three parts are objects of their own."""
        values = dict(values)
        for name, kind in _PARTS.items():
            part = values.pop(f"{name}_config", {})
            if not isinstance(part, Mapping):
                raise ValueError(f"{cls.__name__}: {name}_config={part!r}: expected a JSON object")
            values[name] = kind.from_hf(part)
        return super().from_hf(values)

    def to_hf(self, derived: bool = False) -> dict[str, object]:
        """See `HFConfig.to_hf`."""
        values = super().to_hf(derived)
        for name in _PARTS:
            values.pop(name)
            values[f"{name}_config"] = getattr(self, name).to_hf(derived)
        return values


_PARTS: Mapping[str, type[HFConfig]] = {
    "text": TextConfig,
    "audio": AudioConfig,
    "vision": VisionConfig,
}
