"""Is each scene of a storyboard heard in its own time, and are cuts between scenes quiet?

Storyboards of five ESC-10 sounds of 6 s each, in captions of held-out clips, are generated as one
clip and cut up again; the judge (`audiogen_jax.evaluate.judge`, which only ever heard real
recordings) says which sound each stretch is. Beside it: the same captions as clips of their own,
held-out recordings of the same sounds, and chance. Seams: how much the level of a tenth of a second
jumps within 0.3 s of a cut, beside the jumps elsewhere, and beside clips of their own and held-out
recordings that are joined end to end. From the root of the repository (3 minutes on a core, and 7
more where `audiogen evaluate` has not trained its judge in `runs/judge` yet):

    python -m tests.benchmarks.storyboards datasets/manifests/singles.jsonl

Writes tests/benchmarks/results/storyboards.json.
"""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

import audiogen_jax as ag
from audiogen_jax.evaluate.judge.cache import cached_judge
from audiogen_jax.evaluate.judge.tasks import SOUNDS
from audiogen_jax.evaluate.metrics.shares import share_of
from audiogen_jax.evaluate.protocol import environment
from audiogen_jax.evaluate.recordings import Recording, read_recordings
from audiogen_jax.files.atomic import written_atomically
from audiogen_jax.infer.options import SamplingOptions

SCENES, SECONDS, RATE = 5, 6.0, 16000
SAMPLES = round(SECONDS * RATE)
BLOCK = RATE // 10
NEAR = 3
"""Blocks on each side of a cut that belong to it."""


def storyboards(
    recordings: Sequence[Recording], count: int, seed: int
) -> list[list[tuple[str, str]]]:
    """Label and tagged string of every scene: labels follow each other at random."""
    rng = np.random.default_rng(seed)
    boards = []
    for _ in range(count):
        board = []
        for label in rng.choice(SOUNDS, SCENES, replace=False):
            clips = held_out(recordings, str(label))
            views = clips[int(rng.integers(len(clips)))].views
            drawn = {view: str(rng.choice(texts)) for view, texts in views.items()}
            board.append((str(label), ag.compose(**drawn)))
        boards.append(board)
    return boards


def timeline(board: Sequence[tuple[str, str]]) -> list[ag.Event]:
    """The scenes of a storyboard, one after another."""
    return [
        ag.Event(SECONDS * number, SECONDS * (number + 1), "caption", text)
        for number, (_, text) in enumerate(board)
    ]


def jumps(clip: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """How far the level jumps from one tenth of a second to the next, at cuts and elsewhere, dB."""
    power = np.square(clip[: len(clip) // BLOCK * BLOCK].reshape(-1, BLOCK)).mean(axis=1)
    steps = np.abs(np.diff(10 * np.log10(power + 1e-7)))
    cuts = np.arange(1, SCENES) * round(SECONDS * RATE / BLOCK)
    near = (np.abs(np.arange(len(steps))[:, None] + 1 - cuts) <= NEAR).any(axis=1)
    return steps[near], steps[~near]


def held_out(recordings: Sequence[Recording], label: str) -> list[Recording]:
    """Clips of a sound that the judge was not trained on."""
    clips = [clip for clip in recordings if clip.label == label and clip.split == "val"]
    return [clip for clip in clips if "asr" not in clip.views]


def real_scenes(
    recordings: Sequence[Recording], labels: Sequence[str], seed: int
) -> list[np.ndarray]:
    """A held-out recording of each label, begun again where it is too short."""
    rng = np.random.default_rng(seed)
    scenes = []
    for label in labels:
        clips = held_out(recordings, label)
        scenes.append(np.resize(clips[int(rng.integers(len(clips)))].samples, SAMPLES))
    return scenes


def joined(scenes: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Each storyboard's scenes end to end."""
    starts = range(0, len(scenes), SCENES)
    return [np.concatenate(scenes[start : start + SCENES]) for start in starts]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("manifest", type=Path, help="of all recordings (jsonl)")
    parser.add_argument("--checkpoint", default="nano")
    parser.add_argument("--count", type=int, default=8, help="of storyboards")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--cache", type=Path, default=Path("runs/judge"))
    results = Path(__file__).parent / "results"
    parser.add_argument("--output", type=Path, default=results / "storyboards.json")
    args = parser.parse_args()
    recordings = read_recordings(args.manifest, RATE)
    judge = cached_judge(recordings, args.cache)
    boards = storyboards(recordings, args.count, args.seed)
    pipeline, how = (
        ag.load(args.checkpoint),
        SamplingOptions(12, solver="unipc", schedule="logistic"),
    )
    sampling = dict(steps=how.steps, solver=how.solver, schedule=how.schedule, seed=args.seed)
    clips = pipeline.generate(
        [None] * args.count, timeline=[timeline(board) for board in boards], **sampling
    )
    flat = [scene for board in boards for scene in board]
    single = pipeline.generate([text for _, text in flat], duration=SECONDS, **sampling)
    asked = [label for label, _ in flat]
    alone = [clip.audio for clip in single]
    real = real_scenes(recordings, asked, args.seed)
    heard = {
        "scenes of storyboards": [
            clip.audio[i * SAMPLES : (i + 1) * SAMPLES] for clip in clips for i in range(SCENES)
        ],
        "clips of their own": alone,
        "real, held out": real,
    }
    recognised = {}
    for name, audio in heard.items():
        answers = judge.answers("sounds", audio, RATE)
        hits = sum(a == b for a, b in zip(answers, asked, strict=True))
        recognised[name] = share_of(hits, len(asked))._asdict()
    seams = {}
    for name, whole in (
        ("storyboards", [clip.audio for clip in clips]),
        ("clips of their own, joined", joined(alone)),
        ("real, joined", joined(real)),
    ):
        at, elsewhere = (np.concatenate(each) for each in zip(*map(jumps, whole), strict=True))
        seams[name] = {
            "at_cuts_db": [float(np.percentile(at, q)) for q in (50, 90, 99)],
            "elsewhere_db": [float(np.percentile(elsewhere, q)) for q in (50, 90, 99)],
        }
    result = {
        "recognised": {**recognised, "chance": 1 / len(SOUNDS)},
        "level_jumps_percentiles_50_90_99": seams,
        "scenes": SCENES,
        "seconds": SECONDS,
        "sampling": sampling,
        "guidance": how.guidance,
        "checkpoint": args.checkpoint,
        "checkpoint_sha256": pipeline.checkpoint_sha256(),
        "storyboards": [[text for _, text in board] for board in boards],
        **environment(),
    }
    args.output.parent.mkdir(parents=True, exist_ok=True)
    with written_atomically(args.output) as temporary:
        temporary.write_text(json.dumps(result, indent=2) + "\n")
    print(json.dumps({name: result[name] for name in list(result)[:2]}, indent=2))


if __name__ == "__main__":
    main()
