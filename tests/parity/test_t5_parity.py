"""T5 and mT5 encoders against tensors made with transformers."""

import flax.linen as nn
import jax
import pytest

from audiogen_jax.checkpoints.folder import CheckpointFolder
from audiogen_jax.checkpoints.t5 import load_t5
from audiogen_jax.layers.norm import RMSNorm
from audiogen_jax.models.t5 import encoder as t5
from audiogen_jax.models.t5.encoder import T5Block, T5Encoder
from tests.parity.golden import FOLDER, error, golden_arrays

TOLERANCE = 2e-5
CASES = [("t5_tiny", "short"), ("t5_tiny", "long"), ("mt5_tiny", "short")]


def encode(name: str, case: str):
    config, params = load_t5(CheckpointFolder(FOLDER / name))
    io = golden_arrays(name)
    ids, mask = io[f"{case}.input_ids"], io[f"{case}.attention_mask"].astype(bool)
    hidden = jax.jit(T5Encoder(config).apply)({"params": params}, ids, mask)
    return error(hidden, io[f"{case}.last_hidden_state"])


@pytest.mark.parametrize(("name", "case"), CASES)
def test_last_hidden_state(name, case):
    assert encode(name, case) < TOLERANCE


@pytest.mark.parametrize("case", ["short", "long"])
def test_first_block(case):
    config, params = load_t5(CheckpointFolder(FOLDER / "t5_tiny"))
    io = golden_arrays("t5_tiny")
    ids, mask = io[f"{case}.input_ids"], io[f"{case}.attention_mask"].astype(bool)

    @jax.jit
    def block(params):
        encoder = T5Encoder(config).bind({"params": params})
        bias = encoder.relative_bias(ids.shape[1])
        first = jax.tree.map(lambda layers: layers[0], params["blocks"])
        return T5Block(config).apply({"params": first}, encoder.embed(ids), None, bias, mask)[0]

    out = block(params)
    assert error(out, io[f"{case}.block0_out"]) < TOLERANCE


def test_exact_gelu_fails(monkeypatch):
    monkeypatch.setattr(nn, "gelu", lambda x, approximate: jax.nn.gelu(x, approximate=False))
    assert encode("t5_tiny", "short") > TOLERANCE


def test_another_epsilon_fails(monkeypatch):
    monkeypatch.setattr(t5, "RMSNorm", lambda epsilon, **kwargs: RMSNorm(epsilon=1e-5, **kwargs))
    assert encode("t5_tiny", "short") > TOLERANCE
