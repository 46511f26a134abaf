"""The public names: all resolve, none needs jax to be imported, and help stays quick."""

import subprocess
import sys

import pytest

import audiogen_jax as ag


def test_import_is_light():
    heavy = ("jax", "numpy", "librosa", "audiogen_jax.infer")
    script = f"import sys, audiogen_jax; print(*set({heavy}) & set(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == ""


@pytest.mark.parametrize("name", ag.__all__)
def test_names_resolve(name: str):
    assert getattr(ag, name).__name__ == name
    assert getattr(ag, name).__doc__
    assert name in dir(ag)


def test_unknown_names_are_refused():
    with pytest.raises(AttributeError, match="no_such_name"):
        ag.__getattr__("no_such_name")
