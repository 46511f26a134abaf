"""The page of a report in a browser: clips play, pictures show, and a phone is wide enough."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from audiogen_jax.evaluate.examples import Example
from audiogen_jax.evaluate.html import write_html
from audiogen_jax.evaluate.suite import Measurement, Table
from tests.browser import installed_browser

RATE = 16000
PHONE = {"width": 375, "height": 812}


def write_page(path: Path) -> None:
    rng = np.random.default_rng(0)
    clips = {
        name: (0.1 * rng.normal(size=RATE)).astype(np.float32) for name in ("generated", "real")
    }
    wide = Table("A wide table", [f"column {n}" for n in range(20)], [["x", *range(19)]])
    unbroken = "prompt" * 40
    examples = [Example(f"clip/{unbroken}", clips, RATE, unbroken, "heard")]
    protocol = {"checkpoint": "nano", "checkpoint_sha256": "5" * 64, "seed": 0}
    write_html(
        path, protocol, {"generation": Measurement({"a": unbroken}, {}, [wide], "", examples)}
    )


@pytest.fixture(scope="module")
def opened(tmp_path_factory) -> Iterator:
    """The page on a phone's screen, what its console says, and whom it asks."""
    path = tmp_path_factory.mktemp("browser") / "report.html"
    write_page(path)
    said: list[str] = []
    asked: list[str] = []
    with installed_browser() as browser:
        page = browser.new_page(viewport=PHONE, color_scheme="dark")
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("request", lambda request: asked.append(request.url))
        page.goto(path.as_uri())
        yield page, said, asked


def test_clips_play_from_the_keyboard(opened):
    page, said, _ = opened
    players = page.locator("audio")
    reached: list[str] = []
    while reached.count("AUDIO") < 1:
        assert len(reached) < 20, reached
        page.keyboard.press("Tab")
        reached.append(page.evaluate("document.activeElement.tagName"))
    assert {"A", "DIV"} <= set(reached)  # links, and tables that scroll
    page.keyboard.press("Space")
    players.nth(1).focus()
    page.keyboard.press("Space")
    every = "[...document.querySelectorAll('audio')]"
    page.wait_for_function(f"() => {every}.every(each => each.currentTime > 0.1)")
    durations = players.evaluate_all("all => all.map(each => each.duration)")
    assert durations == pytest.approx([1.0, 1.0], abs=0.01)
    assert said == []


def test_pictures_show_and_nobody_is_asked(opened):
    page, _, asked = opened
    widths = page.locator("img").evaluate_all("all => all.map(each => each.naturalWidth)")
    assert len(widths) == 2 and min(widths) > 50
    assert all(url.startswith(("file:", "data:")) for url in asked)


def test_a_phone_is_wide_enough(opened):
    page, _, _ = opened
    page.locator("summary").first.click()
    width = "document.documentElement.scrollWidth"
    assert page.evaluate(width) == PHONE["width"]
    table = page.locator(".scroll").last
    assert table.evaluate("each => each.scrollWidth > each.clientWidth")
    page.set_viewport_size({"width": 1280, "height": 800})
    assert page.evaluate(width) <= 1280
    page.set_viewport_size(PHONE)


def test_light_and_dark(opened):
    page, _, _ = opened
    colour = "getComputedStyle(document.body).backgroundColor"
    dark = page.evaluate(colour)
    page.emulate_media(color_scheme="light")
    assert page.evaluate(colour) == "rgb(255, 255, 255)" != dark
