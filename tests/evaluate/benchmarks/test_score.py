"""Scores of clips that are at hand: each number is that of the metric on the same arrays."""

from dataclasses import replace

import numpy as np
import pytest
import soundfile

from audiogen_jax.caption import StructuredCaption
from audiogen_jax.evaluate.benchmarks.clip_files import read_clip_files
from audiogen_jax.evaluate.benchmarks.clip_values import Transcripts
from audiogen_jax.evaluate.benchmarks.matching import match
from audiogen_jax.evaluate.benchmarks.metrics import title
from audiogen_jax.evaluate.benchmarks.published import published
from audiogen_jax.evaluate.benchmarks.score import score
from audiogen_jax.evaluate.benchmarks.table import BENCHMARKS, benchmark
from audiogen_jax.evaluate.benchmarks.tables import narrow_table, score_table, sources
from audiogen_jax.evaluate.metrics.divergence import softmax_divergence
from audiogen_jax.evaluate.metrics.frechet import frechet_distance
from audiogen_jax.evaluate.metrics.kernel_distance import kernel_audio_distance
from audiogen_jax.input.prompts import PromptRecord
from tests.evaluate.benchmarks.sounds import (
    RATE,
    MelClap,
    MelClassifier,
    MelEmbedder,
    sound,
    write_folder,
)

AUDIOCAPS = benchmark("audiocaps")
SEEDS = range(6)
EMBEDDERS = {"vggish": MelEmbedder(), "tags": MelClassifier(), "clap": MelClap()}
PROMPTS = [
    PromptRecord(str(n), StructuredCaption(f"a dog barks {n}", asr="good day")) for n in SEEDS
]


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    root = tmp_path_factory.mktemp("score")
    made = write_folder(root / "made", SEEDS)
    return made, write_folder(root / "real", [seed + 50 for seed in SEEDS])


def matched(name, audio, references=None, prompts=None, partial=False):
    real = None if references is None else read_clip_files(references)
    return match(benchmark(name), read_clip_files(audio), prompts, real, partial)


def test_every_column_is_the_metric_on_the_same_arrays(folders):
    made, real = folders
    scores = score(AUDIOCAPS, matched("audiocaps", made, real, PROMPTS), EMBEDDERS, draws=20)
    (row,) = scores.rows
    clips = [np.float32(sound(seed)) for seed in SEEDS]
    others = [np.float32(sound(seed + 50)) for seed in SEEDS]
    mel = EMBEDDERS["tags"]
    a, b = mel.embed(others, RATE), mel.embed(clips, RATE)
    assert row.cells["FD (tags)"].value == frechet_distance(a, b)
    assert row.cells["FAD (vggish)"].value == row.cells["FD (tags)"].value
    assert row.cells["KAD (tags)"].value == kernel_audio_distance(a, b)
    kl = softmax_divergence(mel.logits(others, RATE), mel.logits(clips, RATE), 1e-6)
    assert row.cells["KL (tags)"].value == pytest.approx(kl.mean(), rel=1e-12)
    texts = EMBEDDERS["clap"].embed_texts([f"a dog barks {n}" for n in SEEDS]).values
    unit = [x / np.linalg.norm(x, axis=1, keepdims=True) for x in (texts, b.values)]
    cosines = (unit[0] * unit[1]).sum(axis=1)
    assert row.cells["CLAP (clap)"].value == pytest.approx(cosines.mean(), rel=1e-12)
    for head, cell in row.cells.items():
        assert cell.low is None or cell.low <= cell.value <= cell.high or "KAD" in head
        assert cell.clips == len(SEEDS)
    assert row.clips == row.references == len(SEEDS)


