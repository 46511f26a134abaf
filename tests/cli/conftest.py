"""The command line in this process."""

from pathlib import Path

import pytest

from audiogen_jax.cli import main


@pytest.fixture
def audiogen(tmp_path, monkeypatch, capfd):
    """Runs `audiogen ARGS` in an empty folder: arguments -> (exit code, stdout, stderr)."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str | Path) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as exit_info:
            main([str(argument) for argument in arguments])
        out, err = capfd.readouterr()
        return int(exit_info.value.code or 0), out, err

    return run
