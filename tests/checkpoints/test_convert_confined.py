"""Whatever a folder of others holds, `convert` writes to its target alone, ends, and cleans up."""

import fcntl
import os
import shutil
from pathlib import Path

import pytest

from audiogen_jax.checkpoints import convert
from audiogen_jax.checkpoints.config_file import read_config, write_config
from audiogen_jax.checkpoints.convert import convert_checkpoint
from audiogen_jax.files.json_object import read_object
from tests.parity.golden import FOLDER


@pytest.fixture
def world(tmp_path, tiny_checkpoint):
    """A folder that holds the source, beside what is not ours."""
    source = shutil.copytree(tiny_checkpoint, tmp_path / "source")
    for folder in (source, source / "text_encoder", source / "tokenizer"):
        (folder / "sha256.json").unlink()
    shutil.copytree(source / "text_encoder", tmp_path / "elsewhere" / "text")
    return tmp_path


def name(folder: Path, **fields: object) -> None:
    write_config(folder, read_config(folder) | fields)


def contents(folder: Path) -> dict[str, bytes]:
    return {str(p): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


@pytest.mark.parametrize(
    "text_encoder",
    [
        "{world}/elsewhere/text",
        "../elsewhere/text",
        "../source/text_encoder",
        "tokenizer/../../elsewhere/text",
        "text_encoder/../text_encoder",
        "link",
        "model.safetensors/../text_encoder",
        "./text_encoder/.",
        "params",
        "config",
    ],
)
def test_nothing_is_written_outside(world, text_encoder):
    source = world / "source"
    (source / "link").symlink_to(world / "elsewhere" / "text")
    for alias in ("params", "config"):  # as our own files are called
        shutil.copytree(source / "text_encoder", source / alias)
    text_encoder = text_encoder.format(world=world)
    name(source, text_encoder_name=text_encoder)
    before = contents(world)
    try:
        counts = convert_checkpoint(source, world / "copy")
    except ValueError as error:
        assert "text_encoder_name=" in str(error) or "params" in str(error)
        counts = {}
    after = contents(world)
    assert {path: after[path] for path in before} == before
    new = {str(Path(path).relative_to(world)) for path in after.keys() - before.keys()}
    if counts:
        assert list(counts) == [".", "text_encoder", "tokenizer"]
        assert {path for path in new if "/" in path} == new
        assert {Path(path).parts[0] for path in new} == {"copy"}
        assert read_config(world / "copy")["text_encoder_name"] == "text_encoder"
    else:
        assert not new


def test_folders_that_name_each_other(world):
    """Or themselves: a text encoder is one, and names nothing."""
    source = world / "source"
    shutil.copytree(source, world / "other")
    name(world / "other", text_encoder_name="../source")
    for text_encoder in (".", "", "../other", "tokenizer", "../source"):
        name(source, text_encoder_name=text_encoder)
        with pytest.raises(ValueError, match="is a '.*' checkpoint, expected one of .*'t5', 'mt5'"):
            convert_checkpoint(source, world / "copy")
    name(source, text_encoder_name="nowhere")
    with pytest.raises(ValueError, match="text_encoder_name='nowhere' is no checkpoint folder"):
        convert_checkpoint(source, world / "copy")
    assert {path.name for path in world.iterdir()} == {"source", "other", "elsewhere"}


def test_a_read_only_source(world):
    paths = [world / "source", *(world / "source").rglob("*")]
    for path in paths:
        path.chmod(0o555 if path.is_dir() else 0o444)
    try:
        convert_checkpoint(world / "source", world / "copy")
    finally:
        for path in paths:
            path.chmod(0o755)
    umask = os.umask(0)
    os.umask(umask)
    for path in (world / "copy").rglob("*"):
        assert path.stat().st_mode & 0o777 == (0o777 if path.is_dir() else 0o666) & ~umask, path


def test_one_target_for_two(world, monkeypatch):
    """The second is refused at once, and one that finds the folder at its end leaves it alone."""
    whole = convert._convert

    def again(opened, output, *rest):
        with pytest.raises(OSError, match="another process is converting to .*copy"):
            convert_checkpoint(world / "source", world / "copy")
        return whole(opened, output, *rest)

    with monkeypatch.context() as patch:
        patch.setattr(convert, "_convert", again)
        convert_checkpoint(world / "source", world / "copy")
    before = contents(world)

    def meanwhile(opened, output, *rest):
        (world / "late").mkdir(exist_ok=True)
        return whole(opened, output, *rest)

    monkeypatch.setattr(convert, "_convert", meanwhile)
    with pytest.raises(FileExistsError, match="late was made by somebody else meanwhile"):
        convert_checkpoint(world / "source", world / "late")
    assert contents(world) == before
    assert {path.name for path in world.iterdir()} == {"source", "elsewhere", "copy", "late"}


def test_what_killed_ones_leave_is_gone_after_the_next(world):
    for left in (".part-killed/copy", ".part-running/copy"):
        (world / left).mkdir(parents=True)
    (world / ".copy.lock").touch()
    held = os.open(world / ".part-running", os.O_RDONLY)
    fcntl.flock(held, fcntl.LOCK_EX)  # as its process does while it runs
    try:
        convert_checkpoint(FOLDER / "t5_tiny", world / "copy")
    finally:
        os.close(held)
    left = {path.name for path in world.iterdir()} - {"source", "elsewhere", "copy"}
    assert left == {".part-running"}
    assert read_object(world / "copy" / "sha256.json").keys() == {
        "config.json",
        "model.safetensors",
    }
