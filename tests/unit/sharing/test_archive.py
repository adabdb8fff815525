"""An archive holds the study and says what it is; whatever is done to it is found."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import stat
import subprocess
import zipfile
from pathlib import Path

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


def sealed(path, entries):
    """An archive of somebody who knows how ours are made: its manifest has all of ``entries``, which are
    names, or what zip says of one, with contents."""
    sums = {}
    with zipfile.ZipFile(path, "w") as archive:
        for entry, content in entries:
            archive.writestr(entry, content)
            name = entry if isinstance(entry, str) else entry.filename
            sums[name] = hashlib.sha256(content).hexdigest()
        archive.writestr(MANIFEST, "".join(f"{sha}  {name}\n" for name, sha in sums.items()))
    return path


def link(name):
    entry = zipfile.ZipInfo(name)
    entry.external_attr = (stat.S_IFLNK | 0o777) << 16
    return entry


@pytest.mark.parametrize(
    ("entry", "says"),
    [
        ("../outside", "is no plain file in the archive's own folder"),
        ("..\\outside", "is no plain file in the archive's own folder"),
        ("C:/outside", "is no plain file in the archive's own folder"),
        ("../folder/", "is no plain file in the archive's own folder"),
        (link("results"), "is no plain file in the archive's own folder"),
        ("ro-crate-metadata.json", "is no record of an RO-Crate"),
    ],
)
def test_an_archive_that_is_no_study_is_refused(tmp_path, entry, says):
    """Whatever its manifest says."""
    with pytest.raises(UserError, match=says):
        verify(sealed(tmp_path / "a.zip", [(entry, b"[" * 100_000)]))


def test_an_encrypted_archive_is_no_archive(packed, tmp_path):
    """Of every file's header, in front of it and in the list at the end, the first flag."""
    content = bytearray(packed.read_bytes())
    for mark, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        at = content.find(mark)
        while at >= 0:
            content[at + flags] |= 1
            at = content.find(mark, at + 1)
    (tmp_path / "secret.zip").write_bytes(content)
    with pytest.raises(UserError, match="is damaged, or no archive"):
        verify(tmp_path / "secret.zip")


def test_a_small_archive_does_not_fill_the_memory(tmp_path, monkeypatch):
    monkeypatch.setattr("brodmann.sharing.archive._LARGEST", 10_000)
    with pytest.raises(UserError, match=rf"{MANIFEST}: is larger than"):
        verify(sealed(tmp_path / "a.zip", [(f"{n:0100}", b"") for n in range(100)]))


@pytest.fixture
def own(results, tmp_path):
    """A copy to be changed."""
    return shutil.copytree(results, tmp_path / "study" / "results")


def test_paths_of_the_machine_stay_there(own, tmp_path, monkeypatch, capsys):
    """In no file, and the study is as before: its folder, a home, and a folder elsewhere."""
    home = tmp_path / "home" / "jo.muster"
    monkeypatch.setenv("HOME", str(home))
    folder = own.parent
    models = {
        toy.MODEL: {"source": f"path:{folder}/tuned"},
        toy.CONTROL: {
            "source": "path:/scratch/muster.jo/w",
            "control": True,
            "system": "/no_think",
        },
    }
    toy.provenance(own, models=models, tasks={"folder": f"{home}/tasks"})
    text = f"<a href='file://{folder}/report'>{home}er/x https://a.org{home}/x</a> /no_think"
    (own / "report.html").write_text(text)
    out = tmp_path / "made.zip"
    assert main(["pack", str(own), "--out", str(out)]) == 0
    said = capsys.readouterr().out
    assert "Without paths of this machine: results/provenance.json, results/report.html" in said
    assert "No author is named, and Zenodo asks for one" in said
    verify(out)
    shutil.unpack_archive(out, tmp_path / "un")
    for path in (tmp_path / "un").rglob("*"):
        if path.is_file() and path.name != "report.html":
            content = path.read_bytes()
            assert b"muster" not in content and str(tmp_path).encode() not in content, path
    shown = (tmp_path / "un/results/report.html").read_text()
    assert shown == text.replace(f"file://{folder}", "file://.")
    said = json.loads((tmp_path / "un/results/provenance.json").read_text())["config"]
    assert said["models"][toy.MODEL]["source"] == "path:./tuned"
    assert said["models"][toy.CONTROL] == {**models[toy.CONTROL], "source": "path:w"}
    assert said["tasks"]["folder"] == "~/tasks"


