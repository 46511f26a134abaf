"""The hash that datasets of latents carry never changes for the same encoder."""

from pathlib import Path

import jax.numpy as jnp
import pytest

from audiogen_jax.checkpoints.mapping import on_host
from audiogen_jax.checkpoints.parameter_hash import encoder_sha256
from audiogen_jax.checkpoints.registry import open_codec

FOLDER = Path(__file__).parent.parent / "written_by_0_1"

# As version 0.1 computed them.
NANO = "33747f0549e4fd2913f47ef7efee65a7d0997eb3cb5c21dc1b6b1fb1b0417d5b"
NANO_BFLOAT16 = "bac0df05b07728d923d0e479d0ee3473e749e7ce5b9c832300e17f70d97605e6"
TINY = "af90da2aed7286a9a8fb7d41a5dde33dede3a8042765c7deacc69a9495a7f53a"


@pytest.mark.parametrize(
    ("source", "dtype", "expected"),
    [
        ("nano", jnp.float32, NANO),
        ("nano", jnp.bfloat16, NANO_BFLOAT16),
        (FOLDER / "checkpoint", jnp.float32, TINY),
        (FOLDER / "checkpoint_orbax", jnp.float32, TINY),
    ],
)
def test_known_encoders(source, dtype, expected):
    loaded = open_codec(source, dtype=jnp.float32, param_dtype=dtype)
    params = loaded.read(loaded.codec.encoder, on_host)
    assert encoder_sha256(loaded.codec, params) == expected
