"""Dasheng AudioGen in plain PyTorch, eager, sampled as the release does: the benchmark's baseline.

Written for this benchmark from a description of the release, and checked against tensors that the
release made (tests/e2e/test_benchmark_baseline.py). As there, a clip costs `steps` + 1 calls of
the velocity network, each over the batch without and with text, and nothing is kept between calls.
"""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Self

import torch  # noqa: TID251
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn  # noqa: TID251

from tests.benchmarks.torch_decoder import Decoder
from tests.benchmarks.torch_dit import DiT
from tests.benchmarks.torch_text import ContentAdapter, T5Encoder


class TorchAudioGen(nn.Module):
    """Velocity network, adapter and the projection of the text; `load` adds the other parts."""

    text_encoder: T5Encoder
    decoder: Decoder
    tokenizer_tensors: dict[str, Tensor]

    def __init__(self, config: SimpleNamespace, text_dim: int):
        super().__init__()
        self.config = config
        self.backbone = DiT(config)
        self.content_adapter = ContentAdapter(config)
        proj = nn.ModuleDict({"proj": nn.Linear(text_dim, config.content_dim)})
        self.content_encoder = nn.ModuleDict({"text_encoder": proj})
        width, tokens = config.task_instruction_dim, config.instruction_seq_len
        self.register_buffer("instruction_embedding", torch.zeros(1, tokens, width))
        self.register_buffer("instruction_lengths", torch.zeros(1, dtype=torch.long))
        self.dummy_param = nn.Parameter(torch.zeros(0))
        self.dummy_ta_embed = nn.Parameter(torch.zeros(config.dit_ta_context_dim))
        self.dummy_nta_embed = nn.Parameter(torch.zeros(config.dit_context_dim))

    @classmethod
    def load(cls, folder: str | Path) -> Self:
        """Reads a generator, its text encoder and its whole tokenizer, as the release does.

        Args:
          folder: in Hugging Face layout, the other two named by config.json relative to it.
        """
        folder = Path(folder)
        config = _read_config(folder)
        if config.dit_norm_layer != "layernorm" or config.dit_qk_norm != "layernorm":
            raise ValueError(f"{folder}: the baseline has only the layernorm variant")
        text_folder = folder / config.text_encoder_name
        tokenizer_folder = folder / config.tokenizer_name
        text_config = _read_config(text_folder)
        with torch.device("meta"):
            model = cls(config, text_config.d_model)
            text_encoder = T5Encoder(text_config)
            decoder = Decoder(_read_config(tokenizer_folder))
        _assign(model, _tensors(folder))
        _assign(text_encoder, _tensors(text_folder))
        model.tokenizer_tensors = _tensors(tokenizer_folder)
        own = {k: v for k, v in model.tokenizer_tensors.items() if k in decoder.state_dict()}
        _assign(decoder, own)
        model.text_encoder, model.decoder = text_encoder, decoder
        return model.eval().requires_grad_(False)

    @torch.inference_mode()
    def encode_text(
        self, token_ids: Int[Tensor, "b l"], token_mask: Bool[Tensor, "b l"]
    ) -> tuple[Float[Tensor, "b l d"], Int[Tensor, " b"]]:
        """Context and predicted latent frames of every prompt."""
        c = self.config
        hidden = self.text_encoder(token_ids, token_mask)
        content = self.content_encoder["text_encoder"]["proj"](hidden)
        count, tokens = len(token_ids), c.instruction_seq_len
        instruction = self.instruction_embedding.expand(count, -1, -1)
        instruction_mask = (torch.arange(tokens) < self.instruction_lengths[:, None]).expand(
            count, -1
        )
        adapted = self.content_adapter(content, token_mask, instruction, instruction_mask)
        context, log_duration, _ = adapted
        rate = c.sample_rate // c.downsampling_ratio
        frames = torch.round((log_duration.exp() - c.duration_offset) * rate).long()
        return context, frames

    @torch.inference_mode()
    def velocity(
        self,
        x: Float[Tensor, "b c t"],
        timestep: Float[Tensor, ""],
        context: Float[Tensor, "b l d"],
        context_mask: Bool[Tensor, "b l"],
        x_mask: Bool[Tensor, "b t"],
        guidance: float,
    ) -> Float[Tensor, "b c t"]:
        """One guided velocity; a single timestep loses its fraction, as in the release."""
        time_aligned = self.dummy_ta_embed.expand(*x_mask.shape, -1)
        timesteps = timestep.long().float().expand(len(x))
        if guidance <= 1:
            return self.backbone(x, timesteps, context, context_mask, time_aligned, x_mask)
        without, with_text = self.backbone(
            torch.cat([x, x]),
            torch.cat([timesteps, timesteps]),
            torch.cat([torch.zeros_like(context), context]),
            torch.cat([context_mask, context_mask]),
            torch.cat([torch.zeros_like(time_aligned), time_aligned]),
            torch.cat([x_mask, x_mask]),
        ).chunk(2)
        return without + guidance * (with_text - without)

    @torch.inference_mode()
    def sample(
        self,
        token_ids: Int[Tensor, "b l"],
        token_mask: Bool[Tensor, "b l"],
        frames: Int[Tensor, " b"],
        noise: Float[Tensor, "b c t"],
        steps: int = 25,
        guidance: float = 5.0,
    ) -> Float[Tensor, "b c t"]:
        """Noise to latents by Euler's method on the sway levels.

        Args:
          token_ids: padded prompts.
          token_mask: True at tokens.
          frames: latent frames of each clip.
          noise: of all frames.
          steps: of the schedule, which appends one more that moves nothing.
          guidance: classifier-free guidance scale.
        """
        context, _ = self.encode_text(token_ids, token_mask)
        x_mask = torch.arange(noise.shape[-1]) < frames[:, None]
        sigmas, x = sway_levels(steps), noise
        for sigma, following in zip(sigmas[:-1], sigmas[1:], strict=True):
            v = self.velocity(x, 1000 * sigma, context, token_mask, x_mask, guidance)
            x = x + (following - sigma) * v
        return x

    @torch.inference_mode()
    def decode(self, latents: Float[Tensor, "b c t"]) -> Float[Tensor, "b n"]:
        """Latents to waveforms."""
        return self.decoder(latents)


def sway_levels(steps: int) -> Float[Tensor, " k"]:
    """Noise levels of the release: `steps` + 2, the last two 0."""
    time = torch.linspace(0, 1, steps + 1)
    time = time - (torch.cos(torch.pi / 2 * time) - 1 + time)
    return torch.cat([1 - time, torch.zeros(1)])


def _read_config(folder: Path) -> SimpleNamespace:
    return SimpleNamespace(**json.loads((folder / "config.json").read_text()))


def _tensors(folder: Path) -> dict[str, Tensor]:
    """All tensors of a folder, copied: the file is mapped for one tensor at a time."""
    from safetensors import safe_open  # not needed where weights are random

    path = folder / "model.safetensors"
    with safe_open(path, framework="pt") as file:
        names = list(file.keys())
    tensors = {}
    for name in names:
        with safe_open(path, framework="pt") as file:
            tensors[name] = file.get_tensor(name).clone()
    return tensors


def _assign(module: nn.Module, tensors: dict[str, Tensor]) -> None:
    module.load_state_dict(tensors, strict=True, assign=True)
