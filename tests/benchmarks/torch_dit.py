"""The velocity network of Dasheng AudioGen in plain PyTorch, eager: the benchmark's baseline.

Layers are named as in the published checkpoint, so a state dict loads as it is. Like the release,
every call computes everything: keys and values of the text, time-aligned content of every frame,
all modulations. Only the layernorm variant is here.
"""

from types import SimpleNamespace

import torch  # noqa: TID251
import torch.nn.functional as F  # noqa: TID251
from jaxtyping import Bool, Float
from torch import Tensor, nn  # noqa: TID251

TIME_FEATURES = 256
MAX_PERIOD = 10000.0


class Rotary(nn.Module):
    """Rotates the pairs (i, i + head_dim / 2) of every head."""

    def __init__(self, head_dim: int):
        super().__init__()
        self.register_buffer("inv_freq", torch.zeros(head_dim // 2))

    def forward(self, x: Float[Tensor, "b h t k"]) -> Float[Tensor, "b h t k"]:
        angles = torch.arange(x.shape[2], device=x.device)[:, None] * self.inv_freq
        angles = torch.cat([angles, angles], dim=-1)
        first, second = x.chunk(2, dim=-1)
        return x * angles.cos() + torch.cat([-second, first], dim=-1) * angles.sin()


class Attention(nn.Module):
    """Queries and keys normalised per head, then rotary positions in self-attention."""

    def __init__(self, width: int, heads: int, rotary: bool):
        super().__init__()
        self.heads = heads
        self.to_q, self.to_k, self.to_v = (nn.Linear(width, width, bias=False) for _ in range(3))
        self.norm_q, self.norm_k = (nn.LayerNorm(width // heads) for _ in range(2))
        self.proj = nn.Linear(width, width)
        self.rotary = Rotary(width // heads) if rotary else None

    def forward(
        self,
        x: Float[Tensor, "b t d"],
        context: Float[Tensor, "b l d"],
        mask: Bool[Tensor, "b l"] | None,
    ) -> Float[Tensor, "b t d"]:
        query, key, value = (
            project(source).unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for project, source in ((self.to_q, x), (self.to_k, context), (self.to_v, context))
        )
        query, key = self.norm_q(query), self.norm_k(key)
        if self.rotary is not None:
            query, key = self.rotary(query), self.rotary(key)
        mask = None if mask is None else mask[:, None, None, :]
        attended = F.scaled_dot_product_attention(query, key, value, attn_mask=mask)
        return self.proj(attended.transpose(1, 2).flatten(2))


class GEGLU(nn.Module):
    """Value times the exact GELU of the gate, both from one projection."""

    def __init__(self, width: int, hidden: int):
        super().__init__()
        self.proj = nn.Linear(width, 2 * hidden)

    def forward(self, x: Float[Tensor, "b t d"]) -> Float[Tensor, "b t h"]:
        value, gate = self.proj(x).chunk(2, dim=-1)
        return value * F.gelu(gate)


class Block(nn.Module):
    """Self-attention, time-aligned content, cross-attention, MLP."""

    def __init__(self, config: SimpleNamespace, skip: bool):
        super().__init__()
        width, heads = config.dit_embed_dim, config.dit_num_heads
        hidden = int(width * config.dit_mlp_ratio)
        if skip:
            self.skip_norm, self.skip_linear = nn.LayerNorm(2 * width), nn.Linear(2 * width, width)
        self.adaln = nn.ModuleDict({"time_ada": nn.Linear(width, 6 * width)})
        self.norm1, self.norm2, self.norm3 = (nn.LayerNorm(width) for _ in range(3))
        self.norm_context = nn.LayerNorm(width)
        self.attn = Attention(width, heads, rotary=True)
        self.cross_attn = Attention(width, heads, rotary=False)
        self.ta_context_norm = nn.LayerNorm(config.dit_ta_context_dim)
        self.ta_context_projection = nn.Linear(config.dit_ta_context_dim, width, bias=False)
        net = (GEGLU(width, hidden), nn.Identity(), nn.Linear(hidden, width))
        self.mlp = nn.ModuleDict({"net": nn.Sequential(*net)})

    def forward(
        self,
        x: Float[Tensor, "b t d"],
        skip: Float[Tensor, "b t d"] | None,
        time: Float[Tensor, "b d"],
        context: Float[Tensor, "b l d"],
        time_aligned: Float[Tensor, "b t e"],
        x_mask: Bool[Tensor, "b t"] | None,
        context_mask: Bool[Tensor, "b l"] | None,
    ) -> Float[Tensor, "b t d"]:
        if skip is not None:
            x = self.skip_linear(self.skip_norm(torch.cat([x, skip], dim=-1)))
        modulation = self.adaln["time_ada"](time)[:, None].chunk(6, dim=-1)
        shift_attn, scale_attn, gate_attn, shift_mlp, scale_mlp, gate_mlp = modulation
        y = self.norm1(x) * (1 + scale_attn) + shift_attn
        x = x + torch.tanh(1 - gate_attn) * self.attn(y, y, x_mask)
        x = x + self.ta_context_projection(self.ta_context_norm(time_aligned))
        x = x + self.cross_attn(self.norm2(x), self.norm_context(context), context_mask)
        y = self.norm3(x) * (1 + scale_mlp) + shift_mlp
        return x + (1 - gate_mlp) * self.mlp["net"](y)


class DiT(nn.Module):
    """Noisy latents to velocity."""

    def __init__(self, config: SimpleNamespace):
        super().__init__()
        width, channels, half = config.dit_embed_dim, config.latent_dim, config.dit_depth // 2
        self.patch_embed = nn.ModuleDict({"proj": nn.Conv1d(channels, width, 1)})
        mlp = (nn.Linear(TIME_FEATURES, width), nn.SiLU(), nn.Linear(width, width))
        self.time_embed = nn.ModuleDict({"mlp": nn.Sequential(*mlp)})
        self.context_embed = nn.Sequential(
            nn.Linear(config.dit_context_dim, width), nn.SiLU(), nn.Linear(width, width)
        )
        self.in_blocks = nn.ModuleList(Block(config, skip=False) for _ in range(half))
        self.mid_block = Block(config, skip=False)
        self.out_blocks = nn.ModuleList(Block(config, skip=True) for _ in range(half))
        self.time_ada_final = nn.Linear(width, 2 * width)
        self.final_block = nn.ModuleDict(
            {
                "norm": nn.LayerNorm(width),
                "linear": nn.Linear(width, channels),
                "final_layer": nn.Conv1d(channels, channels, 3, padding=1),
            }
        )

    def forward(
        self,
        x: Float[Tensor, "b c t"],
        timestep: Float[Tensor, " b"],
        context: Float[Tensor, "b l e"],
        context_mask: Bool[Tensor, "b l"] | None,
        time_aligned: Float[Tensor, "b t e"],
        x_mask: Bool[Tensor, "b t"] | None,
    ) -> Float[Tensor, "b c t"]:
        """Predicts the velocity; see `models.audiogen.dit.DiT`, with channels before frames."""
        time = F.silu(self.time_embed["mlp"](time_features(timestep)))
        rest = (time, self.context_embed(context), time_aligned, x_mask, context_mask)
        h, skips = self.patch_embed["proj"](x).transpose(1, 2), []
        for block in self.in_blocks:
            h = block(h, None, *rest)
            skips.append(h)
        h = self.mid_block(h, None, *rest)
        for block in self.out_blocks:
            h = block(h, skips.pop(), *rest)
        shift, scale = self.time_ada_final(time)[:, None].chunk(2, dim=-1)
        h = self.final_block["linear"](self.final_block["norm"](h) * (1 + scale) + shift)
        return self.final_block["final_layer"](h.transpose(1, 2))


def time_features(timestep: Float[Tensor, " b"]) -> Float[Tensor, "b width"]:
    """[cos | sin] of a timestep in 0 .. 1000 at falling frequencies."""
    half = TIME_FEATURES // 2
    exponents = torch.arange(half, dtype=torch.float32, device=timestep.device) / half
    angles = timestep[:, None] * MAX_PERIOD**-exponents
    return torch.cat([angles.cos(), angles.sin()], dim=-1)
