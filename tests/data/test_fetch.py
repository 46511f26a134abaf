import dataclasses
import functools
import hashlib
import http.server
import json
import shutil
import threading

import pytest

from data.fetch import fetch, main
from data.sources import sources_named

CLIP = "soundfx/alarm1.flac"


@pytest.fixture
def mirror(clips, tmp_path):
    return shutil.copytree(clips, tmp_path / "mirror")


def names(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_copies_every_clip_and_keeps_whole_ones(mirror, sources, tmp_path):
    out = tmp_path / "out"
    count = fetch(str(mirror), out, sources)
    assert names(out) == [name for name in names(mirror) if name != "ATTRIBUTION.md"]
    assert count == len(names(out)) - len(sources)
    before = {path: path.stat().st_mtime_ns for path in out.rglob("*.flac")}
    (out / "sfx_cc" / CLIP).write_bytes(b"cut short")
    fetch(str(mirror), out, sources)
    changed = [path for path, time in before.items() if path.stat().st_mtime_ns != time]
    assert changed == [out / "sfx_cc" / CLIP]
    assert changed[0].read_bytes() == (mirror / "sfx_cc" / CLIP).read_bytes()


def test_damaged_clip_is_named_and_nothing_is_half_written(mirror, sources, tmp_path):
    (mirror / "sfx_cc" / CLIP).write_bytes(b"not the clip")
    out = tmp_path / "out"
    with pytest.raises(ValueError, match=rf"clip sfx_cc/{CLIP} .* has sha256 .*, expected "):
        fetch(str(mirror), out, sources)
    assert not (out / "sfx_cc" / CLIP).exists()
    assert not (out / "sfx_cc" / "manifest.jsonl").exists()
    assert not list(out.rglob("*.partial"))


def test_missing_clip_is_named(mirror, sources, tmp_path):
    (mirror / "sfx_cc" / CLIP).unlink()
    with pytest.raises(FileNotFoundError, match=f"no sfx_cc/{CLIP}"):
        fetch(str(mirror), tmp_path / "out", sources)


def test_drifted_manifest(mirror, sources, tmp_path):
    with (mirror / "esc10" / "manifest.jsonl").open("a") as file:
        file.write("\n")
    with pytest.raises(ValueError, match="esc10/manifest.jsonl .* has sha256"):
        fetch(str(mirror), tmp_path / "out", sources)


def test_a_path_may_not_leave_its_folder(mirror, sources, tmp_path):
    row = {"path": "../../escaped.flac", "sha256": "0" * 64}
    content = json.dumps(row).encode() + b"\n"
    (mirror / "esc10" / "manifest.jsonl").write_bytes(content)
    source = next(source for source in sources if source.name == "esc10")
    source = dataclasses.replace(source, manifest_sha256=hashlib.sha256(content).hexdigest())
    with pytest.raises(ValueError, match="leaves its folder"):
        fetch(str(mirror), tmp_path / "out", (source,))


def test_over_http(mirror, sources, tmp_path):
    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *args):
            pass

    handler = functools.partial(Quiet, directory=str(mirror))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_address[1]}"
        words = tuple(source for source in sources if source.name == "words")
        fetch(url, tmp_path / "out", words)
        (mirror / "words" / "manifest.jsonl").unlink()
        with pytest.raises(FileNotFoundError, match="answers 404"):
            fetch(url, tmp_path / "out", words)
        server.shutdown()
    assert names(tmp_path / "out" / "words") == sorted([*names(mirror / "words"), "manifest.jsonl"])


def test_command_line_ends_with_code_2_and_one_line(tmp_path, capsys):
    with pytest.raises(SystemExit) as stop:
        main(["--mirror", str(tmp_path / "nowhere"), "--out", str(tmp_path / "out")])
    assert stop.value.code == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_unknown_source():
    with pytest.raises(ValueError, match="'esc50'.*expected some of.*'esc10'"):
        sources_named("esc10, esc50")
    assert [source.name for source in sources_named("words,esc10")] == ["words", "esc10"]
