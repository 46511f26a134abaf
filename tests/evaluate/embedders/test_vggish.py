"""VGGish agrees with `torchvggish` 0.2, whose channels were cut to six at most.

Weights, patches and embeddings of 2.5 s of noise were written by it in torch, the weights as torch
wrote them before 1.6, as the released file is.
"""

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from audiogen_jax.evaluate.embedders.registry import embedder
from audiogen_jax.evaluate.embedders.vggish import VggishEmbedder, patches
from audiogen_jax.evaluate.embedders.weights import read_weights

GOLDEN = Path(__file__).parent / "golden"
NOISE = 0.1 * np.random.RandomState(7).standard_normal(40000)
EXPECTED = np.load(GOLDEN / "vggish.npz")


@pytest.fixture(scope="module")
def vggish() -> VggishEmbedder:
    return VggishEmbedder(GOLDEN / "vggish.pth")


def test_patches():
    cut = patches(NOISE.astype(np.float32))
    assert cut.shape == (2, 96, 64)
    np.testing.assert_allclose(cut[:, ::40], EXPECTED["patch_rows"], atol=1e-5)


def test_embeddings(vggish):
    (rows,) = vggish.embed_patches([NOISE], 16000)
    np.testing.assert_allclose(rows, EXPECTED["embedding"], atol=1e-5)
    embeddings = vggish.embed([NOISE, NOISE[:16000], NOISE[:700]], 16000)
    np.testing.assert_allclose(embeddings.values[0], rows.mean(axis=0), atol=1e-6)
    np.testing.assert_array_equal(embeddings.values[1], rows[0])
    assert embeddings.identity.sample_rate == 16000


def test_by_name_from_safetensors(vggish, tmp_path):
    save_file(read_weights(GOLDEN / "vggish.pth"), tmp_path / "vggish.safetensors")
    assert embedder(f"vggish={tmp_path / 'vggish.safetensors'}").identity == vggish.identity
    save_file({"features.0.weight": np.zeros(3, np.float32)}, tmp_path / "other.safetensors")
    with pytest.raises(ValueError, match="holds no VGGish: 17 of its 18 tensors are missing"):
        embedder(f"vggish={tmp_path / 'other.safetensors'}")
    (tmp_path / "broken.safetensors").write_bytes(b"nothing")
    with pytest.raises(ValueError, match="broken.safetensors cannot be read as safetensors"):
        embedder(f"vggish={tmp_path / 'broken.safetensors'}")
    with pytest.raises(FileNotFoundError, match="no file at absent.pth"):
        embedder("vggish=absent.pth")
    with pytest.raises(ValueError, match="someone/weights is not in the cache"):
        embedder("vggish=someone/weights/vggish.pth")
    with pytest.raises(ValueError, match="'vggish': .*vggish=FILE"):
        embedder("vggish")
