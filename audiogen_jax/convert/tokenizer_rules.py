"""DashengTokenizer: HF tensor names against `models.tokenizer.Tokenizer` parameters."""

import numpy as np

from audiogen_jax.config import TokenizerConfig
from audiogen_jax.convert.mapping import Constant, Rule, conv, linear, norm
from audiogen_jax.models.audio_encoder import N_MELS, PATCH_FRAMES
from audiogen_jax.ops.mel import mel_filters
from audiogen_jax.ops.stft import hann_window

_BLOCK = ("encoder.model.blocks.{i}.", "audio_encoder/blocks/")
_CONVNEXT = ("decoder.backbone.convnext.{i}.", "decoder/backbone/convnext/")


def _patch_conv(hf: str, path: str, mels: int) -> list[Rule]:
    """A [d, 1, mels, 4] convolution kernel over whole patches as a [4 * mels, d] kernel."""

    def torch_shape(shape: tuple[int, ...]) -> tuple[int, ...]:
        return (shape[1], 1, mels, PATCH_FRAMES)

    return [
        # [4 * mels, d] -> [4, mels, 1, d] -> [d, 1, mels, 4]
        Rule(f"{hf}.weight", f"{path}/kernel", (3, 2, 1, 0), torch_shape),
        Rule(f"{hf}.bias", f"{path}/bias"),
    ]


def rules(config: TokenizerConfig) -> list[Rule]:
    """Every parameter of the tokenizer."""
    hf, path = _BLOCK
    blocks = [
        *norm(f"{hf}norm1", f"{path}norm1"),
        *linear(f"{hf}attn.qkv", f"{path}qkv"),
        *linear(f"{hf}attn.proj", f"{path}proj"),
        *norm(f"{hf}norm2", f"{path}norm2"),
        *linear(f"{hf}mlp.fc1", f"{path}mlp/fc1"),
        *linear(f"{hf}mlp.fc2", f"{path}mlp/fc2"),
    ]
    hf, path = _CONVNEXT
    convnext = [
        *conv(f"{hf}dwconv", f"{path}dwconv"),
        *norm(f"{hf}norm", f"{path}norm"),
        *linear(f"{hf}pwconv1", f"{path}pwconv1"),
        *linear(f"{hf}pwconv2", f"{path}pwconv2"),
        Rule(f"{hf}gamma", f"{path}gamma"),
    ]
    return [
        Rule("encoder.model.init_bn.1.running_mean", "audio_encoder/init_bn/mean"),
        Rule("encoder.model.init_bn.1.running_var", "audio_encoder/init_bn/var"),
        *norm("encoder.model.init_bn.1", "audio_encoder/init_bn"),
        *_patch_conv("encoder.model.patch_embed.proj", "audio_encoder/patch_embed", N_MELS),
        Rule(
            "encoder.model.time_pos_embed",
            "audio_encoder/time_pos_embed",
            (3, 1, 2, 0),
            lambda shape: (1, shape[1], 1, shape[0]),
        ),
        Rule(
            "encoder.model.freq_pos_embed",
            "audio_encoder/freq_pos_embed",
            None,
            lambda shape: (1, shape[0], 1, 1),
        ),
        *blocks,
        *norm("encoder.model.norm", "audio_encoder/norm"),
        *_patch_conv("encoder.patch_embed", "acoustic_injection/patch_embed", config.n_mels_patch),
        *norm("encoder.norm", "acoustic_injection/norm"),
        Rule("upsampler.weight", "upsampler/kernel", (0, 2, 1)),
        Rule("upsampler.bias", "upsampler/bias"),
        *conv("decoder.backbone.embed", "decoder/backbone/embed"),
        *norm("decoder.backbone.norm", "decoder/backbone/norm"),
        *convnext,
        *norm("decoder.backbone.final_layer_norm", "decoder/backbone/final_layer_norm"),
        *linear("decoder.head.out", "decoder/head/out"),
    ]


def constants(config: TokenizerConfig) -> list[Constant]:
    """Windows, filter banks and a counter that the release stores beside its parameters."""
    acoustic, semantic = "encoder.front_end.mel_spec.", "encoder.model.front_end.0."
    return [
        Constant(f"{semantic}spectrogram.window", hann_window(512)),
        Constant(f"{semantic}mel_scale.fb", mel_filters(512, N_MELS)),
        Constant(f"{acoustic}spectrogram.window", hann_window(1024)),
        Constant(f"{acoustic}mel_scale.fb", mel_filters(1024, config.n_mels_patch)),
        Constant("decoder.head.istft.window", hann_window(config.istft_n_fft)),
        Constant("encoder.model.init_bn.1.num_batches_tracked", np.zeros((), np.int64)),
    ]
