"""T5 encoder and content adapter of Dasheng AudioGen in plain PyTorch, eager: part of the baseline.

Layers are named as in the published checkpoints. The shape comments of `models.t5.encoder`
and `content_adapter` hold here too.
"""

import math
from types import SimpleNamespace

import torch  # noqa: TID251
import torch.nn.functional as F  # noqa: TID251
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn  # noqa: TID251


class T5SelfAttention(nn.Module):
    """Attention without scaling; the first layer's holds the table of relative positions."""

    def __init__(self, config: SimpleNamespace, has_bias: bool):
        super().__init__()
        self.heads, width = config.num_heads, config.num_heads * config.d_kv
        self.q, self.k, self.v = (nn.Linear(config.d_model, width, bias=False) for _ in range(3))
        self.o = nn.Linear(width, config.d_model, bias=False)
        if has_bias:
            buckets = config.relative_attention_num_buckets
            self.relative_attention_bias = nn.Embedding(buckets, config.num_heads)

    def forward(
        self, x: Float[Tensor, "b l d"], bias: Float[Tensor, "b h l l"]
    ) -> Float[Tensor, "b l d"]:
        query, key, value = (
            project(x).unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for project in (self.q, self.k, self.v)
        )
        attended = F.scaled_dot_product_attention(query, key, value, attn_mask=bias, scale=1.0)
        return self.o(attended.transpose(1, 2).flatten(2))


class T5Gate(nn.Module):
    """Gated GELU (tanh)."""

    def __init__(self, config: SimpleNamespace):
        super().__init__()
        self.wi_0, self.wi_1 = (
            nn.Linear(config.d_model, config.d_ff, bias=False) for _ in range(2)
        )
        self.wo = nn.Linear(config.d_ff, config.d_model, bias=False)

    def forward(self, x: Float[Tensor, "b l d"]) -> Float[Tensor, "b l d"]:
        return self.wo(F.gelu(self.wi_0(x), approximate="tanh") * self.wi_1(x))


class T5Encoder(nn.Module):
    """Token ids to hidden states."""

    def __init__(self, config: SimpleNamespace):
        super().__init__()
        self.config = config

        def norm() -> nn.Module:
            return nn.RMSNorm(config.d_model, eps=config.layer_norm_epsilon)

        def layer(name: str, module: nn.Module) -> nn.ModuleDict:
            return nn.ModuleDict({name: module, "layer_norm": norm()})

        blocks = [
            nn.ModuleDict(
                {
                    "layer": nn.ModuleList(
                        [
                            layer("SelfAttention", T5SelfAttention(config, has_bias=i == 0)),
                            layer("DenseReluDense", T5Gate(config)),
                        ]
                    )
                }
            )
            for i in range(config.num_layers)
        ]
        self.shared = nn.Embedding(config.vocab_size, config.d_model)
        self.encoder = nn.ModuleDict({"block": nn.ModuleList(blocks), "final_layer_norm": norm()})

    def forward(
        self, token_ids: Int[Tensor, "b l"], token_mask: Bool[Tensor, "b l"]
    ) -> Float[Tensor, "b l d"]:
        x, blocks = self.shared(token_ids), self.encoder["block"]
        table = blocks[0]["layer"][0]["SelfAttention"].relative_attention_bias
        bias = table(self._buckets(x.shape[1])).permute(2, 0, 1)
        bias = bias.masked_fill(~token_mask[:, None, None, :], torch.finfo(x.dtype).min)
        for block in blocks:
            attention, mlp = block["layer"]
            x = x + attention["SelfAttention"](attention["layer_norm"](x), bias)
            x = x + mlp["DenseReluDense"](mlp["layer_norm"](x))
        return self.encoder["final_layer_norm"](x)

    def _buckets(self, length: int) -> Int[Tensor, "l l"]:
        position = torch.arange(length)
        relative = position[None, :] - position[:, None]
        per_direction = self.config.relative_attention_num_buckets // 2
        exact = per_direction // 2
        distance = relative.abs()
        far = torch.log(distance.clamp(min=1).float() / exact)
        far = far / math.log(self.config.relative_attention_max_distance / exact)
        far = (exact + (far * (per_direction - exact)).long()).clamp(max=per_direction - 1)
        return torch.where(distance < exact, distance, far) + per_direction * (relative > 0)


class ContentAdapter(nn.Module):
    """Text to context and to the length of the clip; token durations are computed and unused."""

    def __init__(self, config: SimpleNamespace):
        super().__init__()
        width, channels = config.content_dim, config.duration_predictor_filter_channels
        layers, kernel = (
            config.duration_predictor_n_layers,
            config.duration_predictor_kernel_size,
        )
        self.attn = nn.MultiheadAttention(width, config.adapter_num_heads, batch_first=True)
        self.norm = nn.LayerNorm(width)
        self.content_proj = nn.Conv1d(width, width, 1)
        self.global_duration_mlp = nn.Sequential(
            nn.Linear(width, width), nn.ReLU(), nn.Identity(), nn.Linear(width, 1)
        )
        convolutions = nn.ModuleList(
            nn.ModuleDict(
                {
                    "1": nn.Conv1d(channels if i else width, channels, kernel, padding="same"),
                    "3": nn.LayerNorm(channels, eps=1e-12),
                }
            )
            for i in range(layers)
        )
        self.duration_predictor = nn.ModuleDict(
            {"conv": convolutions, "linear": nn.Linear(channels, 1)}
        )

    def forward(
        self,
        content: Float[Tensor, "b l d"],
        token_mask: Bool[Tensor, "b l"],
        instruction: Float[Tensor, "b s d"],
        instruction_mask: Bool[Tensor, "b s"],
    ) -> tuple[Float[Tensor, "b l d"], Float[Tensor, " b"], Float[Tensor, "b l"]]:
        valid = token_mask[:, :, None]
        attended, _ = self.attn(
            content, instruction, instruction, key_padding_mask=~instruction_mask
        )
        x = self.norm(attended * valid + content)
        pooled = (x * valid).sum(dim=1) / valid.sum(dim=1)
        local = x
        for layer in self.duration_predictor["conv"]:
            local = F.relu(layer["1"](local.transpose(1, 2)).transpose(1, 2))
            local = layer["3"](local) * valid
        local = (self.duration_predictor["linear"](local) * valid)[:, :, 0]
        context = self.content_proj(x.transpose(1, 2)).transpose(1, 2)
        return context, self.global_duration_mlp(pooled)[:, 0], local
