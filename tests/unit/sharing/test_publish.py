"""Publishing, at a hub of our own: what is sent is what was packed, and the token is in no message."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote

import pytest
import toy_results as toy

from brodmann.cli import main
from brodmann.sharing.archive import verify
from brodmann.sharing.parcel import MANIFEST

TOKEN = "hf_secretsecretsecret"


class Hub(BaseHTTPRequestHandler):
    """As much of the hub's protocol as an upload speaks: JSON, git LFS, and commits as lines of JSON."""

    files: dict[str, bytes]
    large: dict[str, bytes]

    def log_message(self, *_: object) -> None:
        """Nothing."""

    def _answer(self, value: object, status: int = 200) -> None:
        text = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        found = b""
        while size := int(self.rfile.readline(), 16):
            found += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return found

    def do_GET(self) -> None:
        if "/tree/" in self.path:
            rows = [
                {"type": "file", "path": name, "size": len(text), "oid": "0" * 40}
                for name, text in self.files.items()
            ]
            return self._answer(rows)
        if self.path.startswith("/api/datasets/org/maps"):
            return self._answer({"id": "org/maps", "private": False, "tags": [], "sha": "1" * 40})
        return self._answer({"error": "not found"}, 404)

    def do_PUT(self) -> None:
        content = self._body()
        self.large[hashlib.sha256(content).hexdigest()] = content
        self._answer({})

    def do_POST(self) -> None:
        body, here = self._body(), f"http://{self.headers['Host']}"
        if self.headers.get("Authorization") != f"Bearer {TOKEN}":
            return self._answer({"error": f"who is {self.headers.get('Authorization')}?"}, 401)
        if self.path == "/api/repos/create":
            return self._answer({"url": f"{here}/datasets/org/maps", "name": "org/maps"})
        if self.path == "/api/validate-yaml":
            assert json.loads(body)["content"].startswith("---\nlicense: cc-by-4.0\n")
            return self._answer({"errors": [], "warnings": []})
        if "/preupload/" in self.path:
            rows = [
                {"path": one["path"], "shouldIgnore": False}
                | {"uploadMode": "lfs" if one["path"].endswith(".safetensors") else "regular"}
                for one in json.loads(body)["files"]
            ]
            return self._answer({"files": rows})
        if self.path.endswith("/info/lfs/objects/batch"):
            objects = [
                {**one, "actions": {"upload": {"href": f"{here}/lfs/{one['oid']}"}}}
                for one in json.loads(body)["objects"]
            ]
            return self._answer({"transfer": "basic", "objects": objects})
        assert "/api/datasets/org/maps/commit/main" in self.path
        for line in map(json.loads, body.splitlines()):
            value = line["value"]
            if line["key"] == "file":
                self.files[value["path"]] = base64.b64decode(value["content"])
            elif line["key"] == "lfsFile":
                self.files[value["path"]] = self.large[value["oid"]]
            elif line["key"] == "deletedFile":
                del self.files[value["path"]]
        return self._answer(
            {
                "commitUrl": f"{here}/datasets/org/maps/commit/1",
                "commitOid": "1" * 40,
                "success": True,
            }
        )


@contextmanager
def hub(**files: bytes) -> Iterator[tuple[str, type[Hub]]]:
    own = type("Own", (Hub,), {"files": dict(files), "large": {}})
    with ThreadingHTTPServer(("127.0.0.1", 0), own) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", own
        server.shutdown()


def publish(results: Path, place: str, token: str = TOKEN, *more: str):
    """In a process of its own: the hub's package reads its settings when it is imported."""
    settings = {"HF_ENDPOINT": place, "HF_HUB_DISABLE_XET": "1", "HF_HUB_OFFLINE": "0"}
    settings |= {"HF_HOME": str(results.parent / "home"), "HF_HUB_DISABLE_TELEMETRY": "1"}
    env = {**os.environ, **settings, "HF_TOKEN": token}
    command = [sys.executable, "-m", "brodmann.cli", "publish", "hf:org/maps", str(results), *more]
    done = subprocess.run(command, env=env, capture_output=True, text=True)
    assert token not in done.stdout + done.stderr
    return done


@pytest.fixture
def results(tmp_path):
    return toy.study(tmp_path / "results")


def test_the_hub_has_the_archive(results, tmp_path):
    earlier = {".gitattributes": b"*", MANIFEST: b"", "results/old.csv": b"of an earlier version"}
    with hub(**earlier) as (place, server):
        done = publish(results, place)
        assert done.returncode == 0, done.stderr
        assert "/datasets/org/maps/commit/1" in done.stdout
        # Whoever fetches it can see that it is whole: nothing of an earlier version is left, either.
        for name, content in server.files.items():
            path = tmp_path / "fetched" / unquote(name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
    found = verify(tmp_path / "fetched")
    assert found.fingerprint in done.stdout and found.models == (toy.MODEL, toy.CONTROL)
    assert server.large and ".gitattributes" in server.files


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ([], "holds something else than a study (data/train.csv), which would be deleted"),
        (["--private"], "is there already, and everybody can read it"),
    ],
)
def test_what_others_have_or_would_read_is_left_alone(results, more, says):
    there = {".gitattributes": b"*", "README.md": b"mine", "data/train.csv": b"mine, too"}
    with hub(**there) as (place, server):
        done = publish(results, place, TOKEN, *more)
    assert done.returncode == 1 and server.files == there
    [line] = [one for one in done.stderr.splitlines() if one.startswith("ERROR")]
    assert says in line


def test_what_the_hub_refuses_is_one_line_without_the_token(results):
    with hub() as (place, server):
        done = publish(results, place, "hf_wrongwrongwrong")
        assert done.returncode == 1 and not server.files
        [line] = [one for one in done.stderr.splitlines() if one.startswith("ERROR")]
        assert "hf:org/maps: the hub refused: " in line and "401" in line
        assert "Traceback" not in done.stderr


def test_an_upload_that_is_cut_is_one_line_and_leaves_the_hub_as_it_was(results):
    with hub() as (place, server):
        server.do_PUT = lambda self: (self._body(), self._answer({"error": "full"}, 403))
        done = publish(results, place)
        assert done.returncode == 1 and not server.files
    [line] = [one for one in done.stderr.splitlines() if one.startswith("ERROR")]
    assert "the hub refused: Error while uploading" in line and "403" in line
    assert "Traceback" not in done.stderr


def test_it_takes_a_place_and_a_token(results, monkeypatch, capsys):
    monkeypatch.setattr("huggingface_hub.get_token", lambda: None)
    for target, says in (
        ("hf:org/maps", "nobody is logged in to the hub (run 'hf auth login', or set HF_TOKEN)"),
        ("org/maps", "is no place to publish at (write hf:ORG/NAME)"),
        ("hf:org/my--maps", "is no place to publish at (write hf:ORG/NAME)"),
        ("hf:org/maps-", "is no place to publish at (write hf:ORG/NAME)"),
    ):
        assert main(["publish", target, str(results)]) == 1
        assert says in capsys.readouterr().err
