"""A folder of data/ with a domain.yaml is a domain; the published ones are shipped like that."""

import pytest

from brodmann.errors import UserError
from brodmann.tasks.catalogue import list_tasks, sort_key
from brodmann.tasks.domains import PUBLISHED, Domain, domains_in, known, label

MUSIC = 'name: Music\ncolour: "#16A085"\ntext: Pitch and rhythm.\n'


@pytest.fixture
def data(tmp_path):
    def write(**files):
        for place, text in files.items():
            path = tmp_path / "data" / f"{place.replace('__', '/')}.yaml"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        return tmp_path / "data"

    return write


def test_the_published_domains_have_their_colours():
    """Those of the published figures."""
    colours = {name: own.colour for name, own in known().items()}
    assert colours == {
        "language": "#C0392B",
        "formal": "#2471A3",
        "physical": "#E67E22",
        "social": "#27AE60",
    }
    assert tuple(known()) == PUBLISHED and [label(name) for name in known()] == list(PUBLISHED)


def test_a_folder_that_says_what_it_is_is_a_domain(data):
    folder = data(music__domain=MUSIC, music__pitch="", language__npi="", art__domain=MUSIC)
    assert list_tasks(folder) == ["language/npi", "music/pitch"]
    assert domains_in(folder)["music"] == Domain("Music", "#16A085", "Pitch and rhythm.")
    # The published ones first, then others by name.
    tasks = ["music/a", "social/b", "art/c", "language/d"]
    assert sorted(tasks, key=sort_key) == ["language/d", "social/b", "art/c", "music/a"]


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (
            {"music__pitch": ""},
            "data/music: a domain without a domain.yaml .*say what it is in mus",
        ),
        ({"langauge__npi": ""}, "a domain without a domain.yaml .did you mean 'language'"),
        ({"music__domain": MUSIC + "color: x\n"}, "domain.yaml: color: unknown key .*'colour'"),
        ({"music__domain": "name: Music\ntext: Pitch.\n"}, "domain.yaml: colour: missing"),
        ({"music__domain": MUSIC.replace("#16A085", "teal")}, "'teal' is not a colour"),
        ({"music__domain": "Music"}, "must have the keys name, colour, text"),
        ({"shared__domain": MUSIC}, "no domain can be called 'shared'"),
    ],
)
def test_what_is_wrong_with_a_domain_gets_a_line(data, files, message):
    with pytest.raises(UserError, match=message) as caught:
        list_tasks(data(**files))
    assert len(str(caught.value).splitlines()) == 1
