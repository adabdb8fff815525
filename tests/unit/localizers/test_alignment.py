"""Ridge prediction of recordings: against a plain loop and planted responses; readers; files."""

import csv

import numpy as np
import pytest

from brodmann.errors import UserError
from brodmann.localizers.aligned import COLUMNS, Aligned, Condition, Lesion
from brodmann.localizers.alignment import PENALTIES, drawn_stimuli, folds, predict, resampled
from brodmann.localizers.recordings import Stimuli, read_recordings, read_stimuli


def naive(features, voxels, fold):
    """Leave-one-out by refitting without each stimulus, penalty by penalty; r by numpy."""
    r = np.zeros((len(set(fold)), voxels.shape[1]))
    for number, held_out in enumerate(sorted(set(fold))):
        train, test = fold != held_out, fold == held_out
        x_mean, x_sd = features[train].mean(0), features[train].std(0)
        x, x_new = (features[train] - x_mean) / x_sd, (features[test] - x_mean) / x_sd
        for v in range(voxels.shape[1]):
            y = (voxels[train, v] - voxels[train, v].mean()) / voxels[train, v].std()
            errors = []
            for penalty in PENALTIES:
                left_out = []
                for i in range(len(y)):
                    rest = np.arange(len(y)) != i
                    gram = x[rest].T @ x[rest] + penalty * np.eye(x.shape[1])
                    left_out.append(y[i] - x[i] @ np.linalg.solve(gram, x[rest].T @ y[rest]))
                errors.append(np.mean(np.square(left_out)))
            best = PENALTIES[int(np.argmin(errors))]
            weights = np.linalg.solve(x.T @ x + best * np.eye(x.shape[1]), x.T @ y)
            r[number, v] = np.corrcoef(x_new @ weights, voxels[test, v])[0, 1]
    return r.mean(0)


def test_ridge_equals_a_plain_loop():
    rng = np.random.default_rng(0)
    features = rng.normal(size=(24, 6))
    voxels = features @ rng.normal(size=(6, 3)) + 2.0 * rng.normal(size=(24, 3))
    fold = folds([str(n) for n in range(24)], 4, seed=1)
    assert predict(features, voxels, fold).r == pytest.approx(
        naive(features, voxels, fold), abs=1e-8
    )


def test_planted_responses_are_predicted_and_noise_is_not():
    rng = np.random.default_rng(0)
    features = rng.normal(size=(200, 10))
    planted = features @ rng.normal(size=(10, 4)) + rng.normal(size=(200, 4))
    voxels = np.hstack([planted, rng.normal(size=(200, 4)), np.ones((200, 1))])
    r = predict(features, voxels, folds([str(n) for n in range(200)], 5, seed=0)).r
    assert (r[:4] > 0.85).all()
    assert (np.abs(r[4:8]) < 0.25).all()
    assert np.isnan(r[8])


def test_a_group_is_never_on_both_sides():
    groups = [f"story{n // 7}" for n in range(60)]
    fold = folds(groups, 4, seed=3)
    assert len(set(fold)) == 4
    for group in set(groups):
        assert len({f for f, g in zip(fold, groups, strict=True) if g == group}) == 1


def test_leakage_through_groups_is_closed():
    """Voxels that only know the group cannot be predicted for a group that was left out."""
    rng = np.random.default_rng(0)
    group = np.repeat(np.arange(12), 10)
    features = np.eye(12)[group] + 0.01 * rng.normal(size=(120, 12))
    voxels = rng.normal(size=12)[group][:, None] + 0.01 * rng.normal(size=(120, 1))
    mixed = predict(features, voxels, folds([str(n) for n in range(120)], 4, seed=0)).r
    apart = predict(features, voxels, folds([str(g) for g in group], 4, seed=0)).r
    assert mixed[0] > 0.99
    assert apart[0] < 0.5


def test_resampled_groups_are_those_of_a_plain_loop():
    """Of every draw: its stimuli written out, r of each fold by numpy, averaged."""
    rng = np.random.default_rng(0)
    groups = [f"story{n // 3}" for n in range(48)]
    fold = folds(groups, 3, seed=0)
    features = rng.normal(size=(48, 4))
    found = predict(features, features[:, :2] + rng.normal(size=(48, 2)), fold)
    times = drawn_stimuli(fold, groups, 5, 4)
    naive = []
    for draw in times.astype(int):
        r = []
        for one in range(3):
            rows = np.repeat(np.arange(48), np.where(fold == one, draw, 0))
            assert len(rows) == (fold == one).sum()
            r += [
                np.corrcoef(found.predicted[rows, v], found.recorded[rows, v])[0, 1]
                for v in range(2)
            ]
        naive.append(np.mean(r))
    assert resampled(found, fold, groups, seed=5, draws=4) == pytest.approx(naive)
    # A group is drawn as a whole, and groups of one fold take each other's place.
    assert (times.reshape(4, 16, 3).std(2) == 0).all() and times.std() > 0
    alone = [str(n) for n in range(48)]
    spread = resampled(found, fold, alone, seed=0)
    assert spread.mean() == pytest.approx(found.r.mean(), abs=0.03) and spread.std() < 0.15


