"""Audio-Omni's velocity network in plain PyTorch, as the baseline of a benchmark.

Written from the layout of the checkpoint and the description in `models.omni.dit`.
"""

from pathlib import Path

import torch  # noqa: TID251
import torch.nn.functional as F  # noqa: N812, TID251
from safetensors import safe_open
from torch import Tensor  # noqa: TID251

from audiogen_jax.models.omni.config import OmniConfig

PREFIX = "model.model."


class TorchOmni:
    """The velocity and its sampler; batches of one clip."""

    def __init__(self, folder: Path, config: OmniConfig):
        """Reads what the velocity needs."""
        self._config = config
        with safe_open(folder / "model.safetensors", "pt") as file:
            names = [name for name in file.keys() if name.startswith(PREFIX)]  # noqa: SIM118
            self._weights = {name.removeprefix(PREFIX): file.get_tensor(name) for name in names}

    def velocity(self, x: Tensor, t: Tensor, context: Tensor, prefix: Tensor) -> Tensor:
        """Of latents [b c t] at one level; context [b l e], prefix [b p e]."""
        w = self._weights
        context = self._mlp("to_cond_embed", context)
        angles = 2 * torch.pi * t * w["timestep_features.weight"][:, 0]
        time = self._mlp("to_timestep_embed", torch.cat([angles.cos(), angles.sin()]))
        tokens = self._mlp("to_global_embed", prefix) + time
        x = x + F.conv1d(x, w["preprocess_conv.weight"])
        h = F.linear(x.mT, w["transformer.project_in.weight"])
        h = torch.cat([tokens, h], dim=1)
        rotation = self._rotation(h.shape[1])
        for i in range(self._config.depth):
            h = self._block(f"transformer.layers.{i}.", h, context, rotation)
        y = F.linear(h, w["transformer.project_out.weight"])[:, tokens.shape[1] :].mT
        return y + F.conv1d(y, w["postprocess_conv.weight"])

    def guided(
        self, x: Tensor, t: Tensor, context: Tensor, prefix: Tensor, guidance: float
    ) -> Tensor:
        """Both halves of guidance in one batch; the one without a prompt has a context of zeros."""
        contexts = torch.cat([context, torch.zeros_like(context)])
        with_prompt, without = self.velocity(
            torch.cat([x, x]), t, contexts, torch.cat([prefix, prefix])
        ).chunk(2)
        return without + guidance * (with_prompt - without)

    def sample(
        self, noise: Tensor, context: Tensor, prefix: Tensor, steps: int, guidance: float
    ) -> Tensor:
        """Euler steps from noise to latents."""
        x, levels = noise, torch.linspace(1, 0, steps + 1)
        for here, there in zip(levels[:-1], levels[1:], strict=True):
            x = x + (there - here) * self.guided(x, here, context, prefix, guidance)
        return x

    def _block(self, name: str, h: Tensor, context: Tensor, rotation: Tensor) -> Tensor:
        w = self._weights
        y = self._norm(f"{name}pre_norm", h)
        query, key, value = F.linear(y, w[f"{name}self_attn.to_qkv.weight"]).chunk(3, dim=-1)
        query, key = (_rotate(self._heads(each), rotation) for each in (query, key))
        h = h + self._out(f"{name}self_attn", query, key, self._heads(value))
        query = F.linear(
            self._norm(f"{name}cross_attend_norm", h), w[f"{name}cross_attn.to_q.weight"]
        )
        key, value = F.linear(context, w[f"{name}cross_attn.to_kv.weight"]).chunk(2, dim=-1)
        h = h + self._out(f"{name}cross_attn", *map(self._heads, (query, key, value)))
        y = self._norm(f"{name}ff_norm", h)
        y, gate = self._linear(f"{name}ff.ff.0.proj", y).chunk(2, dim=-1)
        return h + self._linear(f"{name}ff.ff.2", y * F.silu(gate))

    def _out(self, name: str, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        attended = F.scaled_dot_product_attention(query, key, value)
        return F.linear(attended.transpose(1, 2).flatten(2), self._weights[f"{name}.to_out.weight"])

    def _heads(self, x: Tensor) -> Tensor:
        return x.unflatten(-1, (self._config.num_heads, -1)).transpose(1, 2)

    def _linear(self, name: str, x: Tensor) -> Tensor:
        return F.linear(x, self._weights[f"{name}.weight"], self._weights.get(f"{name}.bias"))

    def _mlp(self, name: str, x: Tensor) -> Tensor:
        return self._linear(f"{name}.2", F.silu(self._linear(f"{name}.0", x)))

    def _norm(self, name: str, x: Tensor) -> Tensor:
        return F.layer_norm(x, x.shape[-1:], self._weights[f"{name}.gamma"], None, 1e-5)

    def _rotation(self, length: int) -> Tensor:
        dims = self._config.rotary_dims
        frequencies = 10000.0 ** -(torch.arange(0, dims, 2) / dims)
        angles = torch.arange(length)[:, None] * frequencies
        return torch.stack([angles.cos(), angles.sin()])


def _rotate(x: Tensor, rotation: Tensor) -> Tensor:
    cos, sin = rotation
    half = cos.shape[-1]
    a, b, rest = x[..., :half], x[..., half : 2 * half], x[..., 2 * half :]
    return torch.cat([a * cos - b * sin, b * cos + a * sin, rest], dim=-1)
