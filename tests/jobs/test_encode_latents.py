import json
import resource
import shutil
import tarfile
import warnings
from pathlib import Path

import jax
import ml_dtypes
import numpy as np
import pytest
import soundfile

import audiogen_jax as ag
from audiogen_jax.checkpoints.dasheng_tokenizer import load_tokenizer, save_tokenizer
from audiogen_jax.checkpoints.folder import CheckpointFolder
from audiogen_jax.checkpoints.parameter_hash import encoder_sha256
from audiogen_jax.cli import main
from audiogen_jax.input.audio_cache import AudioCache
from audiogen_jax.input.latent_dataset import LatentDataset
from audiogen_jax.input.manifest import SPLITS, read_manifest, scan_manifest
from audiogen_jax.jobs import encode_latents as job
from audiogen_jax.jobs.clips_to_encode import read_manifests
from audiogen_jax.jobs.encode_latents import encode_dataset
from audiogen_jax.jobs.job import Share
from audiogen_jax.models.dasheng.codec import DashengCodec
from audiogen_jax.models.dasheng.tokenizer import latent_length

CLIPS = Path(__file__).parent.parent / "clips"
# 1.0 to 3.0 s: three shapes of the ladder.
NAMES = ("words/*/*.flac", "esc10/dog/*.flac", "music/openscore/*.flac", "speech/*/*.flac")