def test_what_was_not_measured_says_what_it_needs(folders):
    made, real = folders
    scores = score(AUDIOCAPS, matched("audiocaps", made, real), {"own": MelEmbedder()}, draws=20)
    assert [*scores.rows[0].cells] == ["FD (own)", "KAD (own)"]
    missing = "; ".join(scores.missing)
    assert "FAD (vggish) is not measured: FD (own) is of another network" in missing
    assert "CLAP (as published) is not measured: it needs an embedder of text and audio" in missing
    assert "FD-inf (own) is undefined: 6 clips of 16 dimensions" in "; ".join(scores.notes)
    table = score_table(AUDIOCAPS, scores, "mine")
    heads = dict(zip(table.columns, table.rows[0], strict=True))
    assert heads["system"] == "mine" and heads["FAD (vggish)"] is None
    assert heads["FD (own)"].startswith(f"{scores.rows[0].cells['FD (own)'].value:.2f} [")
    dasheng = next(row for row in table.rows if row[0] == "Dasheng AudioGen")
    theirs = dict(zip(table.columns, dasheng, strict=True))
    assert theirs["FAD (vggish)"] == "3.19" and theirs["FD (own)"] is None
    narrow = {row[0]: row[1:] for row in narrow_table(AUDIOCAPS, scores, "mine").rows}
    assert narrow["FD (own)"] == [heads["FD (own)"], None]
    assert narrow["FAD (vggish)"][0] is None and "TangoFlux 2.26, " in narrow["FAD (vggish)"][1]
    with pytest.raises(ValueError, match="nothing to measure: FAD .vggish. is not measured"):
        score(AUDIOCAPS, matched("audiocaps", made), {})


def test_order_format_and_other_clips_change_no_bit(folders, tmp_path):
    made, real = folders
    arguments = {"vggish": MelEmbedder()}, None, None, 20
    expected = score(AUDIOCAPS, matched("audiocaps", made, real), *arguments).rows
    other = write_folder(tmp_path / "flac", SEEDS, ".flac", subtype="PCM_24")
    assert score(AUDIOCAPS, matched("audiocaps", other, real), *arguments).rows == expected
    lines = [f'{{"id": "{n}", "path": "{made / f"{n}.wav"}"}}\n' for n in reversed(SEEDS)]
    (tmp_path / "list.jsonl").write_text("".join(lines))
    backwards = matched("audiocaps", tmp_path / "list.jsonl", real)
    assert score(AUDIOCAPS, backwards, *arguments).rows == expected


def test_other_rates_lengths_and_silence(folders, tmp_path):
    _, real = folders
    folder = write_folder(tmp_path / "made", SEEDS)
    soundfile.write(folder / "0.wav", np.stack([sound(0, 12.0, 8000)] * 2, axis=1), 8000)
    soundfile.write(folder / "1.wav", np.zeros(RATE), RATE)
    scores = score(
        AUDIOCAPS, matched("audiocaps", folder, real), {"vggish": MelEmbedder()}, draws=20
    )
    assert scores.heard.rates[:2] == (8000, RATE) and scores.heard.seconds[0] == 12.0
    assert scores.heard.silent == ("1",)
    notes = "; ".join(scores.notes)
    assert "1 of 6 clips are silent ('1')" in notes and "last 0" not in notes
    assert "1 of 6 clips have a rate below 16000 Hz, the lowest 8000 Hz" in notes
    silent = write_folder(tmp_path / "silent", SEEDS)
    for n in SEEDS:
        soundfile.write(silent / f"{n}.wav", np.zeros(RATE), RATE)
    scores = score(AUDIOCAPS, matched("audiocaps", silent, real), {"e": MelEmbedder()}, draws=20)
    assert any("clips last 1.00 s and references 0.30 s" in note for note in scores.notes)
    scores = score(AUDIOCAPS, matched("audiocaps", silent, silent), {"e": MelEmbedder()}, draws=20)
    assert scores.rows[0].cells["FD (e)"].value == 0.0
    assert any("no bandwidth" in note for note in scores.notes)


def test_copies_and_few_clips_are_told(folders, tmp_path):
    made, real = folders
    copies = write_folder(tmp_path / "copies", [0, 0, 0, 50, 4, 5])
    both = matched("audiocaps", copies, real)
    notes = "; ".join(score(AUDIOCAPS, both, {"e": MelEmbedder()}, draws=20).notes)
    assert "2 of 6 clips are copies of others among them ('1', '2')" in notes
    assert "1 of 6 clips are references themselves ('3')" in notes
    assert "FD (e) is of as few as 6 clips in 16 dimensions" in notes
    plain = score(AUDIOCAPS, matched("audiocaps", made, real), {"e": MelEmbedder()}, draws=20)
    assert not any("copies" in note or "themselves" in note for note in plain.notes)


def test_one_clip_has_no_distance_of_sets(folders, tmp_path):
    _, real = folders
    one = write_folder(tmp_path / "one", [0])
    with pytest.raises(ValueError, match="FD .e. is undefined: of 6 references and 1 clips"):
        score(AUDIOCAPS, matched("audiocaps", one, real, None, True), {"e": MelEmbedder()})


