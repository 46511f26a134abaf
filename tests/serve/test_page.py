"""The page in a browser: filled in, made, heard, seen, taken away; by keyboard and on a phone."""

import io
import json
import threading
import time
import zipfile
from collections.abc import Iterator

import numpy as np
import pytest
import soundfile
import uvicorn
from fastapi.testclient import TestClient

import audiogen_jax as ag
from audiogen_jax.infer.options import SamplingOptions
from audiogen_jax.serve.app import create_app
from audiogen_jax.serve.page import Page
from audiogen_jax.serve.settings import ServeSettings
from tests.browser import installed_browser
from tests.tiny_separator import with_separator

PHONE, DESK = {"width": 375, "height": 812}, {"width": 1280, "height": 900}
SENTENCE = 'A man says "seven" while a dog barks in the rain'
EVERY_AUDIO = "[...document.querySelectorAll('.clip audio')]"


@pytest.fixture(scope="module")
def served(pipeline) -> Iterator[str]:
    """The address of a server with the page."""
    yield from serve(pipeline, SamplingOptions(steps=1))


def serve(pipeline: ag.Pipeline, options: SamplingOptions) -> Iterator[str]:
    app = create_app(pipeline, "nano", ServeSettings(max_seconds=30), options, page=Page())
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="error"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        assert thread.is_alive()
        time.sleep(0.01)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    thread.join(30)


@pytest.fixture(scope="module")
def browser() -> Iterator:
    with installed_browser() as browser:
        yield browser


def open_page(browser, address: str, **options):
    """The page, and what its console says."""
    page, said = browser.new_page(**options), []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.goto(address)
    page.wait_for_function("() => document.getElementById('model').textContent.includes('kHz')")
    return page, said


def make(page, takes: int = 1, seconds: str = "1") -> None:
    page.fill("[name=duration]", seconds)
    page.fill("[name=takes]", str(takes))
    page.click("#submit")
    page.wait_for_function(f"() => document.querySelectorAll('#takes .clip').length === {takes}")


def test_a_sentence_is_filled_in_made_and_heard(browser, served):
    page, said = open_page(browser, served, viewport=DESK)
    page.fill("#sentence", SENTENCE)
    page.click("#refine")
    page.wait_for_function("() => document.querySelector('[name=asr]').value === 'seven'")
    assert page.input_value("[name=sfx]") == "a dog barks"
    page.click("#make summary >> text=delivered")
    page.fill("#make [name=sample_rate]", "48000")
    page.fill("#make [name=loudness]", "-20")
    make(page, takes=2)
    players = page.locator(".clip audio")
    page.wait_for_function(f"() => {EVERY_AUDIO}.every(each => each.duration > 0)")
    durations = players.evaluate_all("all => all.map(each => each.duration)")
    assert durations == pytest.approx([1.0, 1.0], abs=0.05)
    players.first.evaluate("each => each.play()")
    page.wait_for_function(f"() => {EVERY_AUDIO}[0].currentTime > 0.05")
    colours = page.evaluate(
        """[...document.querySelectorAll('.clip canvas')].map(each => new Set(
        each.getContext('2d').getImageData(0, 0, each.width, each.height).data).size)"""
    )
    assert min(colours) > 50  # pictures of something
    with page.expect_download() as download:
        page.get_by_role("link", name="project (zip)").last.click()
    with zipfile.ZipFile(download.value.path()) as project:
        assert project.testzip() is None
        body = json.loads(project.read("scene-1.json"))
        samples, rate = soundfile.read(io.BytesIO(project.read("scene-1.wav")))
    assert (body["seed"], body["asr"], body["duration"]) == (1, "seven", 1)
    assert (body["loudness"], "fade" in body) == (-20, False)
    assert "to -20.0 LUFS" in page.locator(".clip .notes").last.text_content()
    assert len(samples) == rate == 48000 and page.locator(".message").first.text_content() == ""
    assert said == []
    page.close()


def test_errors_are_shown(browser, served):
    page, _ = open_page(browser, served)
    page.fill("#sentence", SENTENCE)
    page.fill("[name=duration]", "31")
    page.click("#submit")
    page.wait_for_function(
        "() => document.querySelector('.message').textContent.includes('at most 30')"
    )
    page.close()


