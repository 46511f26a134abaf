"""The thinker against transformers' in PyTorch eager: one machine, one run, the same weights.

Published width of the 3B model, random weights, a text decoder of four layers: reading a prompt of
256 tokens, and 32 tokens of a greedy answer with a cache. Each side is a process of its own, pinned
to the same number of cores, in turns. The answers must be the same.

From the root of the repository, on an otherwise idle machine (needs the extra "bench"):

    python -m tests.benchmarks.thinker     # about 5 minutes on 2 cores, 10 GB of disk and memory

The result is written to tests/benchmarks/results/thinker.json.
"""

import argparse
import dataclasses
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

RESULT = Path(__file__).parent / "results" / "thinker.json"
LAYERS, PROMPT, ANSWER, REPEATS = 4, 256, 32, 3


def write_checkpoint(folder: Path) -> None:
    """A thinker of the published width with few layers, random, in float32."""
    import jax

    from audiogen_jax.checkpoints.qwen_omni import save_thinker, thinker_template
    from audiogen_jax.models.omni.thinker.config import ThinkerConfig

    sizes = ThinkerConfig()
    config = dataclasses.replace(
        sizes,
        text=dataclasses.replace(sizes.text, num_hidden_layers=LAYERS),
        audio=dataclasses.replace(sizes.audio, encoder_layers=1),
        vision=dataclasses.replace(sizes.vision, depth=1, fullatt_block_indexes=(0,)),
    )
    rng = np.random.default_rng(0)

    def draw(path: tuple, leaf: jax.ShapeDtypeStruct) -> np.ndarray:
        values = rng.standard_normal(leaf.shape, np.float32)
        values *= 0.1 if len(leaf.shape) < 2 else leaf.shape[-2] ** -0.5
        return values + 1 if path[-1].key == "scale" else values

    params = jax.tree_util.tree_map_with_path(draw, thinker_template(config))
    save_thinker(folder, config, params)


def prompt() -> np.ndarray:
    return np.random.default_rng(1).integers(0, 150_000, (1, PROMPT))


class Ours:
    """This package."""

    def __init__(self, folder: Path):
        import jax

        from audiogen_jax.checkpoints.folder import CheckpointFolder
        from audiogen_jax.checkpoints.qwen_omni import load_thinker
        from audiogen_jax.models.language_model import Decoding
        from audiogen_jax.models.omni.thinker.inputs import thinker_inputs
        from audiogen_jax.models.omni.thinker.thinker import Thinker

        opened = CheckpointFolder(folder)
        config, self._params = load_thinker(opened, "float32", jax.device_put, stacked=False)
        model = Thinker(config)
        self._inputs = thinker_inputs(config, [[prompt()[0].tolist()]])
        keys = jax.random.split(jax.random.key(0), 1)
        self._answers = {
            count: jax.jit(
                lambda p, i, n=count: model.answer(p, i, keys, Decoding(max_tokens=n), ())[0]
            )
            for count in (1, ANSWER)
        }

    def answer(self, count: int) -> list[int]:
        return np.asarray(self._answers[count](self._params, self._inputs))[0].tolist()


class Theirs:
    """transformers, eager."""

    def __init__(self, folder: Path):
        import torch  # noqa: TID251
        from transformers import (  # noqa: TID251
            Qwen2_5OmniThinkerForConditionalGeneration as Model,
        )

        torch.set_num_threads(len(os.sched_getaffinity(0)))
        self._torch = torch
        self._model = Model.from_pretrained(folder, dtype=torch.float32).eval()
        self._ids = torch.from_numpy(prompt())

    def answer(self, count: int) -> list[int]:
        with self._torch.inference_mode():
            ids = self._model.generate(
                self._ids,
                attention_mask=self._torch.ones_like(self._ids),
                max_new_tokens=count,
                min_new_tokens=count,
                do_sample=False,
                use_cache=True,
            )
        return ids[0, PROMPT:].tolist()


def serve(side: str, folder: Path) -> None:
    """Answers each count of tokens on stdin with a line: seconds, ids, peak memory."""
    model = {"ours": Ours, "theirs": Theirs}[side](folder)
    for line in sys.stdin:
        start = time.perf_counter()
        ids = model.answer(int(line))
        seconds = time.perf_counter() - start
        lines = Path("/proc/self/status").read_text().splitlines()
        peak = next(int(each.split()[1]) for each in lines if each.startswith("VmHWM")) * 1024
        print(json.dumps({"seconds": seconds, "ids": ids, "peak": peak}), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--side", choices=("ours", "theirs"))
    parser.add_argument("--folder", type=Path)
    args = parser.parse_args()
    if args.side:
        serve(args.side, args.folder)
        return
    with tempfile.TemporaryDirectory() as folder:
        write_checkpoint(Path(folder))
        command = [sys.executable, "-m", "tests.benchmarks.thinker", "--folder", folder, "--side"]
        sides = {
            name: subprocess.Popen(
                [*command, name], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
            )
            for name in ("ours", "theirs")
        }

        def ask(name: str, count: int) -> dict:
            stdin, stdout = sides[name].stdin, sides[name].stdout
            assert stdin is not None and stdout is not None
            print(count, file=stdin, flush=True)
            return json.loads(stdout.readline())

        for name in sides:  # compiles, reads pages
            for count in (1, ANSWER):
                ask(name, count)
        runs = [
            {(name, count): ask(name, count) for count in (1, ANSWER) for name in sides}
            for _ in range(REPEATS)
        ]
        for side in sides.values():
            side.communicate()
    last = runs[-1]
    same = last["ours", ANSWER]["ids"] == last["theirs", ANSWER]["ids"]
    medians = {key: statistics.median(run[key]["seconds"] for run in runs) for key in last}
    read = {name: medians[name, 1] for name in sides}
    decode = {name: medians[name, ANSWER] - medians[name, 1] for name in sides}
    peak = {name: last[name, ANSWER]["peak"] for name in sides}
    result = {
        "layers": LAYERS,
        "prompt_tokens": PROMPT,
        "answer_tokens": ANSWER,
        "cores": len(os.sched_getaffinity(0)),
        "same_answer": same,
        "read_seconds": read,
        "decode_seconds": decode,
        "peak_bytes": peak,
        "ratios": {
            name: values["ours"] / values["theirs"]
            for name, values in (("read", read), ("decode", decode), ("memory", peak))
        },
    }
    print(json.dumps(result, indent=1))
    if not same:
        raise SystemExit("the answers differ")
    RESULT.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
