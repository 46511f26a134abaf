"""A form of a generator beside it, packed from a training of all its parameters."""

import dataclasses
import shutil

import jax
import numpy as np
import pytest
import soundfile

import audiogen_jax as ag
from audiogen_jax.checkpoints.mapping import on_host
from audiogen_jax.checkpoints.registry import GENERATORS, load_generator
from audiogen_jax.cli import main
from audiogen_jax.files.provenance import read_provenance
from audiogen_jax.infer.options import SamplingOptions
from data import pack_form


def test_a_full_rank_is_what_was_trained(tiny_checkpoint, tmp_path, capsys):
    loaded = load_generator(
        tiny_checkpoint, dtype=np.float32, param_dtype=np.float32, put=on_host, for_sampling=False
    )
    editor = loaded.generator.as_editor()
    rng = np.random.default_rng(0)
    network = jax.tree.map(
        lambda leaf: leaf + rng.normal(0, 0.02, leaf.shape).astype(np.float32),
        loaded.params["audiogen"],
    )
    for name, shape in (("source_proj", (16, 16)), ("source_embed", (16, 32))):
        network = {**network, name: {"kernel": rng.normal(0, 0.1, shape).astype(np.float32)}}
    export, base = tmp_path / "export", tmp_path / "base"
    for folder in (export, base):
        shutil.copytree(tiny_checkpoint, folder, ignore=shutil.ignore_patterns("sha256.json"))
    GENERATORS["dasheng_audiogen"].save(export, editor, {**loaded.params, "audiogen": network})
    noise = rng.normal(0, 0.1, 4800).astype(np.float32)

    def edit(folder):
        options = SamplingOptions(steps=2, guidance=1.0)
        pipeline = ag.load(folder)
        clip = pipeline.edit("extract", noise, 16000, what="rain", options=options)
        assert pipeline.edits and dataclasses.is_dataclass(clip)
        return clip.audio

    trained = edit(export)
    distances = []
    for rank in ("1", "15"):
        target = base / "editor.safetensors"
        target.unlink(missing_ok=True)
        arguments = ["--base", str(base), "--export", str(export), "--rank", rank]
        pack_form.main([*arguments, "--out", str(target)])
        distances.append(np.abs(edit(base) - trained).max() / np.abs(trained).max())
    assert distances[1] < 0.05 < distances[0]
    assert "of the energy of the difference is left out" in capsys.readouterr().out
    on_the_command_line(base, noise, tmp_path)


def on_the_command_line(base, noise, folder):
    """Stems that sum to the recording, and an edit that stays within its seconds."""
    recording = folder / "in.wav"
    soundfile.write(recording, noise, 16000, "FLOAT")
    how = ("--checkpoint", str(base), "--steps", "2", "--guidance", "1")
    for command in (
        ("stems", recording, "-o", folder / "stems", *how),
        ("edit", "remove", recording, "--what", "rain", "--between", "0.1:0.2",
         "-o", folder / "out.wav", *how),
    ):  # fmt: skip
        with pytest.raises(SystemExit) as ended:
            main([str(word) for word in command])
        assert not ended.value.code
    paths = sorted((folder / "stems").glob("*.wav"))
    stems = [soundfile.read(path)[0] for path in paths]
    records = [read_provenance(path) for path in (*paths, folder / "out.wav")]
    assert [record["action"] for record in records] == [*["stems"] * 4, "edit"]
    assert len(stems) == 4
    np.testing.assert_allclose(np.sum(stems, axis=0), noise, atol=1e-5)
    edited = soundfile.read(folder / "out.wav", dtype="float32")[0]
    changed = np.flatnonzero(edited != noise) / 16000
    assert 0.1 <= changed.min() and changed.max() <= 0.2


def test_another_generator():
    base = {"x": {"kernel": np.ones((4, 4))}}
    with pytest.raises(ValueError, match="'x/kernel' of the base is not in the export"):
        pack_form.pack(base, {"x": {"kernel": np.ones((4, 5))}}, 2, "edits")