def test_keyboard_and_phone(browser, served):
    page, said = open_page(browser, served, viewport=PHONE, has_touch=True, color_scheme="dark")
    page.focus("#tab-make")
    page.keyboard.press("ArrowRight")
    assert page.is_visible("#edit") and not page.is_visible("#make")
    page.keyboard.press("ArrowLeft")
    reached = set()
    for _ in range(30):
        page.keyboard.press("Tab")
        reached.add(page.evaluate("document.activeElement.id || document.activeElement.name"))
    assert {"sentence", "refine", "caption", "asr", "seed", "submit"} <= reached
    page.fill("#sentence", "rain" * 60)
    page.click("summary >> nth=0")
    make(page)
    for tab in ("#tab-make", "#tab-edit"):
        page.click(tab)
        assert page.evaluate("document.documentElement.scrollWidth") == PHONE["width"]
    unnamed = page.evaluate(
        """[...document.querySelectorAll('input, select, textarea, button')].filter(each =>
        !each.labels?.length && !each.ariaLabel && !each.textContent.trim()).length"""
    )
    assert unnamed == 0
    assert said == []
    page.close()


def test_a_recording_is_dropped_edited_and_heard_before_and_after(
    browser, tiny_checkpoint, tmp_path
):
    editor = ag.load(with_separator(tiny_checkpoint, tmp_path / "editor"))
    address = serve(editor, SamplingOptions(steps=1))
    page, said = open_page(browser, next(address), viewport=DESK)
    noise = np.random.default_rng(0).normal(0, 0.1, 24000).astype(np.float32)
    soundfile.write(tmp_path / "street.wav", noise, 24000, "FLOAT")
    page.click("#tab-edit")
    page.set_input_files("#edit [name=file]", tmp_path / "street.wav")
    page.fill("#edit [name=what]", "a dog barking")
    page.fill("#edit [name=between]", "0.25:0.75")
    page.click("#edit [type=submit]")
    page.wait_for_function("() => document.querySelectorAll('#edited .clip').length === 2")
    page.wait_for_function(
        "() => [...document.querySelectorAll('#edited audio')].every(each => each.duration === 1)"
    )
    with page.expect_download() as download:
        page.locator("#edited").get_by_role("link", name="wav").last.click()
    samples, rate = soundfile.read(download.value.path(), dtype="float32")
    changed = np.flatnonzero(samples != noise) / rate
    assert rate == 24000 and 0.25 <= changed.min() < changed.max() <= 0.75
    assert said == []
    page.close()
    next(address, None)


@pytest.mark.slow
def test_the_embedded_model(browser, tmp_path):
    """With times, and pictures of the page at two widths."""
    address = serve(ag.load("nano"), SamplingOptions(steps=4))
    page, said = open_page(browser, next(address), viewport=DESK)
    page.fill("#sentence", SENTENCE)
    page.click("#refine")
    page.wait_for_function("() => document.querySelector('[name=asr]').value === 'seven'")
    page.click("#add-event")
    page.select_option("#events select", "asr")
    page.fill("#events [name=start]", "0.5")
    page.fill("#events [name=end]", "1.2")
    make(page, takes=2, seconds="2")
    left = page.evaluate("document.querySelector('.clip i').style.left")
    assert left == "25%" and page.locator("#bars i").count() == 1
    for name, size in (("desk", DESK), ("phone", PHONE)):
        page.set_viewport_size(size)
        page.screenshot(path=tmp_path / f"page-{name}.png", full_page=True)
        assert (tmp_path / f"page-{name}.png").stat().st_size > 10_000
    assert said == []
    page.close()
    next(address, None)


def test_files_of_the_page(pipeline):
    app = create_app(pipeline, "nano", page=Page())
    client = TestClient(app)
    index = client.get("/")
    assert (
        index.status_code == 200
        and "default-src 'self'" in index.headers["content-security-policy"]
    )
    for name in ("page.css", "page.js", "zip.js"):
        assert client.get(f"/{name}").status_code == 200
    for path in ("/__init__.py", "/../app.py", "/%2e%2e/app.py", "/absent"):
        assert client.get(path).status_code == 404
    assert client.post("/v1/prompts/refine", json={"text": SENTENCE}).json()["asr"] == "seven"
    assert client.post("/v1/prompts/refine", json={"text": " "}).status_code == 400
