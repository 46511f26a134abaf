"""A report as one HTML page: tables, clips to listen to with their spectrograms, the protocol.

The page holds all that it shows and asks nobody for anything, which its policy forbids, too. It has
no script. Elements are built as a tree, so that every text of a prompt or a name is escaped.
"""

import base64
import io
import json
from collections.abc import Iterator, Mapping
from importlib import resources
from pathlib import Path
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

from PIL import Image

from audiogen_jax.evaluate.examples import Example, Samples
from audiogen_jax.evaluate.report import check_report_path, plain, shown
from audiogen_jax.evaluate.suite import Measurement, Table
from audiogen_jax.files.atomic import write_bytes
from audiogen_jax.files.audio import encode_audio
from audiogen_jax.files.mel_picture import mel_image

POLICY = "default-src 'none'; img-src data:; media-src data:; style-src 'unsafe-inline'"
FACTS = ("checkpoint", "checkpoint_sha256", "manifest", "manifest_sha256", "seed", "git_commit")
"""Of the protocol, at the head of the page."""


def check_page(path: str | Path | None, examples: int) -> None:
    """Checks, before any work, that a page can be written; None is none.

    Raises:
      ValueError: another suffix, or less than no examples.
      OSError: it cannot be written.
    """
    if examples < 0:
        raise ValueError(f"examples={examples} must be at least 0")
    if path is not None:
        check_report_path(path, ".html")


def write_html(
    path: str | Path, protocol: Mapping[str, object], measured: Mapping[str, Measurement]
) -> None:
    """Writes the page; the file is whole or absent.

    Args:
      path: `.html`; missing folders are made.
      protocol: as in the report of JSON.
      measured: name of a suite -> what it gave.

    Raises:
      ValueError: another suffix.
      OSError: the file cannot be written.
    """
    check_report_path(path, ".html")
    title = f"Evaluation of {protocol.get('checkpoint')}"
    style = resources.files("audiogen_jax.evaluate").joinpath("html.css").read_text("utf-8")
    head = _element(
        "head",
        _element("meta", charset="utf-8"),
        _element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        _element("meta", **{"http-equiv": "Content-Security-Policy", "content": POLICY}),
        _element("title", title),
        _element("style", style),
    )
    names = [*measured, "protocol"]
    links = [_element("li", _element("a", name, href=f"#{_anchor(name)}")) for name in names]
    body = _element(
        "body",
        _element("header", _element("h1", title), _facts(protocol)),
        _element("nav", _element("ul", *links), aria_label="Contents"),
        _element("main", *(_suite(*item) for item in measured.items()), _protocol(protocol)),
    )
    page = ElementTree.tostring(_element("html", head, body, lang="en"), "unicode", "html")
    # A text of JSON may hold half of a surrogate pair, which no file does.
    write_bytes(path, f"<!doctype html>\n{page}\n".encode("utf-8", "replace"))


def _element(tag: str, *children: "str | Element | None", **attributes: str) -> Element:
    """An element with texts and elements in it; None is left out, `_` in names becomes `-`."""
    element = Element(tag, {name.replace("_", "-"): text for name, text in attributes.items()})
    for child in children:
        if isinstance(child, Element):
            element.append(child)
        elif child is not None and len(element):
            element[-1].tail = (element[-1].tail or "") + child
        elif child is not None:
            element.text = (element.text or "") + child
    return element


def _anchor(name: str) -> str:
    return f"part-{name}"


def _facts(protocol: Mapping[str, object]) -> Element:
    rows = [[name, str(protocol[name])] for name in FACTS if protocol.get(name) is not None]
    return _table(Table("What was measured", ["input", "value"], rows))


def _suite(name: str, measurement: Measurement) -> Element:
    section = _element("section", _element("h2", name), id=_anchor(name))
    if measurement.note:
        section.append(_element("p", measurement.note, **{"class": "note"}))
    section.extend(map(_table, measurement.tables))
    if measurement.examples:
        section.append(_element("h3", "Clips to listen to"))
        section.extend(map(_example, measurement.examples))
    section.append(_details(f"Protocol of {name}", measurement.protocol))
    return section


def _protocol(protocol: Mapping[str, object]) -> Element:
    heading = _element("h2", "protocol")
    details = _details("Everything that decides the numbers", protocol)
    return _element("section", heading, details, id=_anchor("protocol"))


def _details(summary: str, values: Mapping[str, object]) -> Element:
    text = json.dumps(plain(values), indent=1, ensure_ascii=False)
    contents = _element("pre", text, tabindex="0", role="region", aria_label=summary)
    return _element("details", _element("summary", summary), contents)


def _table(table: Table) -> Element:
    """In a box of its own that scrolls, with the keyboard too."""
    rows = [[*row, *[None] * (len(table.columns) - len(row))] for row in table.rows]
    numbers = [
        any(isinstance(row[column], float | int) for row in rows)
        for column in range(len(table.columns))
    ]
    kinds = [{"class": "number"} if number else {} for number in numbers]
    columns = zip(table.columns, kinds, strict=True)
    head = _element("tr", *(_element("th", str(n), scope="col", **kind) for n, kind in columns))
    body = [_element("tr", *_cells([shown(value) for value in row], kinds)) for row in rows]
    return _element(
        "div",
        _element(
            "table",
            _element("caption", table.title),
            _element("thead", head),
            _element("tbody", *body),
        ),
        **{"class": "scroll", "tabindex": "0", "role": "region", "aria-label": table.title},
    )


def _cells(texts: list[str], kinds: list[dict[str, str]]) -> Iterator[Element]:
    for column, (text, kind) in enumerate(zip(texts, kinds, strict=True)):
        yield _element("td", text, **kind) if column else _element("th", text, scope="row", **kind)


def _example(example: Example) -> Element:
    figures = [_figure(example, name, samples) for name, samples in example.clips.items()]
    return _element(
        "article",
        _element("h4", example.title),
        _element("p", example.prompt, dir="auto") if example.prompt else None,
        _element("p", example.verdict, **{"class": "verdict"}) if example.verdict else None,
        _element("div", *figures, **{"class": "clips"}),
        **{"class": "example"},
    )


def _figure(example: Example, name: str, samples: Samples) -> Element:
    try:
        image = Image.fromarray(mel_image(samples, example.sample_rate))
    except ValueError as error:  # a clip that cannot be heard costs no report
        return _element("figure", _element("figcaption", f"{name}: {error}"))
    seconds = f"{len(samples) / example.sample_rate:.2f} s"
    picture = io.BytesIO()
    image.quantize(256).save(picture, "png", optimize=True)  # the colour map has no more
    encoded = encode_audio(samples, example.sample_rate, ".flac")
    quieter = f", {-encoded.gain_db:.1f} dB quieter to fit" if encoded.gain_db else ""
    return _element(
        "figure",
        _element("figcaption", f"{name}, {seconds}{quieter}"),
        _element(
            "img",
            src=_data_url("image/png", picture.getvalue()),
            alt=f"Mel spectrogram of {example.title}, {name}, {seconds}",
        ),
        _element(
            "audio",
            controls="",
            preload="metadata",
            src=_data_url("audio/flac", encoded.contents),
            aria_label=f"{example.title}, {name}",
        ),
    )


def _data_url(kind: str, contents: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(contents).decode()}"
