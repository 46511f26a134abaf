"""CNN14 agrees with `panns_inference` 0.1.1 in torch, whose channels were cut to 2 … 12."""

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from audiogen_jax.evaluate.embedders.cnn14 import FRONT_ENDS, NAMES, Cnn14Embedder
from audiogen_jax.evaluate.embedders.embedder import Classifier
from audiogen_jax.evaluate.embedders.registry import embedder

EXPECTED = np.load(Path(__file__).parent / "golden" / "cnn14.npz")
WIDTHS = (1, 2, 4, 6, 8, 10, 12)


def weights() -> dict[str, np.ndarray]:
    """Drawn as they were for the golden values: by numpy's frozen generator, in order of names."""
    shapes = {f"bn0.{kind}": (64,) for kind in ("weight", "bias", "running_mean", "running_var")}
    shapes |= {"fc1.weight": (7, 12), "fc1.bias": (7,)}
    shapes |= {"fc_audioset.weight": (5, 7), "fc_audioset.bias": (5,)}
    for name in NAMES:
        if name.startswith("conv_block"):
            block, layer = int(name[10]), name.split(".")[1]
            inputs = WIDTHS[block - (layer == "conv1")]
            shapes[name] = (WIDTHS[block],)
            if layer.startswith("conv"):
                shapes[name] += (inputs, 3, 3)
    drawn = {}
    for seed, (name, shape) in enumerate(sorted(shapes.items())):
        value = np.random.RandomState(seed).standard_normal(shape)
        if name.endswith("running_var"):
            value = 0.5 + np.abs(value)
        elif "bn" in name and name.endswith("weight"):
            value = 1 + 0.1 * value
        else:
            value *= np.sqrt(2 / np.prod(shape[1:])) if len(shape) > 1 else 0.1
        drawn[name] = value.astype(np.float32)
    drawn["bn0.running_mean"] = drawn["bn0.running_mean"] * 100 - 20
    drawn["bn0.running_var"] = drawn["bn0.running_var"] * 200
    return drawn


def saved(path: Path, n_fft: int, **others: np.ndarray) -> Path:
    filters = np.ascontiguousarray(FRONT_ENDS[n_fft].filters())
    save_file({**weights(), "logmel_extractor.melW": filters, **others}, path)
    return path


def noise(rate: int, seconds: float) -> np.ndarray:
    return (0.1 * np.random.RandomState(7).standard_normal(int(seconds * rate))).astype(np.float32)


@pytest.mark.parametrize("n_fft", [1024, 512])
def test_it_agrees(tmp_path, n_fft):
    cnn14 = Cnn14Embedder(saved(tmp_path / "cnn14.safetensors", n_fft))
    rate = cnn14.front_end.sample_rate
    clips = [noise(rate, seconds) for seconds in (1.0, 0.77, 0.35)]
    embeddings, logits = cnn14.embed(clips, rate), cnn14.logits(clips, rate)
    assert embeddings.identity.sample_rate == rate and isinstance(cnn14, Classifier)
    for row, seconds in enumerate((1.0, 0.77, 0.35)):
        name = f"{rate}_{seconds}"
        mel = cnn14.front_end.log_mel(clips[row])
        np.testing.assert_allclose(mel[:2], EXPECTED[f"{name}_mel"], atol=2e-4)
        for values, kind in ((embeddings.values, "embedding"), (logits, "logits")):
            np.testing.assert_allclose(values[row], EXPECTED[f"{name}_{kind}"], atol=1e-5)


def test_it_says_which_release_a_file_is_of(tmp_path):
    named = embedder(f"cnn14={saved(tmp_path / 'cnn14.safetensors', 512)}")
    assert named.identity.sample_rate == 16000
    other = embedder(f"cnn14={saved(tmp_path / 'other.safetensors', 1024)}")
    assert other.identity.weights_sha256 != named.identity.weights_sha256
    for filters, why in (
        (np.ones((513, 64), np.float32), "holds other bands than CNN14"),
        (np.ones((100, 64), np.float32), "of no release"),
    ):
        wrong = saved(tmp_path / "wrong.safetensors", 512, **{"logmel_extractor.melW": filters})
        with pytest.raises(ValueError, match=why):
            Cnn14Embedder(wrong)
    save_file(weights(), tmp_path / "bare.safetensors")
    with pytest.raises(ValueError, match="which says what sample rate"):
        Cnn14Embedder(tmp_path / "bare.safetensors")
