"""Model configurations: frozen dataclasses named like the fields of HF `config.json`.

`from_hf` accepts the released files, refuses fields that select a variant this
project does not build, and names every field it does not know.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any, Self

# Written by the HF libraries or meaningful to torch alone; never change an output.
_BOOKKEEPING = frozenset(
    "architectures auto_map dtype torch_dtype transformers_version model_type use_cache "
    "_name_or_path is_encoder_decoder pad_token_id eos_token_id decoder_start_token_id "
    "tie_word_embeddings tie_encoder_decoder output_past task_specific_params "
    "num_decoder_layers initializer_factor classifier_dropout dropout_rate n_positions "
    "tokenizer_class scale_decoder_outputs bos_token_id is_gated_act gradient_checkpointing "
    "output_attentions output_hidden_states return_dict".split()
)


def _like(default: Any, value: Any) -> bool:
    """Is a value of config.json of the type of a field's default?"""
    if isinstance(default, bool) or isinstance(value, bool):
        return isinstance(default, bool) and isinstance(value, bool)
    if isinstance(default, tuple):
        return isinstance(value, list | tuple) and all(isinstance(one, str) for one in value)
    return isinstance(value, int | float if isinstance(default, float) else type(default))


class _HFConfig:
    """Shared (de)serialisation of the dataclasses below."""

    MODEL_TYPE: str
    FIXED: Mapping[str, Any] = {}  # field -> the only value that is built
    DERIVED: frozenset[str] = frozenset()  # fields that config.json does not have

    @classmethod
    def from_hf(cls, values: Mapping[str, Any]) -> Self:
        """Builds the dataclass from the contents of a HF `config.json`.

        Raises:
          ValueError: a field is unknown, of another type, or selects a variant that is not built.
        """
        own = dataclasses.fields(cls)  # pyright: ignore[reportArgumentType]
        defaults = {field.name: field.default for field in own if field.name not in cls.DERIVED}
        kept, unknown, unbuilt, wrong = {}, [], [], []
        for name, value in values.items():
            if name in cls.FIXED:
                if value != cls.FIXED[name]:
                    unbuilt.append(f"{name}={value!r} (only {cls.FIXED[name]!r})")
            elif name in defaults:
                if not _like(defaults[name], value):
                    wrong.append(f"{name}={value!r} (expected one like {defaults[name]!r})")
                kept[name] = tuple(value) if isinstance(value, list) else value
            elif name not in _BOOKKEEPING:
                unknown.append(name)
        if wrong:
            raise ValueError(f"{cls.__name__}: fields of another type: {wrong}")
        if unknown or unbuilt:
            raise ValueError(
                f"{cls.__name__}: unknown fields {sorted(unknown)}; "
                f"variants that are not built: {unbuilt}. "
                f"Known fields: {sorted(set(defaults) | set(cls.FIXED))}"
            )
        return cls(**kept)

    def to_hf(self) -> dict[str, Any]:
        """The contents of the HF `config.json` for this configuration."""
        own = dataclasses.asdict(self)  # pyright: ignore[reportArgumentType]
        own = {k: list(v) if isinstance(v, tuple) else v for k, v in own.items()}
        own = {k: v for k, v in own.items() if k not in self.DERIVED}
        return {"model_type": self.MODEL_TYPE, **self.FIXED, **own}


@dataclasses.dataclass(frozen=True)
class TokenizerConfig(_HFConfig):
    """DashengTokenizer: 16 kHz waveform <-> 25 Hz latents of `embed_dim` channels."""

    MODEL_TYPE = "dashengtokenizer"

    embed_dim: int = 1280
    depth: int = 32
    num_heads: int = 16
    n_mels_patch: int = 128
    hop_length: int = 160
    decoder_embed_dim: int = 1280
    decoder_depth: int = 12
    decoder_intermediate_size: int = 5120
    istft_n_fft: int = 1280
    istft_hop: int = 320
    upsample_tokens: int = 2

    SAMPLE_RATE = 16000

    def __post_init__(self):
        if self.embed_dim % self.num_heads:
            raise ValueError(
                f"embed_dim={self.embed_dim} must be a multiple of num_heads={self.num_heads}"
            )
        if self.istft_hop * self.upsample_tokens != 4 * self.hop_length:
            raise ValueError(
                f"istft_hop={self.istft_hop} x upsample_tokens={self.upsample_tokens} must equal "
                f"the {4 * self.hop_length} samples of one latent frame (4 x hop_length)"
            )

    @property
    def samples_per_latent(self) -> int:
        """Samples covered by one latent frame (640, hence 25 latents per second)."""
        return 4 * self.hop_length