def test_a_clip_that_no_network_can_take_is_named(folders, tmp_path):
    made, _ = folders
    soundfile.write(tmp_path / "nan.wav", np.full(RATE, np.nan), RATE, "FLOAT")
    with pytest.raises(ValueError, match="nan.wav holds NaN"):
        score(AUDIOCAPS, matched("audiocaps", tmp_path), {"e": MelEmbedder()})

    class Broken(MelEmbedder):
        def embed(self, clips, sample_rate):
            embedded = super().embed(clips, sample_rate)
            embedded.values[:] = np.inf
            return embedded

    with pytest.raises(ValueError, match=r"made/0\.wav: what broken hears holds NaN"):
        score(AUDIOCAPS, matched("audiocaps", made), {"broken": Broken()})


def test_words_and_scores_by_category(tmp_path):
    folder = write_folder(tmp_path, range(4))
    captions = [
        StructuredCaption("a dog barks", asr="good day" if n < 2 else None) for n in range(4)
    ]
    prompts = [PromptRecord(str(n), c, "S00" if n < 2 else "00A") for n, c in enumerate(captions)]
    heard = Transcripts({"0": "good day", "1": "good dog barks", "2": "", "3": ""}, "whisper")
    both = matched("mecat", folder, None, prompts)
    scores = score(benchmark("mecat"), both, {}, heard, {"utmosv2": {"0": 3.0, "1": 4.0}})
    rows = {row.category: row.cells for row in scores.rows}
    assert rows["S00"]["WER (whisper)"].value == pytest.approx(2 / 4)
    assert rows["S00"]["UTMOSv2"].value == 3.5 and "WER (whisper)" not in rows["00A"]
    assert any("no clips of 0M0" in note for note in scores.notes)
    idle = score(benchmark("mecat"), both, {"mel": MelEmbedder()}, heard)
    assert "no column of mecat is by mel" in idle.notes
    leaks = score(benchmark("mmag"), matched("mmag", folder, None, prompts), {}, heard)
    assert leaks.rows[0].cells["leakage (whisper)"].value == pytest.approx(1 / 4)
    assert leaks.rows[0].cells["WER (whisper)"].clips == 2
    some = score(benchmark("mecat"), both, {}, None, {"utmosv2": {"0": 3.0}})
    assert "UTMOSv2 of S00 is of 1 of 2 clips" in some.notes
    single = [row for row in score_table(benchmark("mecat"), some, "mine").rows if "mine" in row]
    assert any("3.00" in row for row in single)  # without an interval
    chinese = [replace(p, caption=StructuredCaption("a voice", asr="你好")) for p in prompts]
    said = matched("mecat", folder, None, chinese)
    words = score(benchmark("mecat"), said, {}, heard, {"utmosv2": {"0": 3.0}})
    assert any(
        "WER (whisper) of S00 is undefined: the words of '0' are in" in n for n in words.notes
    )
    gap = Transcripts({"0": "good day"}, "whisper")
    with pytest.raises(ValueError, match="clip '1' has no transcript"):
        score(benchmark("mecat"), both, {}, gap)


def test_edits_are_compared_with_what_they_should_give(folders, tmp_path):
    made, _ = folders
    lines = [f'{{"id": "{n}", "path": "{made / f"{n}.wav"}", "category": "add"}}\n' for n in SEEDS]
    (tmp_path / "list.jsonl").write_text("".join(lines))
    scores = score(benchmark("audioedit"), matched("audioedit", tmp_path / "list.jsonl", made), {})
    assert scores.rows[0].cells["LSD dB"].value == 0.0
    cut = write_folder(tmp_path / "cut", SEEDS)
    soundfile.write(cut / "3.wav", sound(3, 0.1), RATE)
    with pytest.raises(ValueError, match=r"3\.wav and .*3\.wav differ by 0\.20 s"):
        score(benchmark("audioedit"), matched("audioedit", tmp_path / "list.jsonl", cut), {})


def test_published_rows_have_a_head_a_category_and_a_source():
    for row in published():
        suite = BENCHMARKS[row.suite]
        heads = {title(each.metric, each.backbone) for each in suite.columns_of(row.category)}
        assert {*row.values} <= heads | {"FAD (as published)", "FD (as published)"}, row
        assert row.source and row.values
        assert row.category in (suite.categories or (None,)) or suite.own_categories
    assert len(published()) > 80
    assert any("arXiv:2608.11804" in line for line in sources(AUDIOCAPS))
