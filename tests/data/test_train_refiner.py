"""The refiner's training: parts that share no video, and a model that its file gives back."""

import json
from importlib import resources
from pathlib import Path

from audiogen_jax.evaluate.suites.free_worded import free_prompts
from audiogen_jax.refiner.clauses import ClauseModel
from audiogen_jax.refiner.words import words_of
from data.refiner_captions import CaptionedClip, drawn_examples, marked_sentences, mecat_clips
from data.train_refiner import clause_examples, fit, written
from data.word_classes import word_classes

SENTENCES = Path(__file__).parents[1] / "benchmarks" / "refiner_sentences.txt"
WORDS = {"speech": "a man talks", "sfx": "a dog barks", "music": "piano music", "env": "a hall"}


def test_parts_share_no_video(tmp_path):
    tested = next(row.source.split()[1] for row in free_prompts() if "mecat" in row.source)
    ids = [
        f"{tested[:11]}_9_19",
        *(f"video{video:06}_{clip}" for video in range(40) for clip in "ab"),
    ]
    fields = {"speech": ["None"], "sound": ["a dog"], "music": ["None"], "environment": ["a hall"]}
    texts = {"long": ["A dog in a hall."], "short": ["A dog."], **fields}
    rows = [json.dumps({clip: texts}) for clip in ids]
    for number, domain in enumerate(("SMA", "0MA", "00A")):
        (tmp_path / f"{domain}.jsonl").write_text("\n".join(rows[number::3]))
    parts = {part: mecat_clips(tmp_path, part) for part in ("train", "choice", "test")}
    videos = [{clip.id[:11] for clip in clips} for clips in parts.values()]
    assert all(videos) and len(set.union(*videos)) == sum(map(len, videos)) == 41
    assert tested[:11] in videos[-1]
    assert parts["train"][0].views == {
        "speech": (), "sfx": ("a dog",), "music": (), "env": ("a hall",)
    }  # fmt: skip


def test_a_model_learns_its_examples_and_is_read_back():
    examples = [((words_of(text), view), 1.0) for view, text in WORDS.items() for _ in range(5)]
    model = fit(examples)
    for view, text in WORDS.items():
        assert [clause.view for clause in model.clauses(words_of(text))] == [view]
    assert ClauseModel(**json.loads(written(model))) == model


def test_clauses_are_of_views_that_the_clip_has():
    model = fit([((words_of(text), view), 1.0) for view, text in WORDS.items() for _ in range(5)])
    clip = CaptionedClip("a", ("A man talks in a hall",), {
        "speech": (), "sfx": ("a talking man",), "music": (), "env": ("a hall",)
    })  # fmt: skip
    assert [view for _, view in clause_examples(model, [clip])] == ["sfx", "env"]


def test_drawn_clauses_are_of_all_views():
    examples = [*drawn_examples(60)]
    assert {view for _, view in examples} == {*WORDS}
    assert all(words for words, _ in examples)


def test_marked_sentences_are_read():
    rows = marked_sentences(SENTENCES, "test")
    assert len(rows) == len(marked_sentences(SENTENCES, "choice")) == 75
    row = next(row for row in rows if row.asr)
    assert row.asr in row.text and "[" not in row.text


def test_words_have_the_class_of_most_of_their_meanings(tmp_path):
    """A hierarchy of two roots: dogs bark (sfx), and a bark is also a plant's (no class)."""
    pointers = "001 @ 00000001 {} 0000"
    noun = [
        "00000001 00 n 01 entity 0 000 | all",
        "00000002 05 n 01 dog 0 " + pointers.format("n") + " | an animal",
        "00000003 20 n 01 bark 0 " + pointers.format("n") + " | of trees",
    ]
    verb = [
        "00000004 39 v 01 sound 0 000 | sounds",
        "00000005 39 v 01 bark 0 001 @ 00000004 v 0000 |",
    ]
    for part, lines in {"noun": noun, "verb": verb, "adj": [], "adv": []}.items():
        (tmp_path / f"data.{part}").write_text("".join(f"{line}\n" for line in lines))
    senses = [
        "bark%1:20:00:: 00000003 1 1",
        "bark%2:39:00:: 00000005 1 5",
        "dog%1:05:00:: 00000002 1 9",
    ]
    roots = {"sfx": "sound%v:1"}
    (tmp_path / "index.sense").write_text("\n".join([*senses, "sound%2:39:00:: 00000004 1 3"]))
    assert [*word_classes(tmp_path, roots)] == [("bark", "sfx"), ("sound", "sfx")]


def test_the_embedded_model_is_small():
    file = resources.files("audiogen_jax.refiner").joinpath("weights.json")
    assert len(file.read_bytes()) < 300_000
