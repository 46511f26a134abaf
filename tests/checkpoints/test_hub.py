"""Downloads from a hub on this machine: what is asked for, pinned, cached, and refused."""

import hashlib
import http.server
import json
import os
import subprocess
import sys
import threading
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

MAIN, TAGGED, CONVERTED = "a" * 40, "b" * 40, "c" * 40
PLAIN = {"config.json": b"{}", "model.safetensors": b"weights", "pytorch_model.bin": b"pickle"}
PICKLED = {"config.json": b"{}", "spiece.model": b"pieces", "pytorch_model.bin": b"pickle"}
REPOSITORIES = {
    "org/model": {
        "main": (MAIN, PLAIN),
        "v1": (TAGGED, PLAIN | {"model.safetensors": b"first"}),
    },
    "org/private": {"main": (MAIN, PLAIN)},
    "google/mt5": {
        "main": (MAIN, PICKLED),
        "refs/pr/2": (CONVERTED, PICKLED | {"model.safetensors": b"weights"}),
    },
    "org/pickled": {"main": (MAIN, PICKLED)},
    "org/readme": {"main": (MAIN, {"model.safetensors": b"weights"})},
}
PULL_REQUEST = {
    "title": "Adding `safetensors` variant of this model",
    "num": 2,
    "author": {"name": "SFconvertbot"},
    "createdAt": "2023-01-01T00:00:00.000Z",
    "status": "open",
    "repo": {"name": "google/mt5", "type": "model"},
    "isPullRequest": True,
}


class Hub(http.server.BaseHTTPRequestHandler):
    """As much of the hub's interface as a download needs."""

    def do_HEAD(self):
        self.do_GET()

    def do_GET(self):
        url = urlsplit(self.path)
        parts = url.path.replace("%2F", "/").strip("/").split("/")
        parts = parts[2:] if parts[0] == "api" else parts
        name, action, rest = "/".join(parts[:2]), parts[2:3], parts[3:]
        token = self.headers.get("Authorization")
        if name == "org/gated":
            return self.refuse(403, "GatedRepo")
        if name not in REPOSITORIES or (name == "org/private" and token != "Bearer hf_good"):
            return self.refuse(401, "RepoNotFound")
        branches = REPOSITORIES[name]
        # By commit, and by branch: the library asks for either, depending on its version.
        files_of = dict(branches.values())
        files_of |= {branch: files for branch, (_, files) in branches.items()}
        if action == ["discussions"]:
            asked = parse_qs(url.query)["author"] == ["SFconvertbot"] and name == "google/mt5"
            found = [PULL_REQUEST] if asked else []
            self.answer({"count": len(found), "start": 0, "discussions": found})
        elif action == ["revision"] and "/".join(rest) in branches:
            self.answer({"id": name, "sha": branches["/".join(rest)][0], "siblings": []})
        elif action == ["tree"]:
            files = files_of["/".join(rest)].items()
            self.answer(
                [{"type": "file", "path": p, "size": len(d), "oid": digest(d)} for p, d in files]
            )
        elif action == ["resolve"]:
            *revision, file = rest
            commit = branches.get("/".join(revision), revision)[0]
            self.server.served.append(f"{name}/{file}")
            data = files_of[commit][file]
            self.answer(data, {"ETag": f'"{digest(data)}"', "X-Repo-Commit": commit})
        else:
            self.refuse(404, "RevisionNotFound")

    def answer(self, value, headers=()):
        data = value if isinstance(value, bytes) else json.dumps(value).encode()
        self.send_response(200)
        for field, text in dict(headers, **{"Content-Length": str(len(data))}).items():
            self.send_header(field, text)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(data)

    def refuse(self, status, code):
        self.send_response(status)
        self.send_header("X-Error-Code", code)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


def digest(data: bytes) -> str:
    return hashlib.sha1(data).hexdigest()


@pytest.fixture
def hub():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    server.served = []
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


FIND = """
import sys
from audiogen_jax.checkpoints.locate import find_checkpoint
for source in sys.argv[1:]:
    try:
        print(find_checkpoint(*source.split("@")))
    except ValueError as error:
        print("ERROR", error)
"""


def find(home: Path, hub, *sources: str, **variables: str) -> list[str]:
    """What `find_checkpoint` says in a process of its own; the hub reads its environment once."""
    environment = os.environ | {"HF_HOME": str(home), "HF_HUB_OFFLINE": "0"} | variables
    environment["HF_ENDPOINT"] = f"http://127.0.0.1:{hub.server_port}"
    command = [sys.executable, "-c", FIND, *sources]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    lines = done.stdout.splitlines()
    assert len(lines) == len(sources), lines
    return lines


def test_downloads(tmp_path, hub):
    """Only what a checkpoint is made of, at the revision asked for; then without a connection."""
    sources = ("org/model", "org/model@v1", "org/private", "google/mt5")
    lines = find(tmp_path, hub, *sources, HF_TOKEN="hf_good")
    assert [Path(line).name for line in lines] == [MAIN, TAGGED, MAIN, CONVERTED]
    for line, weights in zip(lines, (b"weights", b"first", b"weights", b"weights"), strict=True):
        assert (Path(line) / "model.safetensors").read_bytes() == weights
        assert (Path(line) / "config.json").is_file()
    assert (Path(lines[3]) / "spiece.model").is_file()
    assert not [name for name in hub.served if name.endswith(".bin")]

    hub.served.clear()
    assert find(tmp_path, hub, *sources, HF_HUB_OFFLINE="1") == lines
    assert not hub.served


def test_refusals(tmp_path, hub):
    reasons = {
        "org/absent": "no folder and no hub repository 'org/absent'; if it is private, set HF_T",
        "org/private": "no folder and no hub repository 'org/private'; if it is private, set HF_",
        "org/gated": "org/gated asks for consent: accept its terms on the hub and set HF_TOKEN",
        "org/model@v9": "org/model has no revision 'v9'",
        "org/pickled": "hub repository org/pickled holds no safetensors: save the model with",
        "org/readme": "hub repository org/readme holds no config.json",
    }
    lines = find(tmp_path, hub, *reasons, HF_TOKEN="hf_bad")
    for line, reason in zip(lines, reasons.values(), strict=True):
        assert line.startswith(f"ERROR {reason}")


def test_no_connection_and_nothing_cached(tmp_path, hub):
    hub.shutdown()
    hub.server_close()
    (line,) = find(tmp_path, hub, "org/model")
    assert line.startswith("ERROR org/model is not in the cache")
    assert "cannot be reached: check the connection" in line
