"""The released layout of Audio-Omni: one nested configuration, one file with three models."""

import copy
import json
import re
from pathlib import Path

import pytest

from audiogen_jax.checkpoints.config_file import read_config
from audiogen_jax.checkpoints.folder import CheckpointFolder
from audiogen_jax.checkpoints.omni_generator import omni_layout, omni_template
from audiogen_jax.checkpoints.omni_oobleck import oobleck_layout, oobleck_template
from audiogen_jax.checkpoints.omni_release import CODEC_PREFIX, THINKER_PREFIX, released_values
from audiogen_jax.checkpoints.tensor_views import Beneath, WithoutWeightNorm
from audiogen_jax.models.omni.config import OmniConfig, OobleckConfig
from tests.parity.golden import FOLDER
from tests.parity.omni import released_config

NAMES = json.loads((FOLDER / "audio_omni" / "full_size_tensors.json").read_text())["audio_omni"]
CODEC = {"channels": 128, "c_mults": [1, 2, 4, 8, 16], "strides": [2, 4, 4, 8, 8]}
DIT = {"embed_dim": 2048, "depth": 36, "num_heads": 32}


class Names:
    """A file of the published names and shapes, without their numbers."""

    path = Path("model.ckpt")

    def shapes(self):
        return {name: tuple(shape) for name, (_, shape) in NAMES.items()}


@pytest.fixture
def published(tmp_path):
    """The published configuration in a folder."""

    def write(config=None) -> Path:
        config = released_config(CODEC, DIT, 64) if config is None else config
        (tmp_path / "Audio-Omni.json").write_text(json.dumps(config))
        return tmp_path

    return write


def test_the_published_sizes(published):
    folder = CheckpointFolder(published(), tensors=Names())
    assert folder.model_type == "audio_omni"
    assert folder.config(OmniConfig) == OmniConfig()
    codec = folder.component("codec", "codec")
    assert codec.config(OobleckConfig) == OobleckConfig()
    assert folder.component("thinker", "thinker").model_type == "qwen2_5_omni_thinker"


def test_every_published_tensor_is_read_once():
    """Of generator and codec here; those of the thinker have a test of their own."""
    config, file = OmniConfig(), Names()
    layout = omni_layout(config)
    ours = {name: leaf.shape for name, leaf in layout.tensors(omni_template(config)).items()}
    codec = WithoutWeightNorm(Beneath(file, CODEC_PREFIX))
    sizes = OobleckConfig()
    template = oobleck_template(sizes)
    expected = oobleck_layout(sizes).tensors(template)
    assert codec.shapes() == {name: leaf.shape for name, leaf in expected.items()}
    thinker = {name for name in NAMES if name.startswith(THINKER_PREFIX)}
    rest = {name for name in NAMES if name.startswith(CODEC_PREFIX)} | thinker
    assert ours == {name: shape for name, shape in file.shapes().items() if name not in rest}
    # What a rule of the generator does not read, it passes over by name.
    assert {name for name in NAMES if re.fullmatch(layout.ignore, name)} == rest


def change(config: dict, path: str, value: object) -> dict:
    config = copy.deepcopy(config)
    *parents, last = path.split(".")
    place = config
    for name in parents:
        place = place[int(name)] if isinstance(place, list) else place[name]
    place[last] = value
    return config


@pytest.mark.parametrize(
    ("path", "value", "named"),
    [
        ("model.diffusion.config.qk_norm", True, "model.diffusion.config.qk_norm: unknown"),
        ("model.diffusion.diffusion_objective", "v", "only 'rectified_flow' is built"),
        ("model.conditioning.configs.0.config.layer_idx", -1, "layer_idx=-1: only -2 is built"),
        ("model.diffusion.config.io_channels", 8, "expected model.io_channels, 64"),
        ("model.pretransform.config.decoder.config.channels", 64, "channels=64: expected model"),
        ("model.conditioning.configs", [], "speech_prompt.config.seq_len: missing"),
        ("sample_size", "long", "sample_size='long' (expected one like"),
        ("model.diffusion.config.num_heads", 31, "num_heads=31"),
    ],
)
def test_what_is_not_built_is_named(published, path, value, named):
    folder = published(change(released_config(CODEC, DIT, 64), path, value))
    with pytest.raises(ValueError, match=re.escape(named)) as error:
        CheckpointFolder(folder).config(OmniConfig)
    assert str(folder) in str(error.value) and "\n" not in str(error.value)


def test_other_files_are_no_configuration(published, tmp_path):
    with pytest.raises(FileNotFoundError, match="no configuration at"):
        read_config(tmp_path)
    with pytest.raises(ValueError, match="missing"):
        released_values({"model_type": "diffusion_cond"})
