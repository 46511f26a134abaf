"""Sizes of Dasheng AudioGen, named like the fields of its `config.json`."""

import dataclasses
from typing import Annotated, get_args

from audiogen_jax.flow.flow_map import Distilled
from audiogen_jax.models.hf_config import Factor, Fraction, HFConfig, Rate, SmallCount, Width
from audiogen_jax.types import Range


@dataclasses.dataclass(frozen=True)
class AudioGenConfig(HFConfig):
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
    DERIVED = {"instruction_length": int}

    latent_dim: Width = 1280
    sample_rate: Rate = 16000
    downsampling_ratio: Rate = 640
    content_dim: Width = 1024
    task_instruction_dim: Width = 1024
    instruction_seq_len: Width = 14
    use_zero_instruction: bool = False
    adapter_num_heads: Width = 8
    adapter_dropout: Fraction = 0.2
    adapter_duration_grad_scale: Factor = 0.1
    duration_offset: Factor = 1.0
    duration_predictor_filter_channels: Width = 512
    duration_predictor_kernel_size: SmallCount = 3
    duration_predictor_n_layers: Annotated[int, Range(1, 64)] = 5
    duration_predictor_p_dropout: Fraction = 0.5
    frame_resolution: Annotated[float, Range(0, 1e6, above=True)] = 0.005
    dit_embed_dim: Width = 1536
    dit_depth: SmallCount = 32
    dit_num_heads: Width = 24
    dit_mlp_ratio: Annotated[float, Range(0, 64, above=True)] = 4.0
    dit_in_chans: Width = 1280
    dit_out_chans: Width = 1280
    dit_context_dim: Width = 1024
    dit_ta_context_dim: Width = 1024
    dit_norm_layer: str = "layernorm"
    dit_qk_norm: str = "layernorm"
    dit_img_size: Rate = 1000
    dit_ada_sola_rank: Annotated[int, Range(0, 2**16)] = 32
    dit_ada_sola_alpha: Annotated[int, Range(0, 2**16)] = 32
    special_tokens: tuple[str, ...] = ()
    train_special_tokens: bool = False
    text_encoder_name: str = "google/flan-t5-large"
    tokenizer_name: str = "mispeech/dashengtokenizer"
    tokenizer_max_length: Annotated[int, Range(1, 4096)] = 512
    # Was it trained with the times at which what a text names sounds? The release was not.
    timeline: bool = False
    # What its network was distilled into, see `flow.flow_map`; that of the release was not.
    distilled: Distilled = ""
    # Was it trained to change recordings, whose latents it reads beside the text? The release was
    # not.
    edits: bool = False
    # How much of the instruction is valid. The release has a tensor for it, not a field.
    instruction_length: int | None = None

    def __post_init__(self):
        super().__post_init__()
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
        if self.distilled not in get_args(Distilled):
            raise ValueError(f"distilled={self.distilled!r}: expected one of {get_args(Distilled)}")
        for name in ("dit_norm_layer", "dit_qk_norm"):
            if getattr(self, name) not in ("layernorm", "rmsnorm"):
                raise ValueError(
                    f"{name}={getattr(self, name)!r} is not built: "
                    "expected 'layernorm' or 'rmsnorm'"
                )
        if self.content_dim % self.adapter_num_heads:
            raise ValueError(
                f"content_dim={self.content_dim} must be a multiple of "
                f"adapter_num_heads={self.adapter_num_heads}"
            )
        if self.duration_predictor_kernel_size % 2 == 0:
            raise ValueError(
                f"duration_predictor_kernel_size={self.duration_predictor_kernel_size} must be odd "
                "(a duration for each token)"
            )
        if self.sample_rate % self.downsampling_ratio:
            raise ValueError(
                f"sample_rate={self.sample_rate} must be a multiple of downsampling_ratio="
                f"{self.downsampling_ratio} (whole latent frames per second)"
            )
        if int(self.dit_embed_dim * self.dit_mlp_ratio) < 1:
            raise ValueError(
                f"dit_mlp_ratio={self.dit_mlp_ratio} leaves no width of {self.dit_embed_dim}"
            )
        if len(self.special_tokens) > 4096 or not all(self.special_tokens):
            raise ValueError(
                f"{len(self.special_tokens)} special_tokens: expected at most 4096, none empty"
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

    def to_hf(self, derived: bool = False) -> dict[str, object]:
        """See `HFConfig.to_hf`; what the release has not stands in config.json where it is true."""
        values = super().to_hf(derived)
        return {
            name: value
            for name, value in values.items()
            if value or name not in ("timeline", "distilled", "edits")
        }

    @property
    def latent_rate(self) -> int:
        """Latent frames per second (25)."""
        return self.sample_rate // self.downsampling_ratio
