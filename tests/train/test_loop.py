"""Every stage end to end for two steps, on one device and on eight."""

import jax
import numpy as np
import pytest

from audiogen_jax.checkpoints.dasheng_audiogen import load_audiogen
from audiogen_jax.checkpoints.dasheng_tokenizer import load_tokenizer
from audiogen_jax.checkpoints.folder import CheckpointFolder
from audiogen_jax.checkpoints.t5 import load_t5
from audiogen_jax.train.loop import train_model
from tests.train.conftest import metrics_rows

FROM_NOTHING = pytest.param("generator", marks=pytest.mark.slow)  # e2e/test_newcomer trains one
STAGES = ("encoder", "tokenizer", FROM_NOTHING)


@pytest.mark.parametrize("stage", STAGES)
def test_two_steps(trained, stage: str):
    workdir, state = trained(stage)
    rows = metrics_rows(workdir)
    assert [row["step"] for row in rows] == [1, 2] and int(state.step) == 2
    assert all(np.isfinite(list(row.values())).all() for row in rows)
    assert "val_loss" in rows[-1]
    assert (workdir / "checkpoints" / "2").is_dir()
    assert list((workdir / "tensorboard").iterdir()) and (workdir / "config.json").is_file()


@pytest.mark.slow
def test_parts_of_a_batch_and_rematerialisation_change_no_losses(trained, smoke, tmp_path):
    whole, _ = trained("tokenizer")
    train_model(
        smoke("tokenizer", "accumulate=2", "remat=nothing_saveable", "mesh.data=4"), tmp_path
    )
    for parts, one in zip(metrics_rows(tmp_path), metrics_rows(whole), strict=True):
        assert parts.keys() == one.keys()
        for name in one:
            assert parts[name] == pytest.approx(one[name], rel=2e-4), name


@pytest.mark.slow
def test_tokenizer_devices_agree(trained, smoke, tmp_path):  # test_processes has the other stages
    eight, _ = trained("tokenizer")
    train_model(smoke("tokenizer", "mesh.data=1"), tmp_path)
    for one, many in zip(metrics_rows(tmp_path), metrics_rows(eight), strict=True):
        assert one.keys() == many.keys()
        for name in one:
            assert one[name] == pytest.approx(many[name], rel=2e-4), name


def test_encoder_export_is_a_tokenizer(trained):
    workdir, state = trained("encoder")
    _, params = load_tokenizer(CheckpointFolder(workdir / "export"))
    jax.tree.map(
        np.testing.assert_array_equal, params["audio_encoder"], state.params["audio_encoder"]
    )
    statistics = params["audio_encoder"]["init_bn"]
    assert -100 < statistics["mean"].mean() < 20 and statistics["var"].min() > 1


def test_tokenizer_keeps_the_encoder(trained, tiny_checkpoint):
    workdir, state = trained("tokenizer")
    _, before = load_tokenizer(CheckpointFolder(tiny_checkpoint / "tokenizer"))
    jax.tree.map(
        np.testing.assert_array_equal, state.params["audio_encoder"], before["audio_encoder"]
    )
    assert "adversarial" not in metrics_rows(workdir)[0]  # gan.start_step=1
    assert "adversarial" in metrics_rows(workdir)[1]
    load_tokenizer(CheckpointFolder(workdir / "export"))


@pytest.mark.slow
def test_without_an_average_the_parameters_are_exported(smoke, tmp_path):
    state = train_model(smoke("generator", "ema_decay=0.0", "mesh.data=1"), tmp_path)
    assert state.ema is None
    _, params = load_audiogen(CheckpointFolder(tmp_path / "export"))
    jax.tree.map(np.testing.assert_array_equal, params, state.params["audiogen"])


@pytest.mark.slow
def test_generator_export(trained):
    workdir, state = trained("generator")
    export = workdir / "export"
    _, params = load_audiogen(CheckpointFolder(export))
    jax.tree.map(np.testing.assert_array_equal, params, state.ema["audiogen"])
    load_t5(CheckpointFolder(export / "text_encoder"))
    load_tokenizer(CheckpointFolder(export / "tokenizer"))
    assert (export / "tokenizer.json").is_file()


WIDER_LATENTS = ("latent_dim", "dit_in_chans", "dit_out_chans")


@pytest.mark.parametrize(
    ("stage", "overrides", "message"),
    [
        ("tokenizer", ["init.encoder="], "init.encoder is not set"),
        ("generator", ["tokenizer="], "tokenizer is not set"),
        (
            "generator",
            [f"model.audiogen.{name}=24" for name in WIDER_LATENTS],
            "latent_dim=24 must be the width of the latents of .*, 16",
        ),
        ("encoder", ["objective=diffusion"], "objective='diffusion': expected one of"),
        ("encoder", ["optimizer.warmup_steps=5"], "warmup_steps=5"),
        ("encoder", ["mesh.data=9"], "mesh.data=9"),
        ("encoder", ["log_every=0"], "log_every=0: expected at least 1"),
        ("generator", ["time_sampling.kind=beta"], "time_sampling.kind='beta': expected"),
        ("generator", ["data.text_tokenizer="], "data.text_tokenizer is not set"),
        ("encoder", ["data.batch_sizes=(7,)"], "batch of 7 clips does not split over 8 devices"),
    ],
)
def test_errors_name_the_key(smoke, tmp_path, stage: str, overrides: list[str], message: str):
    with pytest.raises(ValueError, match=message):
        train_model(smoke(stage, *overrides), tmp_path)
