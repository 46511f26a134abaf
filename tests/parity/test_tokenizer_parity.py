"""DashengTokenizer against tensors made with the PyTorch release."""

import functools

import flax.linen as nn
import jax
import jax.numpy as jnp
import pytest

from audiogen_jax.checkpoints.dasheng_tokenizer import load_tokenizer
from audiogen_jax.checkpoints.folder import CheckpointFolder
from audiogen_jax.layers.norm import LayerNorm
from audiogen_jax.models.dasheng.audio_encoder import EncoderBlock
from audiogen_jax.models.dasheng.tokenizer import DashengTokenizer
from audiogen_jax.models.dasheng.vocos import Vocos
from audiogen_jax.models.quirks import Quirks
from audiogen_jax.ops.istft import istft_same
from audiogen_jax.ops.mel import log_mel, mel_decibels
from tests.parity.golden import FOLDER, error, golden

TOLERANCE = 2e-5
IO = golden("tokenizer_tiny")


@functools.cache
def tokenizer():
    config, params = load_tokenizer(CheckpointFolder(FOLDER / "tokenizer_tiny"))
    return DashengTokenizer(config), {"params": params}


def apply(method, *args, **kwargs):
    model, variables = tokenizer()
    # A new jit each time: some tests replace a layer.
    jitted = jax.jit(
        lambda variables, *args: model.apply(variables, *args, method=method, **kwargs)
    )
    return jitted(variables, *args)


def case_audio(case):
    if case == "c3b_tail":
        return IO["c3_long.audio"][:, : int(IO["c3b_tail.num_samples"][0])]
    if case == "c5_mask_long":
        valid = jnp.arange(IO["c3_long.audio"].shape[1]) < IO["c5_mask_long.lengths"][:, None]
        return IO["c3_long.audio"] * valid
    return IO[f"{case}.audio"]


@pytest.mark.parametrize("case", ["c1_1s", "c2_odd", "c3_long", "c4_mask"])
def test_front_ends(case):
    audio = case_audio(case)
    decibels = jax.jit(functools.partial(mel_decibels, floor_over_batch=True))(audio)
    assert error(decibels.swapaxes(1, 2), IO[f"{case}.semantic_mel_db"]) < TOLERANCE
    if f"{case}.acoustic_logmel" in IO:
        acoustic = jax.jit(functools.partial(log_mel, n_mels=128))(audio)
        assert error(acoustic.swapaxes(1, 2), IO[f"{case}.acoustic_logmel"]) < TOLERANCE


def test_a_floor_per_clip_is_not_the_release():
    audio = case_audio("c1_1s")  # the second clip is 50 dB quieter
    assert error(jax.jit(mel_decibels)(audio).swapaxes(1, 2), IO["c1_1s.semantic_mel_db"]) > 0.05


@pytest.mark.parametrize(
    "case", ["c1_1s", "c2_odd", "c3_long", "c3b_tail", "c4_mask", "c5_mask_long"]
)
def test_encode(case):
    audio, lengths = case_audio(case), IO.get(f"{case}.lengths")
    quirks = Quirks.of("release")

    def all_of(model, audio, lengths):
        acoustic, semantic = model.acoustic(audio), model.semantic(audio, lengths, quirks=quirks)
        return acoustic, semantic, model.encode(audio, lengths, quirks=quirks)

    acoustic, semantic, embeddings = apply(all_of, audio, lengths)
    tokens = embeddings.shape[1]
    assert error(acoustic, IO[f"{case}.acoustic_emb"]) < TOLERANCE
    # A chunk tail shorter than a patch gives the release one more token, which it then drops.
    assert error(semantic, IO[f"{case}.semantic_emb"][:, :tokens]) < TOLERANCE
    assert error(embeddings, IO[f"{case}.embeddings"]) < TOLERANCE


@pytest.mark.parametrize("case", ["c1_1s", "c2_odd", "c4_mask"])
def test_decode(case):
    model, variables = tokenizer()
    latents = IO[f"{case}.embeddings"]
    upsampled = apply(lambda m, z: m.upsampler(z), latents)
    vocos = Vocos(model.config)
    backbone = jax.jit(
        lambda params, x: vocos.apply({"params": params}, x, method=lambda m, x: m.backbone(x))
    )(variables["params"]["decoder"], upsampled)
    assert error(upsampled, IO[f"{case}.upsampled"]) < TOLERANCE
    assert error(backbone, IO[f"{case}.decoder_backbone"]) < TOLERANCE
    assert error(apply("decode", latents), IO[f"{case}.decoded_audio"]) < TOLERANCE


def test_every_block_of_the_encoder():
    model, variables = tokenizer()
    encoder = variables["params"]["audio_encoder"]
    apply = jax.jit(EncoderBlock(model.config.num_heads).apply)
    x = IO["c2_odd.semantic_block_in"]
    for i in range(model.config.depth):
        layer = jax.tree.map(lambda leaf, i=i: leaf[i], encoder["blocks"])
        x, _ = apply({"params": layer}, x, None, None)
        assert error(x, IO[f"c2_odd.semantic_block_{i}"]) < TOLERANCE


def wrong_gelu(monkeypatch):
    exact = nn.gelu
    monkeypatch.setattr(nn, "gelu", lambda x, approximate=True: exact(x, approximate=True))


def wrong_eps(monkeypatch):
    init = LayerNorm.__call__

    def with_other_epsilon(self, x):
        object.__setattr__(self, "epsilon", self.epsilon * 10)
        return init(self, x)

    monkeypatch.setattr(LayerNorm, "__call__", with_other_epsilon)


@pytest.mark.parametrize("fault", [wrong_gelu, wrong_eps])
def test_the_tolerance_catches(fault, monkeypatch):
    fault(monkeypatch)
    decoded = apply("decode", IO["c1_1s.embeddings"])
    embeddings = apply("encode", case_audio("c1_1s"), quirks=Quirks.of("release"))
    assert error(decoded, IO["c1_1s.decoded_audio"]) > TOLERANCE
    assert error(embeddings, IO["c1_1s.embeddings"]) > TOLERANCE


@pytest.mark.parametrize("case", ["s0", "s1", "s2"])
def test_istft_of_thirteen_one_and_three_frames(case):
    io = golden("vocos", "istft_io")
    spectrum = (io[f"{case}.spec_real"] + 1j * io[f"{case}.spec_imag"]).swapaxes(1, 2)
    apply = jax.jit(functools.partial(istft_same, n_fft=1280, hop=320))
    assert error(apply(spectrum), io[f"{case}.audio"]) < TOLERANCE
