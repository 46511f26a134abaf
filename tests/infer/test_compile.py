"""The cache of compiled programs, where there is a place for one."""

from pathlib import Path

import jax
import pytest

from audiogen_jax.infer.compile import use_compile_cache


@pytest.fixture
def cache_dir(monkeypatch):
    """What jax was told; what it had before is put back."""
    monkeypatch.setenv("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "as it is")
    before = jax.config.jax_compilation_cache_dir
    jax.config.update("jax_compilation_cache_dir", None)
    yield lambda: jax.config.jax_compilation_cache_dir
    jax.config.update("jax_compilation_cache_dir", before)


def test_the_users_cache(cache_dir, monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "new"))
    use_compile_cache()
    assert cache_dir() == str(tmp_path / "new" / "audiogen_jax")


def test_no_home(cache_dir, monkeypatch):
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)

    def nowhere():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", nowhere)
    use_compile_cache()
    assert cache_dir() is None


def test_a_home_that_cannot_be_written(cache_dir, monkeypatch, tmp_path):
    (tmp_path / "file").touch()
    for base in ("file", "file/below"):
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / base))
        use_compile_cache()
        assert cache_dir() is None
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr("os.access", lambda path, mode: False)  # root may write anywhere
    use_compile_cache()
    assert cache_dir() is None
