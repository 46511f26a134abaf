"""DashengTokenizer checkpoints: reading, writing, and where the release keeps each parameter."""

import functools
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import DTypeLike

from audiogen_jax.checkpoints.folder import CheckpointFolder
from audiogen_jax.checkpoints.layout import Buffer, Layout, Rule
from audiogen_jax.checkpoints.mapping import (
    with_dtype,
)
from audiogen_jax.checkpoints.parameter_file import ParameterFile
from audiogen_jax.checkpoints.safetensors import save_safetensors
from audiogen_jax.models.dasheng.audio_encoder import N_MELS, PATCH_FRAMES
from audiogen_jax.models.dasheng.config import TokenizerConfig
from audiogen_jax.models.dasheng.tokenizer import DashengTokenizer
from audiogen_jax.ops.mel import mel_filters
from audiogen_jax.ops.stft import hann_window
from audiogen_jax.types import Params

# Transform sizes of the two mel front ends, in samples.
_SEMANTIC_FFT = 512
_ACOUSTIC_FFT = 1024


class TokenizerCheckpoint(ParameterFile):
    """An audio tokenizer on disk, checked; its parts are read when asked for.

    Attributes:
      config: its configuration.
    """

    def __init__(self, opened: CheckpointFolder, dtype: str | DTypeLike = jnp.float32):
        """Checks the names and shapes of all tensors.

        Args:
          opened: the checkpoint.
          dtype: of the parameters, whatever that of the file.

        Raises:
          FileNotFoundError: there are no weights.
          ValueError: the tensors are not those of the configuration; all differences are named.
        """
        self.config = opened.config(TokenizerConfig)
        file, template = opened.tensors, tokenizer_template(self.config, dtype)
        super().__init__(file, tokenizer_layout(self.config), template)


def load_tokenizer(
    opened: CheckpointFolder, dtype: str | DTypeLike = jnp.float32
) -> tuple[TokenizerConfig, Params]:
    """Reads a whole audio tokenizer; see `TokenizerCheckpoint`."""
    checkpoint = TokenizerCheckpoint(opened, dtype)
    return checkpoint.config, checkpoint.read()


def save_tokenizer(
    folder: str | Path,
    config: TokenizerConfig,
    params: Params,
    dtype: str | DTypeLike | None = None,
    max_shard_bytes: int | None = None,
) -> None:
    """Writes an audio tokenizer in the layout that `load_tokenizer` reads.

    Args:
      folder: made if it does not exist.
      config: its configuration.
      params: its parameters.
      dtype: of the file; that of the parameters if None.
      max_shard_bytes: see `save_safetensors`.
    """
    layout = tokenizer_layout(config)
    save_safetensors(folder, config.to_hf(), params, layout, dtype, max_shard_bytes)


def tokenizer_template(config: TokenizerConfig, dtype: str | DTypeLike = jnp.float32) -> Params:
    """Shapes of the tokenizer's parameters."""
    return with_dtype(_shapes(config), dtype)


@functools.lru_cache(maxsize=8)  # as tracing takes a second
def _shapes(config: TokenizerConfig) -> Params:
    model = DashengTokenizer(config)
    return jax.eval_shape(model.init, jax.random.key(0), np.zeros((1, 1600), np.float32))["params"]


def tokenizer_layout(config: TokenizerConfig) -> Layout:
    """Where the release keeps the parameters; windows, filter banks and a counter of batches."""
    rules = (*_audio_encoder(config), *_acoustic_injection(config), *_decoder())
    semantic, acoustic = "encoder.model.front_end.0", "encoder.front_end.mel_spec"
    buffers = (
        Buffer(f"{semantic}.spectrogram.window", hann_window(_SEMANTIC_FFT)),
        Buffer(f"{semantic}.mel_scale.fb", mel_filters(_SEMANTIC_FFT, N_MELS)),
        Buffer(f"{acoustic}.spectrogram.window", hann_window(_ACOUSTIC_FFT)),
        Buffer(f"{acoustic}.mel_scale.fb", mel_filters(_ACOUSTIC_FFT, config.n_mels_patch)),
        Buffer("decoder.head.istft.window", hann_window(config.istft_n_fft)),
        Buffer("encoder.model.init_bn.1.num_batches_tracked", np.zeros((), np.int64), None),
    )
    return Layout(rules, buffers)


