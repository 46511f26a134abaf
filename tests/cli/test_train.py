"""The exit code of a training says whether it has finished; its log shows without a terminal."""

import logging
import types

import pytest

from audiogen_jax.cli import main
from audiogen_jax.infer import compile as compiling
from audiogen_jax.sharding.stop import UNFINISHED
from audiogen_jax.train import loop
from audiogen_jax.train.meter import SPEED, summary

ARGUMENTS = ("train", "--config", "nano_encoder", "--workdir", "runs/none", "--set", "steps=100")


@pytest.fixture
def ended(monkeypatch):
    """step -> the exit code of a training that ended after it."""

    def run(step: int) -> int:
        root = logging.getLogger()
        monkeypatch.setattr(root, "handlers", [])  # as it is without pytest
        monkeypatch.setattr(root, "level", root.level)

        def train_model(*arguments, **options):
            logging.info("step %d", step)
            return types.SimpleNamespace(step=step)

        monkeypatch.setattr(loop, "train_model", train_model)
        with pytest.raises(SystemExit) as error:
            main(ARGUMENTS)
        return int(str(error.value.code or 0))

    return run


def test_exit_codes(ended, capsys):
    assert ended(100) == 0
    assert "stopped" not in capsys.readouterr().err
    assert ended(26) == UNFINISHED
    assert "stopped after step 26 of 100: start again to go on" in capsys.readouterr().err


def test_the_log_shows(ended, capsys):
    ended(100)
    assert "step 100" in capsys.readouterr().err


def test_programs_are_kept(ended, monkeypatch):
    calls = []
    monkeypatch.setattr(compiling, "use_compile_cache", lambda: calls.append(1))
    ended(100)
    assert calls == [1]


def test_summary():
    row = {"loss": 1.23456, "val_loss": 2.0, "learning_rate": 5e-4, "gradient_norm": 3.21}
    row |= {SPEED + "steps_per_second": 12.345, SPEED + "share_data": 0.25, "other": 1.0}
    assert summary(row) == (
        "loss 1.2346, val_loss 2.0000, lr 0.0005, gradient_norm 3.21, 12.3 steps/s, "
        "25% of the time waiting for data"
    )
    assert summary({}) == ""
