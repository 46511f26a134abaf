"""The page of a report: whole in one file, every text escaped, every clip and picture as it was."""

import base64
import io
from html.parser import HTMLParser

import numpy as np
import pytest
import soundfile
from PIL import Image

from audiogen_jax.evaluate.examples import Example
from audiogen_jax.evaluate.html import write_html
from audiogen_jax.evaluate.suite import Measurement, Table
from audiogen_jax.files.mel_picture import mel_image

RATE = 16000
NASTY = "<script>alert(1)</script> & \"quoted\" 'text' \ud800 </style>"
CLIP = (0.3 * np.sin(np.arange(RATE // 2))).astype(np.float32)
PROTOCOL = {"checkpoint": "<b>nano</b>", "seed": 3, "prompts": [NASTY]}
MEASURED = {
    "generation": Measurement(
        {"prompt": NASTY},
        {},
        [Table(NASTY, ["measure", "a", "b"], [["speech", 0.25, None], [NASTY, 2]])],
        f"note {NASTY}",
        [
            Example(
                NASTY,
                {
                    "generated": CLIP,
                    "loud": 4 * CLIP,
                    "silent": np.zeros(RATE // 4, np.float32),
                    "broken": np.full(100, np.nan, np.float32),
                },
                RATE,
                NASTY,
                NASTY,
            )
        ],
    ),
    "scene": Measurement({}, {}, note="nothing measured"),
}


class Page(HTMLParser):
    """Tags with their attributes, and all text."""

    def __init__(self, text: str):
        super().__init__()
        self.tags: list[tuple[str, dict]] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.text += data

    def of(self, tag: str) -> list[dict]:
        return [attributes for name, attributes in self.tags if name == tag]


@pytest.fixture(scope="module")
def page(tmp_path_factory) -> Page:
    path = tmp_path_factory.mktemp("page") / "report.html"
    write_html(path, PROTOCOL, MEASURED)
    text = path.read_text("utf-8")
    assert text.startswith("<!doctype html>")
    return Page(text)


def contents(attributes: dict, kind: str) -> bytes:
    prefix = f"data:{kind};base64,"
    assert attributes["src"].startswith(prefix)
    return base64.b64decode(attributes["src"].removeprefix(prefix))


def test_texts_stay_texts(page):
    assert not page.of("script") and not page.of("b")
    # Note, caption, cell, title, prompt, verdict, and in JSON, which escapes quotes, protocols.
    assert page.text.count(NASTY.replace("\ud800", "?")) == 6
    assert page.text.count("alert(1)") == 8
    assert page.of("img")[0]["alt"].startswith("Mel spectrogram of <script>")
    assert "0.250" in page.text and "nothing measured" in page.text


def test_it_holds_all_that_it_shows(page):
    addresses = [v for _, a in page.tags for k, v in a.items() if k in ("src", "href", "srcset")]
    assert addresses and all(each.startswith(("data:", "#")) for each in addresses)
    targets = {attributes["id"] for _, attributes in page.tags if "id" in attributes}
    assert {link["href"][1:] for link in page.of("a")} == targets
    assert "url(" not in page.text and "@import" not in page.text
    policy = [each for each in page.of("meta") if "http-equiv" in each]
    assert policy[0]["content"].startswith("default-src 'none'")


def test_clips_and_pictures_are_what_was_measured(page):
    players, pictures = page.of("audio"), page.of("img")
    assert len(players) == len(pictures) == 3
    assert [each["aria-label"].rpartition(", ")[2] for each in players] == [
        "generated", "loud", "silent",
    ]  # fmt: skip
    heard, rate = soundfile.read(io.BytesIO(contents(players[0], "audio/flac")), dtype="float32")
    assert rate == RATE
    np.testing.assert_allclose(heard, CLIP, atol=2**-16)
    loud, _ = soundfile.read(io.BytesIO(contents(players[1], "audio/flac")))
    assert np.abs(loud).max() == pytest.approx(1.0, abs=1e-4)
    assert "loud, 0.50 s, 1.6 dB quieter to fit" in page.text
    picture = Image.open(io.BytesIO(contents(pictures[0], "image/png"))).convert("RGB")
    difference = np.abs(np.asarray(picture, int) - mel_image(CLIP, RATE))
    assert difference.max() <= 8
    assert "broken: no picture of audio" in page.text


def test_readable_by_everybody(page):
    assert page.of("html") == [{"lang": "en"}]
    viewport = [each for each in page.of("meta") if each.get("name") == "viewport"]
    assert viewport[0]["content"] == "width=device-width, initial-scale=1"
    assert all(each["alt"] for each in page.of("img"))
    assert all("controls" in each and each["aria-label"] for each in page.of("audio"))
    scrolling = [each for each in page.of("div") if each.get("class") == "scroll"]
    assert len(scrolling) == len(page.of("table")) == 2
    assert all(each["tabindex"] == "0" and each["aria-label"] for each in scrolling)
    assert {each["scope"] for each in page.of("th")} == {"row", "col"}


def test_another_suffix_is_refused(tmp_path):
    with pytest.raises(ValueError, match="written as .html"):
        write_html(tmp_path / "report.txt", PROTOCOL, MEASURED)
    assert not list(tmp_path.iterdir())