def write_manifest(path: Path, files) -> Path:
    rows = [
        {
            "audio_id": f"{path.stem}/{file.parent.name}/{file.stem}",
            "path": str(file),
            "duration": soundfile.info(file).duration if CLIPS in file.parents else 1.0,
            "split": SPLITS[i % 3 == 2],
            "caption": [f"Clip {i}.", "A sound."],
            "sfx": "ein Geräusch",
        }
        for i, file in enumerate(files)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.fixture(scope="module")
def manifest(tmp_path_factory):
    files = [file for name in NAMES for file in sorted(CLIPS.glob(name))]
    return write_manifest(tmp_path_factory.mktemp("manifest") / "real.jsonl", files)


@pytest.fixture(scope="module")
def tokenizer(tiny_checkpoint):
    return tiny_checkpoint / "tokenizer"


@pytest.fixture(scope="module")
def whole(manifest, tokenizer, tmp_path_factory):
    output = tmp_path_factory.mktemp("latents")
    sizes = {"batch_size": np.int64(4), "shard_size": np.int32(5)}  # later jobs compare plain ones
    done = encode_dataset([manifest], output, checkpoint=tokenizer, **sizes)
    assert (done.done, done.made, done.errors, done.missing_shards) == (
        done.total,
        done.total,
        0,
        0,
    )
    return output


def records(folder):
    dataset = LatentDataset(folder)
    return {record.audio_id: record for record in map(dataset.read, range(len(dataset)))}


def files(folder):
    """Contents and times of the shards."""
    return {
        path.name: (path.read_bytes(), path.stat().st_mtime_ns)
        for path in folder.glob("*.arrayrecord")
    }


def test_latents_are_those_of_each_clip_alone(whole, manifest, tokenizer):
    """On eight devices, in batches of clips of other lengths."""
    assert jax.local_device_count() == 8
    alone, found = ag.load_tokenizer(tokenizer), records(whole)
    cache = AudioCache(16000, 0)
    expected = read_manifest(manifest)
    assert found.keys() == {record.audio_id for record in expected}
    for record in expected:
        clip = found[record.audio_id]
        assert (clip.split, clip.views) == (record.split, record.views)
        audio = cache.load(record.path)[:, 0]
        latents = np.asarray(alone.encode(audio[None])[0])
        assert clip.latents.dtype == ml_dtypes.bfloat16
        assert clip.latents.shape == (latent_length(len(audio)), 16)
        # Half a unit in the last of bfloat16's eight places, and 1e-6 of the batch.
        np.testing.assert_allclose(
            clip.latents.astype(np.float32), latents, rtol=2**-8, atol=2e-6 * np.abs(latents).max()
        )


def test_tar_files_give_the_latents_of_their_clips(whole, manifest, tokenizer, tmp_path):
    rows = [json.loads(line) for line in manifest.read_text().splitlines()]
    with tarfile.open(tmp_path / "clips.tar", "w") as tar:
        for i, row in enumerate(rows):
            tar.add(row["path"], f"{i}.flac")
            (tmp_path / "row.json").write_text(json.dumps(row))
            tar.add(tmp_path / "row.json", f"{i}.json")
    options = {"checkpoint": tokenizer, "batch_size": 4, "shard_size": 5}
    encode_dataset([tmp_path / "clips.tar"], tmp_path / "latents", **options)
    found, expected = records(tmp_path / "latents"), records(whole)
    assert found.keys() == expected.keys()
    for name, record in expected.items():
        assert found[name].views == record.views
        np.testing.assert_array_equal(found[name].latents, record.latents)


def hash_of(config, params) -> str:
    return encoder_sha256(DashengCodec(config), params)


def test_parameters_cut_over_devices_give_the_same_latents(whole, tokenizer, tmp_path, monkeypatch):
    """On eight devices, none of which holds the codec; the job goes on as it began."""
    codecs, load = [], job.Codec.load
    monkeypatch.setattr(
        job.Codec, "load", lambda *args, **named: codecs.append(load(*args, **named)) or codecs[-1]
    )
    manifest = write_manifest(tmp_path / "real.jsonl", sorted(CLIPS.glob("esc10/dog/*.flac")))
    command = ["encode-dataset", str(manifest), "-o", str(tmp_path / "cut"), "--batch-size", "4"]
    with pytest.raises(SystemExit) as stopped:
        main([*command, "--checkpoint", str(tokenizer), "--sharding", "fsdp"])
    assert not stopped.value.code
    leaves = jax.tree.leaves(codecs[0]._encoder)
    on_first = sum(leaf.addressable_shards[0].data.nbytes for leaf in leaves)
    assert on_first < 0.5 * sum(leaf.nbytes for leaf in leaves)
    found, expected = records(tmp_path / "cut"), records(whole)
    assert len(found) == 2
    for name, record in found.items():
        latents = expected[name].latents.astype(np.float32)
        np.testing.assert_allclose(
            record.latents.astype(np.float32),
            latents,
            rtol=2**-7,
            atol=1e-5 * np.abs(latents).max(),
        )
    assert json.loads((tmp_path / "cut" / "job.json").read_text())["sharding"] == "fsdp"
    with pytest.raises(ValueError, match="belongs to another job: sharding was 'fsdp'"):
        encode_dataset([manifest], tmp_path / "cut", checkpoint=tokenizer, batch_size=4)


def test_the_description(whole, tokenizer):
    info = LatentDataset(whole).info
    assert info.tokenizer_sha256 == hash_of(*load_tokenizer(CheckpointFolder(tokenizer)))
    assert (info.sample_rate, info.latent_rate, info.channels) == (16000, 25.0, 16)
    assert info.crop == {"max_seconds": None}
    assert [shard.clips for shard in info.shards] == [5, 5, 3]
    assert (whole / "errors.jsonl").read_text() == ""
    assert not list(whole.glob(".staging*"))


def test_the_hash_is_of_the_encoder_alone(tokenizer, tmp_path):
    config, params = load_tokenizer(CheckpointFolder(tokenizer))
    first = hash_of(config, params)
    decoder = {**params, "decoder": jax.tree.map(lambda leaf: leaf + 1, params["decoder"])}
    save_tokenizer(tmp_path, config, decoder)
    assert hash_of(*load_tokenizer(CheckpointFolder(tmp_path))) == first
    assert ag.load_tokenizer(tmp_path).encoder_sha256 == first
    kernel = params["acoustic_injection"]["patch_embed"]["bias"].copy()
    kernel[3] += 1e-6
    injection = {
        **params["acoustic_injection"],
        "patch_embed": {**params["acoustic_injection"]["patch_embed"], "bias": kernel},
    }
    assert hash_of(config, {**params, "acoustic_injection": injection}) != first


def test_a_removed_shard_is_made_again_and_no_other(whole, manifest, tokenizer, tmp_path):
    folder = shutil.copytree(whole, tmp_path / "latents")
    before = files(folder)
    name = "latents-00001-of-00003.arrayrecord"
    (folder / name).unlink()
    (folder / ".staging").mkdir()
    (folder / ".staging" / name).write_bytes(b"half")
    done = encode_dataset([manifest], folder, checkpoint=tokenizer, batch_size=4, shard_size=5)
    assert (done.done, done.made) == (13, 5)
    after = files(folder)
    assert after[name][0] == before.pop(name)[0]
    assert before.items() <= after.items()
    assert LatentDataset(folder).info == LatentDataset(whole).info


@pytest.mark.parametrize("name", ["arrayrecord", "npz", "json"])
@pytest.mark.parametrize("contents", [b"", b"other"])
def test_a_damaged_shard_is_made_again(whole, manifest, tokenizer, tmp_path, name, contents):
    folder = shutil.copytree(whole, tmp_path / "latents")
    damaged = folder / f"latents-00001-of-00003.{name}"
    damaged.write_bytes(contents)
    options = dict(checkpoint=tokenizer, batch_size=4, shard_size=5)
    with pytest.warns(UserWarning, match="1 shards are not as they were written"):
        assert encode_dataset([manifest], folder, **options).made == 5
    for path in whole.iterdir():
        assert path.read_bytes() == (folder / path.name).read_bytes()
    aside = {path.name for path in folder.iterdir()} - {path.name for path in whole.iterdir()}
    assert all(each.endswith(".changed") for each in aside), "nothing else stays"
    assert bool(aside) == (bool(contents) or name == "json")


def test_a_changed_byte_of_a_shard_is_seen(whole, manifest, tokenizer, tmp_path):
    folder = shutil.copytree(whole, tmp_path / "latents")
    shard = folder / "latents-00002-of-00003.arrayrecord"
    before = bytearray(shard.read_bytes())
    shard.write_bytes(before[:-9] + bytes([before[-9] ^ 1]) + before[-8:])
    options = dict(checkpoint=tokenizer, batch_size=4, shard_size=5)
    with pytest.warns(UserWarning, match="00002-of-00003.arrayrecord was changed"):
        assert encode_dataset([manifest], folder, **options).made == 3
    assert shard.read_bytes() == before


def test_what_shares_that_were_killed_left_does_not_stay(whole, manifest, tokenizer, tmp_path):
    folder = shutil.copytree(whole, tmp_path / "latents")
    for name in (".staging", ".staging-00001-of-00004"):
        (folder / name).mkdir()
        (folder / name / "half").touch()
    (folder / ".lock-00001-of-00004").touch()
    encode_dataset([manifest], folder, checkpoint=tokenizer, batch_size=4, shard_size=5)
    assert {path.name for path in folder.iterdir()} == {path.name for path in whole.iterdir()}


def test_files_of_somebody_else_are_not_written_over(manifest, tokenizer, tmp_path):
    (tmp_path / "errors.jsonl").write_text("mine")
    with pytest.raises(ValueError, match="holds errors.jsonl but no job.json"):
        encode_dataset([manifest], tmp_path, checkpoint=tokenizer)
    assert [path.name for path in tmp_path.iterdir()] == ["errors.jsonl"]


def test_parts_together_make_the_same_dataset(whole, manifest, tokenizer, tmp_path):
    options = dict(checkpoint=tokenizer, batch_size=4, shard_size=5)
    first = encode_dataset([manifest], tmp_path, share=Share(1, 2), **options)
    assert (first.done, first.total, first.missing_shards) == (5, 5, 2)
    with pytest.raises(FileNotFoundError, match="no dataset.json"):
        LatentDataset(tmp_path)
    second = encode_dataset([manifest], tmp_path, share=Share(0, 2), **options)
    assert (second.done, second.total, second.missing_shards) == (8, 8, 0)
    assert LatentDataset(tmp_path).info == LatentDataset(whole).info


def test_another_job_is_refused(whole, manifest, tokenizer, tmp_path, capsys):
    other = write_manifest(tmp_path / "other.jsonl", [CLIPS / "esc10/dog/1-100032-A.flac"])
    before = files(whole)
    options = dict(checkpoint=tokenizer, batch_size=4, shard_size=5)
    for manifests, change, named in (
        ([other], {}, "manifests_sha256 was"),
        ([manifest], {"checkpoint": "nano"}, "tokenizer_sha256 was"),
        ([manifest], {"max_seconds": 1.5}, "max_seconds was None and is 1.5"),
        ([manifest], {"shard_size": 7}, "shard_size was 5 and is 7"),
    ):
        with pytest.raises(ValueError, match=f"belongs to another job: {named}"):
            encode_dataset(manifests, whole, **{**options, **change})
    assert files(whole) == before


def test_clips_are_cut_to_max_seconds(whole, manifest, tokenizer, tmp_path):
    encode_dataset([manifest], tmp_path, checkpoint=tokenizer, max_seconds=1.5)
    dataset = LatentDataset(tmp_path)
    assert dataset.frames.max() == 37
    assert dataset.info.crop == {"max_seconds": 1.5}
    for name, clip in records(whole).items():
        # The mel floor and the encoder's context reach back from beyond the cut: not equal, close.
        assert len(records(tmp_path)[name].latents) == min(len(clip.latents), 37)


def test_clips_that_cannot_be_read_do_not_stop_the_job(tokenizer, tmp_path, capsys):
    good = CLIPS / "esc10/dog/1-100032-A.flac"
    (tmp_path / "broken.flac").write_bytes(b"fLaC and nothing more")
    soundfile.write(tmp_path / "short.wav", np.full(512, 0.5), 16000)
    soundfile.write(tmp_path / "silent.wav", np.zeros(16000), 16000)
    (tmp_path / "take.raw").write_bytes(b"0" * 4000)
    names = ("broken.flac", "short.wav", "gone.wav", "silent.wav", "take.raw")
    bad = write_manifest(tmp_path / "bad.jsonl", [tmp_path / name for name in names])
    mixed = write_manifest(tmp_path / "mixed.jsonl", [good])
    mixed.write_text(
        "\n" + mixed.read_text() + '{"path": "a.wav", "audio_id": ["a"]}\n' + "[" * 9999 + "\n"
    )
    arguments = ["encode-dataset", str(bad), str(mixed), "-o", str(tmp_path / "latents")]
    with pytest.raises(SystemExit) as stopped:
        main([*arguments, "--checkpoint", str(tokenizer), "--shard-size", "2"])
    assert stopped.value.code == 1
    shown = capsys.readouterr()
    assert "1 of 6 clips, 1 made now" in shown.out
    assert "7 clips could not be encoded: see errors.jsonl" in shown.err
    errors = tmp_path / "latents/errors.jsonl"
    rows = [json.loads(line) for line in errors.read_text().splitlines()]
    assert [row["line"] for row in rows[:2]] == [3, 4] and rows[0]["manifest"] == str(mixed)
    assert rows[0]["error"].startswith(f"{mixed}, line 3: audio_id is a list")
    found = {row["path"].rsplit("/")[-1]: row for row in rows[2:]}
    assert found["broken.flac"].pop("error").startswith(f"{tmp_path / 'broken.flac'} is not audio")
    assert found["broken.flac"] == {
        "manifest": str(bad),
        "line": 1,
        "audio_id": f"bad/{tmp_path.name}/broken",
        "path": str(tmp_path / "broken.flac"),
    }
    assert "too short to encode: 512 samples" in found["short.wav"]["error"]
    assert "no audio file" in found["gone.wav"]["error"] and found["gone.wav"]["line"] == 3
    assert "silent throughout" in found["silent.wav"]["error"]
    assert "take.raw is not audio" in found["take.raw"]["error"]
    assert records(tmp_path / "latents").keys() == {f"mixed/dog/{good.stem}"}
    assert scan_manifest(mixed).records[0].line == 2


def test_latents_that_are_not_finite_are_reported(tokenizer, tmp_path, monkeypatch):
    clips = sorted(CLIPS.glob("esc10/dog/*.flac"))
    encode = job.Codec.encode_split
    monkeypatch.setattr(
        job.Codec, "encode_split", lambda *args: encode(*args).at[1, 5, 2].set(np.nan)
    )
    manifest = write_manifest(tmp_path / "dogs.jsonl", clips)
    done = encode_dataset([manifest], tmp_path / "latents", checkpoint=tokenizer)
    assert (done.done, done.errors) == (1, 1)
    assert "not finite" in (tmp_path / "latents/errors.jsonl").read_text()


def test_a_job_without_any_clip_fails(tokenizer, tmp_path):
    manifest = write_manifest(tmp_path / "bad.jsonl", [tmp_path / "gone.wav"])
    with pytest.raises(ValueError, match="none of 1 clips could be encoded.*no audio file at"):
        encode_dataset([manifest], tmp_path / "latents", checkpoint=tokenizer)


def test_ids_are_unique_over_all_manifests(manifest, tokenizer, tmp_path):
    with pytest.raises(ValueError, match="audio_id 'real/.*' is in both .*real.jsonl and .*real"):
        encode_dataset([manifest, manifest], tmp_path, checkpoint=tokenizer)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"batch_size": 0}, "batch_size=0"),
        ({"shard_size": 0}, "shard_size=0"),
        ({"max_seconds": float("nan")}, "max_seconds=nan: expected at least 513 samples"),
        ({"max_seconds": float("inf")}, "max_seconds=inf: expected at least 513 samples"),
        ({"max_seconds": 0.03}, "max_seconds=0.03: expected at least 513 samples"),
        ({"dtype": "fp8"}, "dtype='fp8'"),
        ({"sharding": "zero"}, "sharding='zero': expected one of"),
    ],
)
def test_wrong_arguments_are_named(manifest, tokenizer, tmp_path, wrong, message):
    with pytest.raises(ValueError, match=message):
        encode_dataset([manifest], tmp_path / "out", checkpoint=tokenizer, **wrong)
    assert not (tmp_path / "out").exists()


