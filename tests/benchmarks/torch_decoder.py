"""Decoder of DashengTokenizer in plain PyTorch, eager: part of the benchmark's baseline.

Layers are named as in the published checkpoint.
"""

from types import SimpleNamespace

import torch  # noqa: TID251
import torch.nn.functional as F  # noqa: TID251
from jaxtyping import Float
from torch import Tensor, nn  # noqa: TID251

MAX_MAGNITUDE = 100.0


class ConvNeXtBlock(nn.Module):
    """Depthwise convolution and MLP."""

    def __init__(self, width: int, hidden: int):
        super().__init__()
        self.dwconv = nn.Conv1d(width, width, 7, padding=3, groups=width)
        self.norm = nn.LayerNorm(width, eps=1e-6)
        self.pwconv1, self.pwconv2 = nn.Linear(width, hidden), nn.Linear(hidden, width)
        self.gamma = nn.Parameter(torch.ones(width))

    def forward(self, x: Float[Tensor, "b d t"]) -> Float[Tensor, "b d t"]:
        y = self.norm(self.dwconv(x).transpose(1, 2))
        y = self.gamma * self.pwconv2(F.gelu(self.pwconv1(y)))
        return x + y.transpose(1, 2)


class Decoder(nn.Module):
    """Latents to a waveform: upsampler, Vocos, inverse STFT with "same" padding."""

    def __init__(self, config: SimpleNamespace):
        super().__init__()
        width, factor = config.decoder_embed_dim, config.upsample_tokens
        self.n_fft, self.hop = config.istft_n_fft, config.istft_hop
        self.upsampler = nn.ConvTranspose1d(config.embed_dim, config.embed_dim, factor, factor)
        blocks = (
            ConvNeXtBlock(width, config.decoder_intermediate_size)
            for _ in range(config.decoder_depth)
        )
        backbone = {
            "embed": nn.Conv1d(config.embed_dim, width, 7, padding=3),
            "norm": nn.LayerNorm(width, eps=1e-6),
            "convnext": nn.ModuleList(blocks),
            "final_layer_norm": nn.LayerNorm(width, eps=1e-6),
        }
        head = nn.ModuleDict({"out": nn.Linear(width, self.n_fft + 2)})
        self.decoder = nn.ModuleDict({"backbone": nn.ModuleDict(backbone), "head": head})

    def forward(self, latents: Float[Tensor, "b c t"]) -> Float[Tensor, "b n"]:
        backbone = self.decoder["backbone"]
        x = backbone["embed"](self.upsampler(latents))
        x = backbone["norm"](x.transpose(1, 2)).transpose(1, 2)
        for block in backbone["convnext"]:
            x = block(x)
        x = self.decoder["head"]["out"](backbone["final_layer_norm"](x.transpose(1, 2)))
        log_magnitude, phase = x.chunk(2, dim=-1)
        magnitude = log_magnitude.exp().clamp(max=MAX_MAGNITUDE)
        return self._synthesize(torch.polar(magnitude, phase))

    def _synthesize(self, spectrum: Float[Tensor, "b t f"]) -> Float[Tensor, "b n"]:
        window = torch.hann_window(self.n_fft)
        frames = torch.fft.irfft(spectrum, self.n_fft) * window
        count, size = frames.shape[1], (frames.shape[1] - 1) * self.hop + self.n_fft

        def overlap_add(frames: Float[Tensor, "b t w"]) -> Float[Tensor, "b n"]:
            columns = frames.transpose(1, 2)
            added = F.fold(columns, (1, size), (1, self.n_fft), stride=(1, self.hop))
            cut = (self.n_fft - self.hop) // 2
            return added[:, 0, 0, cut : size - cut]

        return overlap_add(frames) / overlap_add((window**2).expand(1, count, self.n_fft))