def test_a_folder_that_is_a_link_is_part_of_it(own, packed, tmp_path):
    (own / toy.MODEL).rename(tmp_path / "elsewhere")
    (own / toy.MODEL).symlink_to(tmp_path / "elsewhere")
    assert set(parcel(own, ABOUT).files) == set(parcel(packed_from(packed, tmp_path), ABOUT).files)


def packed_from(packed, tmp_path):
    shutil.unpack_archive(packed, tmp_path / "whole")
    return tmp_path / "whole/results"


@pytest.mark.parametrize(
    ("made", "says"),
    [
        (lambda path: path.symlink_to(path.with_name("none")), "is no file, or a link to none"),
        (lambda path: path.symlink_to(path.parents[1]), "is a link to a folder that holds it"),
        (lambda path: os.mkfifo(path), "is no file, or a link to none"),
        (lambda path: path.with_name("a\u2028b").write_text(""), "not every system can have"),
        (lambda path: path.with_name("a\\b").write_text(""), "not every system can have"),
    ],
)
def test_what_cannot_be_packed_is_one_line(own, made, says):
    made(own / toy.MODEL / "more")
    with pytest.raises(UserError, match=says) as error:
        parcel(own, ABOUT)
    assert "\n" not in str(error.value)


def test_names_are_addresses_in_its_record(own, tmp_path):
    """Of ``a b#1.csv`` a reader would look for ``a b``."""
    for name in ("a b#1.csv", "ä?.csv", "100%.csv", "plain-1,2~(x).csv"):
        (own / "one" / name).write_text("a\n")
    out = tmp_path / "named.zip"
    write_archive(out, parcel(own, ABOUT))
    with zipfile.ZipFile(out) as archive:
        graph = json.loads(archive.read("ro-crate-metadata.json"))["@graph"]
        names = archive.namelist()
    ids = {one["@id"]: one["name"] for one in graph if one["@type"] == "File"}
    named = {id: name for id, name in ids.items() if Path(name).parent.name == "one"}
    assert "results/one/a%20b%231.csv" in named and "results/one/100%25.csv" in named
    assert "results/one/%C3%A4%3F.csv" in named and "results/one/plain-1,2~(x).csv" in named
    assert set(ids.values()) == set(names) - {MANIFEST, "ro-crate-metadata.json"}
    assert verify(out).files == len(names) - 1


def test_a_record_that_has_names_as_they_are_is_read(unpacked):
    """As archives of earlier versions have it, with a space in a name."""
    (unpacked / "results/one/model.json").rename(unpacked / "results/one/a b.json")
    for name in ("ro-crate-metadata.json", MANIFEST):
        text = (unpacked / name).read_text()
        (unpacked / name).write_text(text.replace("one/model.json", "one/a b.json"))
    crate = hashlib.sha256((unpacked / "ro-crate-metadata.json").read_bytes()).hexdigest()
    lines = (unpacked / MANIFEST).read_text().splitlines()
    lines = [
        f"{crate}  {one[66:]}" if one.endswith("ro-crate-metadata.json") else one for one in lines
    ]
    (unpacked / MANIFEST).write_text("\n".join(lines) + "\n")
    assert verify(unpacked).files == len(lines)


def test_a_name_that_no_system_opens_is_one_line(own, monkeypatch):
    """A path longer than the system takes, made folder by folder."""
    monkeypatch.chdir(own / toy.MODEL)
    for _ in range(21):
        Path("d" * 200).mkdir()
        os.chdir("d" * 200)
    monkeypatch.chdir(own)
    with pytest.raises(UserError, match="cannot be read: File name too long") as error:
        parcel(own, ABOUT)
    assert "\n" not in str(error.value)


def test_a_study_that_changes_is_not_packed(own, tmp_path):
    found = parcel(own, ABOUT)
    (own / "statistics/modularity.csv").write_text("model,p\n")
    with pytest.raises(UserError, match=r"modularity.csv: was changed while it was packed"):
        write_archive(tmp_path / "a.zip", found)
    assert not (tmp_path / "a.zip").exists()


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
    assert "No author" not in said
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
        (["pack", str(results), "--out", str(out), "--licence", "CC BY"], "is no SPDX identifier"),
        (
            ["pack", str(results), "--out", str(out), "--author", " "],
            "--author: is empty, or more than one line",
        ),
        (
            ["pack", str(results), "--out", str(out), "--title", "Maps\nof toys"],
            "--title: is empty, or more than one line",
        ),
        (["verify", str(tmp_path / "none.zip")], "the file does not exist"),
    ):
        assert main(arguments) == 1
        assert says in capsys.readouterr().err
    assert not (results / "in.zip").exists() and not list(tmp_path.glob(".*"))
