import pytest

from audiogen_jax.evaluate.judge.network import Judge
from audiogen_jax.evaluate.judge.training import train_judge
from tests.evaluate.melodies import RECORDINGS, TRAINING


@pytest.fixture(scope="session")
def judge() -> Judge:
    """Taught the melodies in 40 steps."""
    return train_judge(RECORDINGS, TRAINING)
