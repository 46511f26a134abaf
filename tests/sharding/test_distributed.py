"""Who this process is, by the environment; refused before anything waits."""

import pytest

from audiogen_jax.sharding import distributed
from audiogen_jax.sharding.distributed import LAUNCHERS, initialize, launched_process

ADDRESS, COUNT, INDEX = distributed.VARIABLES


@pytest.fixture
def env(monkeypatch):
    """Sets variables in an environment that has none of ours."""
    for name in {*distributed.VARIABLES, *(name for pair in LAUNCHERS for name in pair)}:
        monkeypatch.delenv(name, raising=False)
    return lambda **values: [monkeypatch.setenv(*item) for item in values.items()]


@pytest.mark.parametrize("index, count", LAUNCHERS)
def test_launchers(env, index: str, count: str):
    env(**{index: "2", count: "5"})
    assert launched_process() == (2, 5)


def test_jax_first(env):
    env(JAX_PROCESS_ID="1", JAX_NUM_PROCESSES="3", SLURM_PROCID="0", SLURM_NTASKS="9")
    assert launched_process() == (1, 3)


@pytest.mark.parametrize("index, count", [("3", "3"), ("-1", "3"), ("x", "3"), ("0", "")])
def test_no_index(env, index: str, count: str):
    env(SLURM_PROCID=index, SLURM_NTASKS=count)
    with pytest.raises(ValueError, match="SLURM_PROCID=.*expected an index below"):
        launched_process()


def test_no_launcher(env):
    with pytest.raises(ValueError, match="no launcher found; set JAX_PROCESS_ID"):
        launched_process()


@pytest.mark.parametrize(
    "values, message",
    [
        ({}, "must be set beside JAX_COORDINATOR_ADDRESS"),
        ({COUNT: "2"}, r"\['JAX_PROCESS_ID'\] must be set"),
        ({COUNT: "2", INDEX: "2"}, "expected a number of processes and an index below it"),
        ({COUNT: "two", INDEX: "0"}, "expected a number of processes"),
        ({COUNT: "2", INDEX: "0", ADDRESS: "node0"}, "expected host:port"),
        ({COUNT: "2", INDEX: "0", ADDRESS: "node0:http"}, "expected host:port"),
        ({COUNT: "2", INDEX: "0", "AUDIOGEN_CONNECT_SECONDS": "soon"}, "expected seconds"),
        ({COUNT: "2", INDEX: "0", "AUDIOGEN_CONNECT_SECONDS": "0"}, "expected seconds above 0"),
    ],
)
def test_refused(env, values: dict[str, str], message: str):
    env(**{ADDRESS: "node0:8476", **values})
    with pytest.raises(ValueError, match=message):
        initialize()


def test_no_coordinator(monkeypatch):
    """The cause is in the line."""
    left = []
    monkeypatch.setattr(distributed, "leave", lambda *arguments: left.append(arguments))
    distributed._not_joined("localhost:1", 50.0)
    distributed._not_joined("nobody.invalid:1", 50.0)
    for reason, code in left:
        assert "after 50 s no coordinator at" in reason and "JAX_COORDINATOR_ADDRESS" in reason
        assert code == 1
