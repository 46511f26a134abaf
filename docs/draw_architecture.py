"""Draws the pictures of architecture.md into docs/assets: `python docs/draw_architecture.py`."""

from collections.abc import Sequence
from pathlib import Path
from xml.sax.saxutils import escape

ASSETS = Path(__file__).parent / "assets"
WIDTH = 960
COLOURS = {
    "edge": "#e8eaf6",  # what people touch
    "work": "#e0f2f1",  # what does the work
    "model": "#fff3e0",  # what is particular to a model
    "base": "#f5f5f5",  # what stands on nothing else
}

ROWS: list[list[tuple[str, str, str]]] = [  # (name, what it holds, colour), from the top
    [("cli", "one file a command", "edge")],
    [("serve", "the HTTP interface", "edge")],
    [
        ("evaluate", "suites, metrics, embedders, judge", "work"),
        ("plan", "what programs cost elsewhere", "work"),
    ],
    [
        ("train", "loop, objectives, checkpoints of a run", "work"),
        ("jobs", "batches and encodings, kill-safe", "work"),
        ("infer", "pipeline, codec, sampler, options", "work"),
    ],
    [
        ("checkpoints", "registry, one reader a family, hub, convert", "model"),
        ("input", "grain: manifests, latents, text", "work"),
    ],
    [("models", "protocols: Generator, AudioCodec  ·  audiogen/  dasheng/  t5/", "model")],
    [
        ("flow", "path, loss, schedules, solvers, guidance", "base"),
        ("sharding", "mesh, placement, processes", "base"),
        ("layers", "Linen blocks", "base"),
    ],
    [
        ("ops", "pure functions of arrays", "base"),
        ("files", "whole-or-absent, audio, jsonl", "base"),
        ("refiner", "sentences to views", "base"),
        ("hardware", "chips", "base"),
        ("caption", "six views", "base"),
        ("types", "Tokens, dtypes", "base"),
    ],
]

PROMPT = [
    ("caption", "StructuredCaption", "caption.py"),
    ("tokens", "parsed and tokenised once", "infer/prompts.py"),
    ("condition", "waits on the device", "Generator.condition"),
    ("frames", "decide the bucket", "infer/pipeline.py"),
    ("latents", "solver x guided velocity", "infer/sampler.py"),
    ("waveform", "whole batch at once", "AudioCodec.decode"),
    ("file", "written under another name", "files/audio.py"),
]
BATCH = [
    ("recordings", "manifest or tar", "input/manifest.py"),
    ("batch", "[b n a] and lengths", "input/"),
    ("latents", "in the step, or before it", "AudioCodec.encode"),
    ("objective", "loss and gradient", "train/objectives/"),
    ("update", "AdamW, EMA, bad steps skipped", "train/guarded_update.py"),
    ("checkpoint", "orbax, with its place in the data", "train/checkpoint.py"),
    ("export", "Hugging Face layout", "checkpoints/"),
]


def text(x: float, y: float, words: str, size: int, style: str = "") -> str:
    return f'<text x="{x:g}" y="{y:g}" font-size="{size}" {style}>{escape(words)}</text>'


def box(x: float, y: float, width: float, height: float, colour: str, lines: Sequence[str]) -> str:
    """A box with its name in bold and smaller lines below."""
    shape = (
        f'<rect x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" rx="6" '
        f'fill="{COLOURS[colour]}" stroke="#607d8b"/>'
    )
    top = y + height / 2 - 8 * (len(lines) - 1) + 4
    words = [text(x + width / 2, top, lines[0], 14, 'font-weight="bold"')]
    words += [text(x + width / 2, top + 17 * i, line, 10) for i, line in enumerate(lines) if i]
    return "\n".join([shape, *words])


def picture(name: str, height: float, title: str, shapes: Sequence[str]) -> None:
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:g}" role="img" '
        'font-family="sans-serif" text-anchor="middle" fill="#263238">'
        f"<title>{escape(title)}</title>"
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="8" '
        'markerHeight="8" orient="auto"><path d="M0 0L8 4L0 8z" fill="#607d8b"/></marker></defs>'
        f'<rect width="{WIDTH}" height="{height:g}" fill="white"/>'
    )
    (ASSETS / f"{name}.svg").write_text("\n".join([head, *shapes, "</svg>"]) + "\n")


def rooms() -> None:
    shapes, y = [], 16.0
    for row in ROWS:
        width = (WIDTH - 32 - 12 * (len(row) - 1)) / len(row)
        shapes += [
            box(16 + i * (width + 12), y, width, 54, colour, (f"{name}", holds))
            for i, (name, holds, colour) in enumerate(row)
        ]
        y += 66
    shapes.append(text(WIDTH / 2, y + 12, "imports point downward only", 12, 'font-style="italic"'))
    picture("rooms", y + 26, "Folders of the package, each above those it may import", shapes)


def ways() -> None:
    shapes: list[str] = []
    width, gap = 116.0, 19.0
    for top, title, stations in ((0, "a prompt", PROMPT), (140, "a batch", BATCH)):
        shapes.append(text(16, top + 26, f"The way of {title}", 14, 'text-anchor="start"'))
        for i, (name, what, where) in enumerate(stations):
            x = 16 + i * (width + gap)
            colour = "model" if "Generator." in where or "AudioCodec." in where else "work"
            short = what if len(what) <= 20 else what[: what.rindex(" ", 0, 20)]
            rest = what[len(short) :].strip()
            lines = [name, short, *([rest] if rest else []), where]
            shapes.append(box(x, top + 40, width, 80, colour, lines))
            if i:
                at = f'x1="{x - gap + 2:g}" x2="{x - 2:g}" y1="{top + 80}" y2="{top + 80}"'
                shapes.append(f'<line {at} stroke="#607d8b" marker-end="url(#tip)"/>')
    picture("ways", 280, "The way of a prompt to a file, and of recordings to a model", shapes)


if __name__ == "__main__":
    rooms()
    ways()