def test_a_fold_of_one_group_has_no_interval(tmp_path):
    """Groups take each other's place within a fold: one alone would be the same in every draw."""
    rng = np.random.default_rng(0)
    groups = [f"story{n // 6}" for n in range(24)]
    features = rng.normal(size=(24, 3))
    voxels = features + rng.normal(size=(24, 3))
    for n_folds, known in ((2, True), (3, False), (4, False)):
        fold = folds(groups, n_folds, seed=0)
        drawn = resampled(predict(features, voxels, fold), fold, groups, seed=0, draws=30)
        assert np.isfinite(drawn).all() == known and np.isnan(drawn).all() != known
    (tmp_path / "v.csv").write_text("a\n" + "".join(f"{value}\n" for value in voxels[:, 0]))
    recordings = read_recordings(tmp_path / "v.csv", 24)
    stimuli = Stimuli(tuple(f"text {n}" for n in range(24)), tuple(groups))
    table = Aligned(tmp_path / "out", stimuli, recordings, folds(groups, 4, 0))
    [said] = [*table.add(Lesion(), [Condition("localized", "", np.arange(3))], features, 3)]
    assert "(no interval: a fold holds a single stimulus or group" in said and "nan" not in said
    assert not [*table.write()]
    with open(tmp_path / "out" / "alignment_summary.csv", newline="") as handle:
        [row] = csv.DictReader(handle)
    assert float(row["r"]) > 0 and row["low"] == row["high"] == ""


def test_stimuli_are_read(tmp_path):
    (tmp_path / "a.txt").write_text("one text\n\nanother\n")
    assert read_stimuli(tmp_path / "a.txt").groups == ("0", "1")
    (tmp_path / "b.csv").write_text('group,text\nx,"a, b"\nx,c\ny,d\n')
    found = read_stimuli(tmp_path / "b.csv")
    assert (found.texts, found.groups) == (("a, b", "c", "d"), ("x", "x", "y"))


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", "sentence\nx\n", "no column text"),
        ("a.csv", "text,group\n,x\n", "line 2 has no text"),
        ("a.txt", "\n\n", "no texts"),
        ("a.txt", b"\xff\xfe\x00", "not a UTF-8"),
    ],
)
def test_stimuli_that_are_wrong(tmp_path, name, content, message):
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(UserError, match=message):
        read_stimuli(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("v1,v2\n1,2\n", "1 rows for 2 stimuli"),
        ("v1,v2\n1,2\n3,nan\n", "line 3, column v2: 'nan' is no number"),
        ("v1,v2\n1,2\n3\n", "line 3 has 1 cells, not 2"),
        ("stimulus\n1\n2\n", "no voxels"),
    ],
)
def test_recordings_that_are_wrong(tmp_path, content, message):
    (tmp_path / "v.csv").write_text(content)
    with pytest.raises(UserError, match=message):
        read_recordings(tmp_path / "v.csv", 2)


def test_files_hold_activations_and_predictions(tmp_path):
    rng = np.random.default_rng(0)
    (tmp_path / "s.txt").write_text("".join(f"text {n}\n" for n in range(30)))
    values = rng.normal(size=(30, 12))  # three layers of four units
    lines = [f"{n},{values[n, 5]},{values[n, 7]}" for n in range(30)]
    (tmp_path / "v.csv").write_text("\n".join(["stimulus,a,b", *lines]) + "\n")
    conditions = [
        Condition("localized", "", np.array([5, 7])),
        Condition("random", 1, np.array([0, 9])),
    ]
    stimuli = read_stimuli(tmp_path / "s.txt")
    recordings = read_recordings(tmp_path / "v.csv", 30)
    table = Aligned(tmp_path / "out", stimuli, recordings, folds(stimuli.groups, 5, 1))
    printed = [*table.add(Lesion(), conditions, values, 4), *table.write()]
    assert printed[0].startswith("localized: 2 units, mean r = 1.000")
    with open(tmp_path / "out" / "activations.localized.csv", newline="") as handle:
        header, first, *_ = csv.reader(handle)
    assert header == ["stimulus", "1.1", "1.3"]
    assert [float(cell) for cell in first[1:]] == pytest.approx(values[0, [5, 7]])
    with open(tmp_path / "out" / "alignment.csv", newline="") as handle:
        rows = list(csv.DictReader(handle))
    assert tuple(rows[0]) == COLUMNS
    assert [(r["condition"], r["seed"], r["voxel"]) for r in rows] == [
        ("localized", "", "a"),
        ("localized", "", "b"),
        ("random", "1", "a"),
        ("random", "1", "b"),
    ]
