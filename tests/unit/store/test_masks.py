"""Mask files say of which model and site their units are, and are read by any reader of CSV."""

import pandas as pd
import pytest

from brodmann.errors import UserError
from brodmann.store import masks
from brodmann.store.masks import Origin

ORIGIN = Origin.of("tiny", "0123456789012345", "mlp_hidden")


def test_every_row_says_its_origin(tmp_path):
    path = tmp_path / "m.csv"
    masks.write(path, "score", [(2, 7, "0.5"), (0, 1, "-0.25")], ORIGIN, "positive-0.1pct")
    table = pd.read_csv(path)
    assert list(table)[:3] == ["layer", "unit", "score"]
    assert table[["layer", "unit", "score"]].to_numpy().tolist() == [[2, 7, 0.5], [0, 1, -0.25]]
    said = table[["model", "weights", "site", "selection"]].drop_duplicates()
    assert said.to_numpy().tolist() == [
        ["tiny", "sha256:012345678901", "mlp_hidden", "positive-0.1pct"]
    ]
    # Filtered, with its columns in another order, it is a mask still.
    table[table.layer > 0][sorted(table)].to_csv(path, index=False)
    assert masks.read(path) == masks.Chosen(((2, 7),), ORIGIN)
    masks.write(path, "score", [], ORIGIN, "positive-0.1pct")
    assert masks.read(path) == masks.Chosen((), None)


def test_whose_mask_it_is():
    assert ORIGIN.is_of(Origin.of("other name", "0123456789012345", "heads"))
    assert not ORIGIN.is_of(Origin.of("tiny", "1123456789012345", "mlp_hidden"))
    by_hand = Origin("tiny", "", "mlp_hidden")  # nobody knows hashes by heart
    assert by_hand.is_of(ORIGIN) and not Origin("gpt2", "", "mlp_hidden").is_of(ORIGIN)
    assert (ORIGIN.label, by_hand.label) == ("'tiny' (sha256:012345678901)", "'tiny'")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("layer,unit,score\n0,1,2\n", "does not say of which model and site .*masks localizers"),
        ("layer,unit,t,model\n0,1,2,m\n", "does not say of which model and site"),
        ("unit,model,site\n1,m,heads\n", "not a mask .*columns layer and unit"),
        ("layer,unit,model,site\n1,x,m,heads\n", "not a mask"),
        ("layer,unit,model,site\n1,1\n", "not a mask .*differ in length"),
        ("", "not a mask"),
        ("layer,unit,model,site\n1,1,m,mlp_hiden\n", "'mlp_hiden'.*did you mean 'mlp_hidden'"),
        ("layer,unit,model,site\n1,1,m,heads\n1,1,n,heads\n", "several models or sites"),
    ],
)
def test_what_is_no_mask_gets_a_line(tmp_path, text, message):
    path = tmp_path / "m.csv"
    path.write_text(text)
    with pytest.raises(UserError, match=message) as caught:
        masks.read(path)
    assert len(str(caught.value).splitlines()) == 1
