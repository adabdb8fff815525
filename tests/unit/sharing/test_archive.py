"""An archive holds the study and says what it is; whatever is done to it is found."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import zipfile

import pytest
import toy_results as toy
import yaml

import brodmann
from brodmann.cli import main
from brodmann.errors import UserError
from brodmann.sharing.archive import verify, write_archive
from brodmann.sharing.describe import About
from brodmann.sharing.parcel import MANIFEST, parcel

ABOUT = About("Maps <of> toys", ("Muster, Erika", "Doe, Jo"))


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    found = toy.study(tmp_path_factory.mktemp("study") / "results")
    (found / toy.MODEL / ".store").mkdir()
    (found / toy.MODEL / ".store/1.shard").write_bytes(b"x")
    (found / toy.MODEL / ".source.json").write_text("{}\n")
    (found / "statistics").mkdir()
    (found / "statistics/modularity.csv").write_text("model,p\none,0.5\n")
    (found / "statistics/consistency.csv").write_text("model,tau\n")
    return found


@pytest.fixture(scope="module")
def packed(results, tmp_path_factory):
    path = tmp_path_factory.mktemp("packed") / "study.zip"
    write_archive(path, parcel(results, ABOUT))
    return path


@pytest.fixture
def unpacked(packed, tmp_path):
    shutil.unpack_archive(packed, tmp_path / "unpacked")
    return tmp_path / "unpacked"


def test_it_holds_the_results_without_the_store(results, packed, unpacked):
    with zipfile.ZipFile(packed) as archive:
        names = set(archive.namelist())
    own = {f"results/{path.relative_to(results)}" for path in results.rglob("*") if path.is_file()}
    beside = {"README.md", "ro-crate-metadata.json", ".zenodo.json", MANIFEST}
    assert names == own - {f"results/{toy.MODEL}/.store/1.shard"} | beside
    for name in names - beside:
        assert (unpacked / name).read_bytes() == (results.parent / name).read_bytes()
    # What was packed is a study again.
    assert brodmann.open_study(unpacked / "results").models == [toy.MODEL, toy.CONTROL]


def test_sums_are_those_that_any_tool_finds(packed, unpacked):
    for line in (unpacked / MANIFEST).read_text().splitlines():
        sha, name = line.split("  ")
        assert hashlib.sha256((unpacked / name).read_bytes()).hexdigest() == sha
    if tool := shutil.which("sha256sum"):
        subprocess.run([tool, "--check", "--quiet", "--strict", MANIFEST], cwd=unpacked, check=True)
    found, again = verify(packed), verify(unpacked)
    assert found == again and found.models == (toy.MODEL, toy.CONTROL)
    assert found.fingerprint == hashlib.sha256((unpacked / MANIFEST).read_bytes()).hexdigest()


def test_the_same_study_is_the_same_archive(results, packed, tmp_path):
    write_archive(tmp_path / "again.zip", parcel(results, ABOUT))
    assert (tmp_path / "again.zip").read_bytes() == packed.read_bytes()


def test_its_record_is_an_ro_crate(unpacked):
    """What RO-Crate 1.1 asks for: one descriptor, one root, every reference to an entity of its own."""
    crate = json.loads((unpacked / "ro-crate-metadata.json").read_text())
    graph = {one["@id"]: one for one in crate["@graph"]}
    assert len(graph) == len(crate["@graph"])
    descriptor, root = graph["ro-crate-metadata.json"], graph["./"]
    assert descriptor["conformsTo"] == {"@id": "https://w3id.org/ro/crate/1.1"}
    assert descriptor["about"] == {"@id": "./"} and root["@type"] == "Dataset"
    assert {"name", "description", "datePublished", "license"} <= root.keys()

    def references(value):
        if isinstance(value, dict):
            yield from [value["@id"]] if value.keys() == {"@id"} else references([*value.values()])
        elif isinstance(value, list):
            for one in value:
                yield from references(one)

    outside = {"https://w3id.org/ro/crate/1.1"}
    assert set(references(crate["@graph"])) - outside <= graph.keys()
    assert [graph[one["@id"]]["name"] for one in root["author"]] == list(ABOUT.authors)
    for part in root["hasPart"]:
        file = graph[part["@id"]]
        content = (unpacked / part["@id"]).read_bytes()
        assert int(file["contentSize"]) == len(content)
        assert file["sha256"] == hashlib.sha256(content).hexdigest()


def test_zenodo_and_the_hub_are_told(unpacked):
    said = json.loads((unpacked / ".zenodo.json").read_text())
    assert said["upload_type"] == "dataset" and said["license"] == "cc-by-4.0"
    assert said["creators"] == [{"name": "Muster, Erika"}, {"name": "Doe, Jo"}]
    _, head, text = (unpacked / "README.md").read_text().split("---\n", 2)
    card = yaml.safe_load(head)
    assert card["license"] == "cc-by-4.0" and card["pretty_name"] == "Maps <of> toys"
    # Of tables of tests those that have rows: the viewer refuses a repository with an empty one.
    assert card["configs"] == [
        {"config_name": "modularity", "data_files": "results/statistics/modularity.csv"}
    ]
    assert "| one-untrained |" in text and "control |" in text


def changed(folder):
    (folder / "results/one/model.json").write_text("{}\n")
    return "results/one/model.json: is not what was packed"


def gone(folder):
    (folder / "results/one/model.json").unlink()
    return "results/one/model.json: is listed, and not there"


def added(folder):
    (folder / "results/more.csv").write_text("a\n")
    return "results/more.csv: is there, and not listed"


def unlisted(folder):
    """A file, and its line in the manifest: then the record for machines tells."""
    (folder / "results/one/model.json").unlink()
    lines = (folder / MANIFEST).read_text().splitlines(keepends=True)
    (folder / MANIFEST).write_text("".join(one for one in lines if "one/model.json" not in one))
    return "lists other files than the manifest"


def outside(folder):
    with open(folder / MANIFEST, "a") as handle:
        handle.write(f"{'0' * 64}  ../elsewhere\n")
    return "is no list of SHA-256 and names"


def unknown(folder):
    (folder / MANIFEST).unlink()
    return f"has no {MANIFEST}"


@pytest.mark.parametrize("harm", [changed, gone, added, unlisted, outside, unknown])
@pytest.mark.parametrize("as_folder", [True, False])
def test_what_was_done_to_it_is_found(unpacked, tmp_path, harm, as_folder):
    says = harm(unpacked)
    place = unpacked
    if not as_folder:
        place = shutil.make_archive(str(tmp_path / "harmed"), "zip", unpacked)
    with pytest.raises(UserError) as error:
        verify(place)
    assert says in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize("size", [0, 10, 0.5, 0.99])
def test_a_cut_archive_is_no_archive(packed, tmp_path, size):
    whole = packed.read_bytes()
    (tmp_path / "cut.zip").write_bytes(whole[: size if size >= 1 else int(size * len(whole))])
    with pytest.raises(UserError, match="is damaged, or no archive"):
        verify(tmp_path / "cut.zip")


def test_a_byte_that_changed_in_the_archive_is_found(packed, tmp_path):
    """In the middle of each of its files."""
    whole = packed.read_bytes()
    with zipfile.ZipFile(packed) as archive:
        entries = archive.infolist()[:6]
    for entry in entries:
        # Of a local header its last two bytes say how much stands between the name and the content.
        head = entry.header_offset + 30
        more = int.from_bytes(whole[head - 2 : head], "little")
        place = head + len(entry.filename) + more + entry.compress_size // 2
        (tmp_path / "bad.zip").write_bytes(
            whole[:place] + bytes([whole[place] ^ 0xFF]) + whole[place + 1 :]
        )
        with pytest.raises(UserError, match=r"is damaged|cannot be read|is not what was packed"):
            verify(tmp_path / "bad.zip")


def test_the_commands(results, tmp_path, capsys):
    out = tmp_path / "made.zip"
    assert main(["pack", str(results), "--out", str(out), "--author", "Doe, Jo"]) == 0
    said = capsys.readouterr().out
    assert "Not in it: atlas/index.html (brodmann atlas RESULTS makes it)" in said
    assert main(["verify", str(out)]) == 0
    again = capsys.readouterr().out
    assert "all as packed" in again and said.splitlines()[-1] in again
    for arguments, says in (
        (
            ["pack", str(results), "--out", str(results / "in.zip")],
            "lies in the folder that is packed",
        ),
        (["pack", str(results), "--out", str(tmp_path / "a.tar")], "does not end in .zip"),
        (["pack", str(tmp_path / "none"), "--out", str(out)], "no such folder of results"),
        (["verify", str(tmp_path / "none.zip")], "the file does not exist"),
    ):
        assert main(arguments) == 1
        assert says in capsys.readouterr().err
    assert not (results / "in.zip").exists() and not list(tmp_path.glob(".*"))
