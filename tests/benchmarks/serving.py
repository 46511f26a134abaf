"""Many clients of one server against one client, in the same run; is anything lost or mixed up?

Starts `audiogen serve` with the embedded model. First a single client asks for clips one after the
other, then `--clients` do so at the same time, each other requests of a list with different
captions, seeds and lengths. Every reply is compared with the clip that the pipeline makes of the
same request alone. Meanwhile the memory of the server is read every second. From the root of the
repository:

    python -m tests.benchmarks.serving --seconds 60

Writes tests/benchmarks/results/serving.json.
"""

import argparse
import io
import itertools
import json
import os
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import httpx2
import numpy as np
import soundfile

import audiogen_jax as ag
from audiogen_jax.evaluate.protocol import environment
from audiogen_jax.files.atomic import written_atomically
from tests.serve.server_process import KEY, ServerProcess

SUBJECTS = ("a dog barking", "rain", "a clock ticking", "sea waves", "a rooster", "a man speaking")
SECONDS = (0.8, 1.0, 1.2)
"""Of the clips: of one bucket, as most clips of a service are."""
Reply = tuple[int, float, int, bytes]
"""Number of the request, seconds, status and contents."""


def requests(count: int) -> list[dict[str, object]]:
    """Bodies that are all different."""
    rows = itertools.islice(itertools.product(range(count), SUBJECTS), count)
    return [
        {
            "caption": f"{subject}, take {number}",
            "sfx": subject,
            "seed": 7 * number,
            "duration": SECONDS[number % len(SECONDS)],
        }
        for number, (_, subject) in enumerate(rows)
    ]


def drive(
    url: str, bodies: Sequence[dict], clients: int, seconds: float
) -> tuple[list[Reply], float]:
    """Replies to clients that ask for one clip after the other, and the seconds of it all."""
    replies: list[Reply] = []
    numbers = itertools.count()
    end = time.monotonic() + seconds

    def ask() -> None:
        with httpx2.Client(base_url=url, timeout=600) as client:
            client.headers["Authorization"] = f"Bearer {KEY}"
            while time.monotonic() < end:
                number = next(numbers) % len(bodies)
                start = time.monotonic()
                answer = client.post("/v1/audio/scenes", json=bodies[number])
                while answer.status_code == 429:
                    time.sleep(float(answer.headers["retry-after"]))
                    answer = client.post("/v1/audio/scenes", json=bodies[number])
                taken = time.monotonic() - start
                replies.append((number, taken, answer.status_code, answer.content))

    start = time.monotonic()
    threads = [threading.Thread(target=ask) for _ in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return replies, time.monotonic() - start


def batches(url: str) -> tuple[float, float]:
    """Clips that a server has made, and the batches that it made them in."""
    text = httpx2.get(f"{url}/metrics", headers={"Authorization": f"Bearer {KEY}"}).text
    rows = dict(row.rsplit(" ", 1) for row in text.splitlines() if row.startswith("audiogen_"))
    return float(rows["audiogen_batch_size_sum"]), float(rows["audiogen_batch_size_count"])


def figures(replies: Sequence[Reply], seconds: float) -> dict[str, float]:
    """Throughput and latencies."""
    taken = [each[1] for each in replies]
    return {
        "replies": len(replies),
        "replies_not_200": sum(status != 200 for _, _, status, _ in replies),
        "clips_per_second": len(replies) / seconds,
        "p50_seconds": float(np.percentile(taken, 50)),
        "p95_seconds": float(np.percentile(taken, 95)),
    }


def largest_difference(
    replies: Sequence[Reply], bodies: Sequence[dict], steps: int
) -> tuple[float, float]:
    """Over all replies, from their own clips made alone; and the least from other requests'."""
    pipeline = ag.load("nano")
    expected = {}
    for number in sorted({each[0] for each in replies}):
        body = bodies[number]
        prompt = ag.StructuredCaption(str(body["caption"]), sfx=str(body["sfx"]))
        (clip,) = pipeline.generate(
            prompt, seed=body["seed"], duration=body["duration"], steps=steps
        )
        expected[number] = clip.audio
    own, others = 0.0, np.inf
    for number, _, _, contents in replies:
        audio, _ = soundfile.read(io.BytesIO(contents), dtype="float32")
        for other, clip in expected.items():
            if len(clip) != len(audio):
                continue
            scaled = clip / max(1.0, float(np.abs(clip).max()))
            difference = float(np.abs(audio - scaled).max())
            if other == number:
                own = max(own, difference)
            else:
                others = min(others, difference)
        assert len(expected[number]) == len(audio), number
    return own, others


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=120.0, help="that all clients ask for")
    parser.add_argument("--clients", type=int, default=64)
    parser.add_argument("--steps", type=int, default=4)
    results = Path(__file__).parent / "results"
    parser.add_argument("--output", type=Path, default=results / "serving.json")
    args = parser.parse_args()
    bodies = requests(48)
    memory: list[float] = []
    stopped = threading.Event()
    options = ("--port", "0", "--steps", str(args.steps), "--warm-up", "1")
    with (
        tempfile.TemporaryDirectory() as folder,
        ServerProcess(*options, log=Path(folder) / "log.txt") as server,
    ):

        def watch() -> None:
            while not stopped.wait(1):
                memory.append(server.resident_mb)

        thread = threading.Thread(target=watch)
        alone, alone_seconds = drive(server.url, bodies, 1, args.seconds / 4)
        before = batches(server.url)
        thread.start()
        many, many_seconds = drive(server.url, bodies, args.clients, args.seconds)
        stopped.set()
        thread.join()
        after = batches(server.url)
        server.process.terminate()
        exit_code = server.process.wait(60)
    own, others = largest_difference([*alone, *many], bodies, args.steps)
    quarter = max(1, len(memory) // 4)
    result = {
        "clients": args.clients,
        "seconds": many_seconds,
        "one_client": figures(alone, alone_seconds),
        "many_clients": figures(many, many_seconds),
        "largest_difference_from_the_clip_alone": own,
        "least_difference_from_the_clip_of_another_request": others,
        "mean_batch": (after[0] - before[0]) / (after[1] - before[1]),
        "memory_mb_after_quarters": [
            memory[min(i * quarter, len(memory) - 1)] for i in range(1, 5)
        ],
        "exit_code_after_sigterm": exit_code,
        "seconds_of_clips": SECONDS,
        "steps": args.steps,
        "cores": len(os.sched_getaffinity(0)),
        **environment(),
    }
    ratio = result["many_clients"]["clips_per_second"] / result["one_client"]["clips_per_second"]
    result["throughput_against_one_client"] = ratio
    with written_atomically(args.output) as temporary:
        temporary.write_text(json.dumps(result, indent=2) + "\n")
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