@dataclasses.dataclass(frozen=True)
class T5Config(_HFConfig):
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


@dataclasses.dataclass(frozen=True)
class AudioGenConfig(_HFConfig):
    """Dasheng AudioGen: content adapter with durations and the U-skip DiT."""

    MODEL_TYPE = "dasheng_audiogen"
    FIXED = {
        "dit_act_layer": "geglu",
        "dit_context_fusion": "cross",
        "dit_context_norm": True,
        "dit_context_pe_method": "none",
        "dit_input_type": "1d",
        "dit_patch_size": 1,
        "dit_pe_method": "none",
        "dit_rope_mode": "shared",
        "dit_ta_context_fusion": "add",
        "dit_ta_context_norm": True,
        "dit_time_fusion": "ada",
    }
    DERIVED = frozenset({"instruction_length"})

    latent_dim: int = 1280
    sample_rate: int = 16000
    downsampling_ratio: int = 640
    content_dim: int = 1024
    task_instruction_dim: int = 1024
    instruction_seq_len: int = 14
    use_zero_instruction: bool = False
    adapter_num_heads: int = 8
    adapter_dropout: float = 0.2
    adapter_duration_grad_scale: float = 0.1
    duration_offset: float = 1.0
    duration_predictor_filter_channels: int = 512
    duration_predictor_kernel_size: int = 3
    duration_predictor_n_layers: int = 5
    duration_predictor_p_dropout: float = 0.5
    frame_resolution: float = 0.005
    dit_embed_dim: int = 1536
    dit_depth: int = 32
    dit_num_heads: int = 24
    dit_mlp_ratio: float = 4.0
    dit_in_chans: int = 1280
    dit_out_chans: int = 1280
    dit_context_dim: int = 1024
    dit_ta_context_dim: int = 1024
    dit_norm_layer: str = "layernorm"
    dit_qk_norm: str = "layernorm"
    dit_img_size: int = 1000
    dit_ada_sola_rank: int = 32
    dit_ada_sola_alpha: int = 32
    special_tokens: tuple[str, ...] = ()
    train_special_tokens: bool = False
    text_encoder_name: str = "google/flan-t5-large"
    tokenizer_name: str = "mispeech/dashengtokenizer"
    tokenizer_max_length: int = 512
    # Not in config.json: a tensor of the checkpoint says how much of the instruction is valid.
    instruction_length: int | None = None

    def __post_init__(self):
        if self.content_dim != self.task_instruction_dim:
            raise ValueError(
                f"content_dim={self.content_dim} and task_instruction_dim="
                f"{self.task_instruction_dim} must be equal (one projection serves both)"
            )
        if self.dit_in_chans != self.latent_dim or self.dit_out_chans != self.latent_dim:
            raise ValueError(
                f"dit_in_chans={self.dit_in_chans} and dit_out_chans={self.dit_out_chans} must "
                f"both be latent_dim={self.latent_dim}"
            )
        length = self.instruction_length
        length = self.instruction_seq_len if length is None else length
        if not 1 <= length <= self.instruction_seq_len:
            raise ValueError(
                f"instruction_length={length} must be between 1 and "
                f"instruction_seq_len={self.instruction_seq_len}"
            )
        object.__setattr__(self, "instruction_length", length)
        for name in ("dit_norm_layer", "dit_qk_norm"):
            if getattr(self, name) not in ("layernorm", "rmsnorm"):
                raise ValueError(
                    f"{name}={getattr(self, name)!r} is not built: "
                    "expected 'layernorm' or 'rmsnorm'"
                )
        if self.dit_depth % 2:
            raise ValueError(f"dit_depth={self.dit_depth} must be even (in-blocks + out-blocks)")
        if (
            self.dit_embed_dim % self.dit_num_heads
            or (self.dit_embed_dim // self.dit_num_heads) % 2
        ):
            raise ValueError(
                f"dit_embed_dim={self.dit_embed_dim} must split into dit_num_heads="
                f"{self.dit_num_heads} heads of even size (RoPE rotates pairs)"
            )

    @property
    def latent_rate(self) -> int:
        """Latent frames per second (25)."""
        return self.sample_rate // self.downsampling_ratio