def _audio_encoder(config: TokenizerConfig) -> list[Rule]:
    name, path = "encoder.model", "audio_encoder"
    block, ours = f"{name}.blocks.{{i}}", f"{path}/blocks/{{i}}"
    return [
        *_patch_embed(f"{name}.patch_embed.proj", f"{path}/patch_embed", config.embed_dim, N_MELS),
        Rule(f"{name}.time_pos_embed", f"{path}/time_pos_embed", "1d1t->td"),
        Rule(f"{name}.freq_pos_embed", f"{path}/freq_pos_embed", "1d11->d"),
        *_norm(f"{name}.init_bn.1", f"{path}/init_bn"),
        Rule(f"{name}.init_bn.1.running_mean", f"{path}/init_bn/mean"),
        Rule(f"{name}.init_bn.1.running_var", f"{path}/init_bn/var"),
        *_norm(f"{block}.norm1", f"{ours}/norm1"),
        *_linear(f"{block}.attn.qkv", f"{ours}/qkv"),
        *_linear(f"{block}.attn.proj", f"{ours}/proj"),
        *_norm(f"{block}.norm2", f"{ours}/norm2"),
        *_linear(f"{block}.mlp.fc1", f"{ours}/mlp/fc1"),
        *_linear(f"{block}.mlp.fc2", f"{ours}/mlp/fc2"),
        *_norm(f"{name}.norm", f"{path}/norm"),
    ]


def _acoustic_injection(config: TokenizerConfig) -> list[Rule]:
    path = "acoustic_injection"
    return [
        *_patch_embed(
            "encoder.patch_embed", f"{path}/patch_embed", config.embed_dim, config.n_mels_patch
        ),
        *_norm("encoder.norm", f"{path}/norm"),
    ]


def _decoder() -> list[Rule]:
    name, path = "decoder.backbone", "decoder/backbone"
    block, ours = f"{name}.convnext.{{i}}", f"{path}/convnext/{{i}}"
    return [
        *_linear("upsampler", "upsampler", "iok->iko"),
        *_linear(f"{name}.embed", f"{path}/embed", "oik->kio"),
        *_norm(f"{name}.norm", f"{path}/norm"),
        *_linear(f"{block}.dwconv", f"{ours}/dwconv", "oik->kio"),
        *_norm(f"{block}.norm", f"{ours}/norm"),
        *_linear(f"{block}.pwconv1", f"{ours}/pwconv1"),
        *_linear(f"{block}.pwconv2", f"{ours}/pwconv2"),
        Rule(f"{block}.gamma", f"{ours}/gamma"),
        *_norm(f"{name}.final_layer_norm", f"{path}/final_layer_norm"),
        *_linear("decoder.head.out", "decoder/head/out"),
    ]


def _patch_embed(name: str, path: str, width: int, mels: int) -> list[Rule]:
    # Our patches are flattened frame by frame, each frame with all its mels.
    shape = (width, 1, mels, PATCH_FRAMES)
    return [
        Rule(f"{name}.weight", f"{path}/kernel", "o1fk->kfo", shape),
        Rule(f"{name}.bias", f"{path}/bias"),
    ]


def _linear(name: str, path: str, axes: str = "oi->io") -> list[Rule]:
    return [Rule(f"{name}.weight", f"{path}/kernel", axes), Rule(f"{name}.bias", f"{path}/bias")]


def _norm(name: str, path: str) -> list[Rule]:
    return [Rule(f"{name}.weight", f"{path}/scale"), Rule(f"{name}.bias", f"{path}/bias")]
