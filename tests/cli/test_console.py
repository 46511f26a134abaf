"""Home folders, locales and consoles that are not as one would like them."""

import io
import os
import sys
from importlib import metadata
from pathlib import Path

import jax
import numpy as np
import pytest
import soundfile

from audiogen_jax.cli import main
from audiogen_jax.cli.console import ONE_THREAD, avoid_deadlock, read_arguments
from audiogen_jax.infer.compile import use_compile_cache


def run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as exit_info:
        main(arguments)
    return int(exit_info.value.code or 0)


def nobody(monkeypatch) -> None:
    """Makes the user an unknown one without HOME."""

    def home() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(os.path, "expanduser", lambda path: path)
    monkeypatch.setattr(Path, "home", home)


@pytest.mark.parametrize(
    ("given", "read"),
    [
        ("~", "/home/me"),
        ("~/a b.wav", "/home/me/a b.wav"),
        ("--output=~/a.wav", "--output=/home/me/a.wav"),
        ("-o=~/a.wav", "-o=/home/me/a.wav"),
        ("init.encoder=~/base", "init.encoder=/home/me/base"),
        ("a/~/b", "a/~/b"),
        ("~a.wav", "~a.wav"),
        ("<|caption|> about=~/home", "<|caption|> about=~/home"),
        ("--caption=5 ~/7", "--caption=5 ~/7"),
        ("café", "café"),
        ("caf\udcc3\udca9", "café"),  # as a locale without UTF-8 reads it
    ],
)
def test_arguments(monkeypatch, given: str, read: str):
    monkeypatch.setenv("HOME", "/home/me")
    monkeypatch.setenv("USERPROFILE", "/home/me")
    assert read_arguments([given]) == [read]


def test_every_command_reads_them(monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert run("encode", "~/absent.wav") == 2
    assert f"no audio file at {tmp_path}/absent.wav" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("generate", "<|caption|> caf\udce9"), "is not text in UTF-8"),
        (("encode", "caf\udce9.wav"), "is not text in UTF-8"),
        (("encode", "~/a.wav"), "~/a.wav: no home folder is known: set HOME"),
    ],
)
def test_what_cannot_be_read_is_one_line(monkeypatch, capsys, arguments, message: str):
    nobody(monkeypatch)
    assert run(*arguments) == 2
    out, err = capsys.readouterr()
    assert out == "" and message in err and err.count("\n") == 1


def test_no_home_for_compiled_programs(monkeypatch):
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    nobody(monkeypatch)
    folder = jax.config.jax_compilation_cache_dir  # pyright: ignore[reportAttributeAccessIssue]
    try:
        jax.config.update("jax_compilation_cache_dir", None)
        use_compile_cache()
        assert jax.config.jax_compilation_cache_dir is None  # pyright: ignore
    finally:
        jax.config.update("jax_compilation_cache_dir", folder)


ENCODINGS = ("ascii", "cp1252", "latin-1", "utf-8")


def console(monkeypatch, encoding: str):
    """Makes stdout and stderr of an encoding: a function that gives what was written."""
    buffers = {name: io.BytesIO() for name in ("stdout", "stderr")}
    for name, buffer in buffers.items():
        stream = io.TextIOWrapper(buffer, encoding=encoding, write_through=True)
        monkeypatch.setattr(sys, name, stream)
    # What prints for the commands takes ASCII for a mistake, and writes UTF-8.
    return lambda: tuple(b.getvalue().decode(encoding, "replace") for b in buffers.values())


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("command", ["generate", "batch", "train", "manifest", "plan"])
def test_help_in_any_encoding(monkeypatch, encoding: str, command: str):
    written = console(monkeypatch, encoding)
    assert run(command, "--help") == 0
    assert f"audiogen {command}" in written()[0]


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_output_in_any_encoding(tmp_path, monkeypatch, encoding: str):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "录音").mkdir()
    soundfile.write("录音/狗叫.wav", np.full(800, 0.1), 16000)
    (tmp_path / "录音" / "空.wav").touch()
    written = console(monkeypatch, encoding)
    assert run("manifest", "录音", "-o", "狗.jsonl") == 0
    assert run("encode", "狗叫—.wav") == 2
    out, err = written()
    assert "train 1 clips" in out and "is an empty file" in err and "no audio file at" in err
    assert "狗叫" in (tmp_path / "狗.jsonl").read_text(encoding="utf-8")


def test_a_closed_console(monkeypatch):
    for name in ("stdout", "stderr"):
        monkeypatch.setattr(sys, name, None)
    assert run("encode", "absent.wav") == 2


@pytest.mark.parametrize(
    ("version", "given", "flags"),
    [
        ("0.11.2", "", ONE_THREAD),
        ("0.11.0", "--xla_dump_to=/tmp", f"--xla_dump_to=/tmp {ONE_THREAD}"),
        ("0.11.2", "--xla_cpu_multi_thread_eigen=true", "--xla_cpu_multi_thread_eigen=true"),
        ("0.10.2", "", ""),
        ("0.12.0", "", ""),
    ],
)
def test_a_release_whose_threads_deadlock_gets_one_for_each_product(
    monkeypatch, version: str, given: str, flags: str
):
    monkeypatch.setattr(metadata, "version", lambda name: version)
    monkeypatch.setenv("XLA_FLAGS", given)
    avoid_deadlock()
    assert os.environ["XLA_FLAGS"] == flags
