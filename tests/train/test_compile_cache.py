"""`audiogen train` keeps its programs on disk, in the cache that `audiogen generate` uses."""

from pathlib import Path

import jax
import pytest
from jax.experimental.compilation_cache import compilation_cache

from audiogen_jax.cli import main
from tests.train.conftest import ROOT


@pytest.fixture
def default_cache(tmp_path, monkeypatch):
    """The folder that is chosen where nobody set one; what the tests use is put back."""
    names = ("jax_compilation_cache_dir", "jax_persistent_cache_min_compile_time_secs")
    before = {name: getattr(jax.config, name) for name in names}
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    jax.config.update("jax_compilation_cache_dir", None)
    compilation_cache.reset_cache()
    yield tmp_path / "audiogen_jax"
    for name, value in before.items():
        jax.config.update(name, value)
    compilation_cache.reset_cache()


@pytest.mark.slow
def test_the_step_is_compiled_once(default_cache: Path, manifest, tmp_path):
    hits: list[str] = []
    jax.monitoring.register_event_listener(lambda event, **details: hits.append(event))
    arguments = ["train", "--config", f"{ROOT}/configs/nano_encoder.py:smoke"]
    arguments += ["--set", f"data.manifests=(({str(manifest)!r}, 1.0),)", "--set", "eval.batches=0"]
    kept = []
    for workdir in ("first", "second"):
        hits.clear()
        with pytest.raises(SystemExit) as ended:
            main([*arguments, "--workdir", str(tmp_path / workdir)])
        assert not ended.value.code
        kept.append(sorted(default_cache.glob("jit_step-*-cache")))
    assert kept[0] and kept[0] == kept[1]
    assert "/jax/compilation_cache/cache_hits" in hits