def test_a_disk_that_is_full_is_told_and_leaves_no_shard(whole, manifest, tokenizer, tmp_path):
    # The shapes of `whole`, whose programs are compiled: the cache of those would be cut short too.
    options = dict(checkpoint=tokenizer, batch_size=4, shard_size=5)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2000, hard))
    try:
        with pytest.raises(OSError, match="cannot write .*latents-00000-of-00003.*File too large"):
            encode_dataset([manifest], tmp_path, **options)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert not list(tmp_path.glob("latents*"))
    encode_dataset([manifest], tmp_path, **options)
    assert LatentDataset(tmp_path).info == LatentDataset(whole).info


def test_clips_of_one_recording_without_a_split_are_told(tmp_path):
    row = {"path": "a.wav", "duration": 1, "recording": "a concert"}
    path, rows = tmp_path / "clips.jsonl", [{**row, "audio_id": name} for name in "ab"]

    def read(rows: list[dict]) -> int:
        path.write_text("".join(json.dumps(each) + "\n" for each in rows))
        return len(read_manifests([path]).clips)

    with pytest.warns(UserWarning, match=r"1 recordings have several clips \('a concert'\)"):
        assert read(rows) == 2
    with warnings.catch_warnings(action="error"):
        assert read([rows[0], {**rows[1], "split": "val"}]) == read([rows[0]]) + 1 == 2
