"""What a training was begun with, and what it may go on with."""

import json
import re
from pathlib import Path

import pytest
from ml_collections import ConfigDict

from audiogen_jax.train.config import load_config
from audiogen_jax.train.record import FREE, Record, _flat
from audiogen_jax.train.stages import parse_config
from audiogen_jax.train.workdir import CHECKPOINTS, Workdir

FREE_HERE = {
    "steps", "max_seconds", "log_every", "checkpoint_every", "export_every", "keep_checkpoints",
    "keep_every", "sample_every", "eval.every", "eval.batches", "guard.limit", "accumulate",
    "mesh.data", "mesh.fsdp", "mesh.tensor", "mesh.dcn_data", "sharding", "remat",
    "data.num_workers", "data.num_threads", "data.cache_bytes",
}  # fmt: skip


def files(folder: Path) -> dict[str, Path]:
    """A manifest, a text tokenizer and a codec."""
    paths = {name: folder / name for name in ("clips.jsonl", "tokenizer.json", "codec")}
    for path in (paths["clips.jsonl"], paths["tokenizer.json"]):
        path.write_text(f"contents of {path.name}")
    paths["codec"].mkdir()
    (paths["codec"] / "config.json").write_text("{}")
    (paths["codec"] / "model.safetensors").write_text("weights")
    return paths


def config_of(paths: dict[str, Path]) -> ConfigDict:
    config = load_config(
        "nano_generator:smoke",
        [f"tokenizer={paths['codec']}", f"data.text_tokenizer={paths['tokenizer.json']}"],
    )
    with config.unlocked():
        config.data.manifests = ((str(paths["clips.jsonl"]), 1.0),)
    return config


def record_of(workdir: Path, config: ConfigDict) -> Record:
    return Record(Workdir(workdir, workdir / CHECKPOINTS), config, parse_config(config))


@pytest.fixture(scope="module")
def begun(tmp_path_factory):
    """(workdir with a record and a checkpoint, its config, its files)."""
    workdir = tmp_path_factory.mktemp("workdir")
    paths = files(tmp_path_factory.mktemp("files"))
    record_of(workdir, config_of(paths)).write(0)
    (workdir / "checkpoints" / "1").mkdir(parents=True)
    return workdir, config_of(paths), paths


def changed(config: ConfigDict, key: str, value: object) -> ConfigDict:
    """With another value of one setting."""
    values = config.to_dict()
    group, *path = key.split(".")
    holder = values
    while path:
        holder = holder[group]
        group, *path = path
    holder[group] = value
    return ConfigDict(values, type_safe=False)


def test_every_setting_is_free_or_refused(begun):
    workdir, config, _ = begun
    values = {key: s.value for key, s in _flat(parse_config(config)).items() if "[" not in key}
    numbers = {k: v for k, v in values.items() if isinstance(v, int | float)}
    assert len(numbers) > 50
    for key, value in numbers.items():
        new = not value if isinstance(value, bool) else value + 1
        if isinstance(value, float):
            new = 2.5 if key == "guard.spike" else 0.5 * value + 0.07
        record = record_of(workdir, changed(config, key, new))
        if key in FREE_HERE | {"needs_init", "stuck_seconds"}:
            record.compare()
            continue
        expected = re.escape(f"{key}: {value!r} -> {new!r}")
        with pytest.raises(ValueError, match=rf"begun with other settings: {expected}\. Go on"):
            record.compare()
        record_of(workdir, changed(config, key, new)).compare([key])


def test_what_is_free_is_named():
    config = load_config("nano_generator:smoke", ["data.text_tokenizer=x", "tokenizer=x"])
    keys = _flat(parse_config(config))
    free = {key for key in keys if any(re.fullmatch(pattern, key) for pattern in FREE)}
    assert free - {"needs_init", "stuck_seconds"} == FREE_HERE


def test_other_data_and_bases_are_refused(begun, tmp_path):
    workdir, config, paths = begun
    moved = files(tmp_path)
    record_of(workdir, config_of(moved)).compare()  # the same contents elsewhere
    for name, key in (
        ("clips.jsonl", "data.manifests[0][0]"),
        ("tokenizer.json", "data.text_tokenizer"),
        ("codec/model.safetensors", "tokenizer"),
    ):
        before = (tmp_path / name).read_bytes()
        (tmp_path / name).write_bytes(before + b"!")
        with pytest.raises(ValueError, match=rf"{re.escape(key)}: .*\(\w{{12}}\).* -> "):
            record_of(workdir, config_of(moved)).compare()
        (tmp_path / name).write_bytes(before)
    two = changed(config, "data.manifests", (*config.data.manifests, (str(paths["codec"]), 1.0)))
    with pytest.raises(ValueError, match=r"data.manifests\[1\]\[0\]: None -> "):
        record_of(workdir, two).compare()
    record_of(workdir, two).compare(["data.manifests"])
    with pytest.raises(ValueError, match="--allow-change 'data.manifest': no such setting"):
        record_of(workdir, two).compare(["data.manifest"])


def test_changes_are_kept(tmp_path):
    paths = files(tmp_path)
    config = config_of(paths)
    record_of(tmp_path, config).write(0)
    (tmp_path / "checkpoints" / "5").mkdir(parents=True)
    record = record_of(tmp_path, changed(config, "steps", 9))
    record.compare()
    record.write(5)
    assert json.loads((tmp_path / "changes.jsonl").read_text()) == {
        "step": 5,
        "changes": {"steps": [2, 9]},
    }
    assert json.loads((tmp_path / "config.json").read_text())["steps"] == 9
    record_of(tmp_path, changed(config, "steps", 9)).compare()


def test_without_checkpoints_anything_goes(tmp_path, caplog):
    config = config_of(files(tmp_path))
    record_of(tmp_path, config).write(0)
    record = record_of(tmp_path, changed(config, "seed", 1))
    record.compare()
    record.write(0)
    assert "config.json of an earlier start is replaced" in caplog.text


def test_a_record_that_is_damaged_is_named(tmp_path):
    config = config_of(files(tmp_path))
    (tmp_path / "checkpoints" / "5").mkdir(parents=True)
    for text in ("", "[]", '{"objective": "flow_matching"}'):
        (tmp_path / "config.json").write_text(text)
        with pytest.raises(ValueError, match=r"config\.json does not say what this training was"):
            record_of(tmp_path, config).compare()


def test_written_by_0_1_without_hashes(tmp_path):
    config = config_of(files(tmp_path))
    record_of(tmp_path, config).write(0)
    (tmp_path / "inputs.json").unlink()
    (tmp_path / "checkpoints" / "5").mkdir(parents=True)
    with pytest.raises(ValueError, match="tokenizer: '.*codec' -> 'nano'"):
        record_of(tmp_path, changed(config, "tokenizer", "nano")).compare()
    record = record_of(tmp_path, config)
    record.compare()
    record.write(5)
    assert len(json.loads((tmp_path / "inputs.json").read_text())) == 3
