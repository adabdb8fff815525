"""Decompositions: planted sources, scikit-learn and nilearn as oracles, and the conventions of maps."""

import logging
from dataclasses import replace

import numpy as np
import pytest
import torch
from planted import matching, planted
from scipy.optimize import linear_sum_assignment

from brodmann.errors import UserError
from brodmann.networks import ascent, ica
from brodmann.networks.ascent import Moments, climb
from brodmann.networks.decompose import METHODS, decompose
from brodmann.networks.ica import fast_ica, starts, whiten
from brodmann.networks.iou import iou
from brodmann.networks.maps import Networks
from brodmann.networks.signals import ArraySignals, Layout


@pytest.fixture(scope="module")
def data():
    return planted()


@pytest.fixture(scope="module")
def signals(data):
    return ArraySignals.of(data.values)


def z(values):
    return (values - values.mean(0)) / values.std(0)


def flat(networks):
    return networks.maps.reshape(len(networks), -1)


@pytest.mark.parametrize("reduction", ["gram", "krylov"])
@pytest.mark.parametrize("method", METHODS)
def test_planted_networks_are_found(data, signals, method, reduction):
    found = decompose(signals, 5, method=method, restarts=3, reduction=reduction)
    assert len(found) == 5
    assert matching(flat(found), data.maps).min() > 0.95
    # Each unit that was planted is in its network, and in no other.
    order = np.argmax(data.owned @ np.abs(flat(found)).T, axis=1)
    assert sorted(order) == list(range(5))
    members = found.members.reshape(5, -1)[order]
    assert (members & data.owned).sum() > 0.95 * data.owned.sum()
    assert (members & ~data.owned).sum() < 0.05 * data.owned.sum()


@pytest.mark.parametrize("method", METHODS)
def test_courses_are_the_planted_ones(data, signals, method):
    found = decompose(signals, 5, method=method, restarts=2)
    courses = found.courses(data.values[:, None, :])
    assert matching(courses.T, data.courses.T).min() > 0.95
    # A course goes up where its network's peak does.
    peaks = flat(found).argmax(1)
    for n, unit in enumerate(peaks):
        assert np.corrcoef(courses[:, n], data.values[:, unit])[0, 1] > 0.5


def test_least_squares_courses(data, signals):
    """CanICA's courses are the coefficients of all maps together."""
    found = decompose(signals, 5, restarts=1)
    expected = np.linalg.lstsq(flat(found).T, z(data.values.astype(float)).T, rcond=None)[0].T
    assert np.allclose(found.courses(data.values[:, None, :]), expected, atol=1e-5)


def test_maps_are_scored_signed_and_ordered(data, signals):
    for method in METHODS:
        found = decompose(signals, 5, method=method, restarts=2)
        maps = flat(found)
        assert np.allclose(maps.mean(1), 0, atol=1e-9) and np.allclose(maps.std(1), 1)
        assert (maps.max(1) >= -maps.min(1)).all()
        assert (np.diff(found.explained) <= 0).all()
        assert maps.dtype == np.float64


def test_explained_variance_is_that_of_the_best_rank_one_reconstruction(data, signals):
    whole = z(data.values.astype(float))
    found = decompose(signals, 5, restarts=1)
    for explained, map_ in zip(found.explained, flat(found), strict=True):
        course = np.linalg.lstsq(map_[:, None], whole.T, rcond=None)[0]
        residual = whole - course.T @ map_[None]
        assert explained == pytest.approx(1 - np.square(residual).sum() / np.square(whole).sum())
    found = decompose(signals, 5, method="fastica", restarts=1)
    courses = found.courses(data.values[:, None, :])
    for explained, course in zip(found.explained, courses.T, strict=True):
        map_ = np.linalg.lstsq(course[:, None], whole, rcond=None)[0]
        residual = whole - course[:, None] @ map_
        assert explained == pytest.approx(1 - np.square(residual).sum() / np.square(whole).sum())


def test_the_same_seed_gives_the_same_bits(signals):
    first, again, other = (decompose(signals, 5, restarts=2, seed=seed) for seed in (1, 1, 2))
    assert first.pack() == again.pack()
    # Another seed starts elsewhere and comes to the same networks.
    assert first.pack() != other.pack()
    assert matching(flat(first), flat(other)).min() > 0.999


def test_stability_tells_networks_from_noise(data, signals):
    stable = decompose(signals, 5, restarts=5).stability
    assert stable.min() > 0.99
    noise = np.random.default_rng(0).normal(size=data.values.shape).astype(np.float32)
    loose = decompose(ArraySignals.of(noise), 5, restarts=5).stability
    assert np.median(loose) < 0.95
    assert np.isnan(decompose(signals, 5, restarts=1).stability).all()


def rotations(white, restarts, seed=0):
    """Starts for signals that come with no scores."""
    return starts(torch.eye(len(white), dtype=torch.float64), restarts, seed)


def test_the_kept_run_has_the_smallest_largest_norm(data):
    noise = torch.from_numpy(np.random.default_rng(3).normal(size=(6, 500)))
    white = whiten(noise).signals
    runs = fast_ica(white, "cube", rotations(white, 6))
    largest = [float((run @ white).abs().sum(1).max()) for run in runs.rotations]
    assert len({round(value, 3) for value in largest}) > 1, (
        "the runs are all alike: nothing to choose"
    )
    assert largest[runs.best] == pytest.approx(min(largest))


@pytest.mark.parametrize(("name", "other"), [("cube", "cube"), ("logcosh", "logcosh")])
def test_the_iteration_agrees_with_scikit_learn(data, name, other):
    from sklearn.decomposition import FastICA

    # Few signals of many samples, as the iteration meets them.
    samples = (data.courses @ np.random.default_rng(1).normal(size=(5, 5))).T
    white = whiten(torch.from_numpy(samples))
    runs = fast_ica(white.signals, name, rotations(white.signals, 2))
    ours = (runs.rotations[runs.best] @ white.signals).numpy()
    model = FastICA(5, fun=other, whiten="unit-variance", tol=1e-8, max_iter=500, random_state=0)
    assert matching(ours, model.fit_transform(samples.T).T).min() > 1 - 1e-6


def test_fastica_agrees_with_scikit_learn_on_the_same_matrix(data, signals):
    from sklearn.decomposition import FastICA

    whole = z(data.values.astype(float))
    model = FastICA(5, tol=1e-8, max_iter=500, random_state=0).fit(whole)
    found = decompose(signals, 5, method="fastica", restarts=2)
    assert matching(flat(found), model.mixing_.T).min() > 1 - 1e-5
    courses = found.courses(data.values[:, None, :])
    assert matching(courses.T, model.transform(whole).T).min() > 1 - 1e-5


def test_canica_agrees_with_nilearn_on_the_same_matrix(data, signals):
    pytest.importorskip("nilearn", reason="nilearn is not installed (it is in the dev extra)")
    from nibabel import Nifti1Image
    from nilearn.decomposition import CanICA

    whole = z(data.values.astype(float))
    # The units as the voxels of a volume, the tokens as its time.
    side = (30, 30, 1)
    affine = np.eye(4)
    volume = Nifti1Image(whole.T.reshape(*side, len(whole)), affine)
    mask = Nifti1Image(np.ones(side, np.uint8), affine)
    model = CanICA(
        n_components=5,
        mask=mask,
        smoothing_fwhm=None,
        standardize=False,
        detrend=False,
        threshold=None,
        n_init=3,
        random_state=0,
    )
    model.fit(volume)
    theirs = np.asarray(model.components_img_.dataobj).reshape(900, 5).T
    found = decompose(signals, 5, restarts=3)
    assert matching(flat(found), theirs).min() > 0.999


def test_members_lie_beyond_the_threshold():
    maps = np.array([[[3.6, 3.7, -3.7, 0.0]]])
    both = Networks(maps, np.ones(1), np.ones(1))
    assert both.members.tolist() == [[[False, True, True, False]]]
    above = Networks(maps, np.ones(1), np.ones(1), side="positive")
    assert above.members.tolist() == [[[False, True, False, False]]]
    assert both.n_units.tolist() == [2] and above.n_units.tolist() == [1]


def test_networks_travel_as_a_file(signals, tmp_path):
    found = decompose(signals, 5, restarts=2, threshold=3.0)
    found.save(tmp_path / "templates.safetensors")
    again = Networks.load(tmp_path / "templates.safetensors")
    assert again.pack() == found.pack() and again.threshold == 3.0
    assert again.facts == found.facts and again.facts["windows"][0]["reduction"] == "gram"
    (tmp_path / "bad").write_bytes(b"no such thing")
    with pytest.raises(UserError, match="holds no networks"):
        Networks.load(tmp_path / "bad")


def test_windows_of_layers_are_decomposed_by_themselves(data):
    layout = Layout(5, (1, 2, 4), 300)
    signals = ArraySignals(data.values, layout)
    whole = decompose(signals, 3, restarts=1)
    assert whole.maps.shape == (3, 5, 300)
    assert not whole.maps[:, [0, 3]].any() and not whole.mean[[0, 3]].any()
    each = decompose(signals, 3, scope="layer", restarts=1)
    assert len(each) == 9
    assert [np.flatnonzero(np.abs(map_).sum(1)).tolist() for map_ in each.maps[::3]] == [
        [1],
        [2],
        [4],
    ]
    alone = decompose(ArraySignals.of(data.values[:, 300:600]), 3, restarts=1)
    assert np.allclose(each.maps[3:6, 2], alone.maps[:, 0], atol=1e-6)
    pairs = decompose(signals, 3, scope="window", window=2, restarts=1)
    assert [len(part["singular_values"]) for part in pairs.facts["windows"]] == [3, 3]
    assert (np.abs(pairs.maps[0]).sum(1) > 0).tolist() == [False, True, True, False, False]


def test_constant_units_belong_to_no_network(data):
    values = data.values.copy()
    values[:, 7] = 1e4 / 3
    found = decompose(ArraySignals.of(values), 5, restarts=2)
    assert np.isfinite(found.maps).all() and not found.members[:, 0, 7].any()
    assert found.facts["windows"][0]["constant_units"] == 1
    still = ArraySignals.of(np.ones((10, 6), np.float32))
    with pytest.raises(UserError, match="no unit varies"):
        decompose(still, 2)
    assert decompose(still, 2, may_be_none=True).maps.shape == (0, 1, 6)


def test_a_layer_that_does_not_vary_has_no_network(data):
    values = data.values[:, :180].copy()
    values[:, 60:120] = 3.0
    found = decompose(ArraySignals(values, Layout(3, (0, 1, 2), 60)), 2, scope="layer", restarts=1)
    assert [part["components"] for part in found.facts["windows"]] == [2, 0, 2]
    assert found.maps.shape == (4, 3, 60) and not found.maps[:, 1].any()
    alone = decompose(ArraySignals.of(values[:, 120:]), 2, restarts=1)
    assert np.allclose(found.maps[2:, 2], alone.maps[:, 0])


@pytest.mark.parametrize("method", ["canica", "fastica"])
@pytest.mark.parametrize("zscore", [True, False])
def test_courses_over_the_same_texts_are_those_of_the_decomposed_signals(data, method, zscore):
    """Units of very different spread: centred signals must not be divided by it."""
    values = (data.values * np.linspace(1, 50, data.values.shape[1])).astype(np.float32)
    found = decompose(ArraySignals.of(values), 4, method=method, zscore=zscore, restarts=1)
    signals = values.astype(float) - values.mean(0)
    signals = signals / signals.std(0) if zscore else signals
    maps = flat(found)
    if method == "canica":
        expected = np.linalg.lstsq(maps.T, signals.T, rcond=None)[0].T
    else:  # sources are uncorrelated and of unit variance, and maps are what goes with them
        expected = np.stack([signals @ own for own in found.filters.reshape(4, -1)], axis=1)
        assert np.allclose(np.cov(expected.T, ddof=0), np.eye(4), atol=1e-6)
    for standardise in ("group", "own"):
        courses = found.courses(values[:, None], standardise=standardise)
        assert np.allclose(courses, expected, rtol=1e-5, atol=1e-4 * np.abs(expected).max())


def test_a_text_in_which_nothing_varies_has_no_network():
    from brodmann.networks.consistency import DatasetNetworks, SampleNetworks, consistency_table

    flat_signals = ArraySignals.of(np.ones((4, 6), np.float32))
    none = SampleNetworks.of(decompose(flat_signals, 3, may_be_none=True))
    assert len(none) == len(none.only_identified()) == 0
    values = np.random.default_rng(0).laplace(size=(9, 6)).astype(np.float32)
    own = decompose(ArraySignals.of(values), 2, restarts=2)
    table = consistency_table([DatasetNetworks("a", own, [none])], 0.1)
    assert table["denominator"].tolist() == [0, 0]


def test_a_short_text_has_fewer_networks(data):
    found = decompose(ArraySignals.of(data.values[:6]), 64, restarts=1)
    assert len(found) == 5  # t - 1
    repeated = np.repeat(data.values[:3], 4, axis=0)
    assert len(decompose(ArraySignals.of(repeated), 64, restarts=1)) == 2  # the rank


@pytest.mark.parametrize("nonlinearity", ica.NONLINEARITIES)
@pytest.mark.parametrize("k", [3, 8])
def test_every_start_ends_even_in_noise(k, nonlinearity):
    """Where nothing is independent FastICA's steps circle; the ascent ends, in a fixed point of theirs."""
    noise = torch.from_numpy(np.random.default_rng(k).normal(size=(k, 900)))
    white = whiten(noise).signals
    runs = fast_ica(white, nonlinearity, rotations(white, 8))
    assert all(runs.converged)
    again = ica._orthonormal(ica._step(runs.rotations, white, nonlinearity))
    assert float(((again * runs.rotations).sum(-1).abs() - 1).abs().max()) < 1e-6
    begun = rotations(white, 8)
    for _ in range(200):
        begun, before = ica._orthonormal(ica._step(begun, white, nonlinearity)), begun
    assert float(((begun * before).sum(-1).abs() - 1).abs().max()) > 1e-6, "nothing to mend"


@pytest.mark.parametrize("nonlinearity", ica.NONLINEARITIES)
def test_the_ascent_ends_on_a_top(nonlinearity):
    """No small rotation in any plane raises the contrast, computed from its definition."""
    dice = np.random.default_rng(11)
    white = whiten(torch.from_numpy(dice.laplace(size=(4, 600)) ** 3)).signals
    top, reached, _ = climb(rotations(white, 1)[0], white, nonlinearity)
    assert reached

    signs = np.sign(Moments.at(top, white, nonlinearity).excess.numpy())

    def contrast(rotation):
        y = rotation.numpy() @ white.numpy()
        height = y**4 / 4 if nonlinearity == "cube" else np.log(2 * np.cosh(y))
        return signs @ height.mean(1)

    at_top = contrast(top)
    for i in range(4):
        for j in range(i):
            for angle in (0.01, -0.01):
                turn = np.eye(4)
                turn[[i, j], [i, j]] = np.cos(angle)
                turn[i, j], turn[j, i] = np.sin(angle), -np.sin(angle)
                assert contrast(torch.from_numpy(turn) @ top) < at_top


def messy(tokens=300, units=900):
    """Signals of no ICA model, as a language model's are: squashed mixtures of more sources than sought."""
    dice = np.random.default_rng(0)
    maps = dice.laplace(size=(10, units)) ** 3 / 6
    values = np.arcsinh(dice.laplace(size=(tokens, 10)) @ maps)
    return (values + dice.normal(size=values.shape)).astype(np.float32)


@pytest.mark.parametrize("reduction", ["gram", "krylov"])
@pytest.mark.parametrize("method", ["canica", "fastica"])
def test_networks_do_not_hang_on_rounding_nor_on_the_order_of_units(method, reduction):
    """Even where starts disagree, as CanICA's do here: the same start must come to the same networks."""
    values = messy()
    order = np.random.default_rng(1).permutation(values.shape[1])
    noise = 1 + 1e-6 * np.random.default_rng(2).normal(size=values.shape)
    options = {"method": method, "restarts": 4, "reduction": reduction, "threshold": 2.0}
    own, turned, noisy = (
        decompose(ArraySignals.of(part.astype(np.float32)), 6, **options).members[:, 0]
        for part in (values, values[:, order], values * noise)
    )
    assert (own.sum(1) > 0).all()
    for other in (turned[:, np.argsort(order)], noisy):
        found = iou(own, other)
        rows, columns = linear_sum_assignment(-found)
        assert found[rows, columns].min() > 0.95


def test_whitening_does_not_turn_what_is_white_already():
    """Singular vectors are white but for their mean: their covariance has no axes of its own."""
    vectors = torch.linalg.qr(torch.from_numpy(np.random.default_rng(5).normal(size=(400, 6)))).Q.T
    white = whiten(vectors)
    assert np.allclose((white.signals @ white.signals.T / 400).numpy(), np.eye(6), atol=1e-9)
    assert np.allclose(white.matrix.numpy(), white.matrix.T.numpy(), atol=1e-9)
    turn = torch.linalg.qr(torch.from_numpy(np.random.default_rng(6).normal(size=(6, 6)))).Q
    turned = whiten(turn @ vectors)
    assert np.allclose(turned.signals.numpy(), (turn @ white.signals).numpy(), atol=1e-8)


def test_dependent_signals_are_whitened_to_their_rank():
    dice = np.random.default_rng(7)
    signals = torch.from_numpy(dice.normal(size=(5, 3)) @ dice.laplace(size=(3, 500)))
    white = whiten(signals)
    assert white.signals.shape == (3, 500) and white.axes.shape == (5, 3)
    runs = fast_ica(white.signals, "cube", starts(torch.eye(5).double() @ white.axes, 2, 0))
    assert runs.rotations.shape == (2, 3, 3) and all(runs.converged)


def test_a_start_is_the_same_components_in_every_basis():
    dice = np.random.default_rng(8)
    scores = torch.linalg.qr(torch.from_numpy(dice.normal(size=(50, 4)))).Q
    turn = torch.linalg.qr(torch.from_numpy(dice.normal(size=(4, 4)))).Q
    signals = torch.from_numpy(dice.normal(size=(4, 30)))
    one = starts(scores, 2, 0) @ signals
    other = starts(scores @ turn.T, 2, 0) @ (turn @ signals)
    assert np.allclose(one.numpy(), other.numpy(), atol=1e-9)
    assert torch.equal(starts(scores, 3, 0)[:2], starts(scores, 2, 0))


def test_missing_convergence_is_said(caplog, monkeypatch, signals):
    monkeypatch.setattr(ascent, "MAX_ITERATIONS", 1)
    monkeypatch.setattr(ica, "FIRST_STEPS", 0)
    with caplog.at_level(logging.WARNING):
        found = decompose(signals, 5, restarts=3)
    assert "3 of 3 starts did not converge within 1 iterations" in caplog.text
    facts = found.facts["windows"][0]
    assert facts["converged"] == [False] * 3 and facts["best_converged"] is False
    caplog.clear()
    decompose(signals, 5, restarts=3, quiet=True)
    assert not caplog.text


def test_a_run_that_converged_is_kept_before_one_that_did_not(monkeypatch, data):
    white = whiten(torch.from_numpy(np.random.default_rng(3).normal(size=(6, 500)))).signals
    whole = fast_ica(white, "cube", rotations(white, 6))
    climbed = iter(range(6))

    def lame(rotation, *rest):
        found, reached, iterations = climb(rotation, *rest)
        return found, reached and next(climbed) != whole.best, iterations

    monkeypatch.setattr(ica, "climb", lame)
    runs = fast_ica(white, "cube", rotations(white, 6))
    assert runs.converged.count(False) == 1 and runs.best != whole.best


def test_networks_that_depend_on_the_start_are_said(caplog, data, signals):
    with caplog.at_level(logging.WARNING):
        decompose(signals, 5, restarts=4)
    assert not caplog.text
    noise = np.random.default_rng(0).normal(size=data.values.shape).astype(np.float32)
    with caplog.at_level(logging.WARNING):
        decompose(ArraySignals.of(noise), 5, restarts=4)
    assert "of 5 networks depend on the start (stability below 0.9)" in caplog.text


def test_rows_of_length_one(data, signals):
    from brodmann.networks.standardise import Standardised

    whole = z(data.values.astype(float))
    whole /= np.linalg.norm(whole, axis=1, keepdims=True)
    standardised = Standardised(signals, row_norm=True)
    assert np.allclose(standardised.whole().numpy(), whole)
    vectors = torch.from_numpy(np.random.default_rng(0).normal(size=(900, 3)))
    assert np.allclose(standardised.squared(vectors).numpy(), whole.T @ (whole @ vectors.numpy()))
    assert standardised.total == pytest.approx(len(whole))
    found = decompose(signals, 5, row_norm=True, restarts=2)
    assert matching(flat(found), data.maps).min() > 0.95


@pytest.mark.parametrize("row_norm", [False, True])
@pytest.mark.parametrize("method", ["canica", "fastica", "dictionary"])
def test_units_that_all_do_the_same_are_no_network(method, row_norm):
    """One course at every unit: no unit stands out, and rounding is not to be blown up to a map."""
    dice = np.random.default_rng(0)
    course, scale, shift = dice.normal(size=(50, 1)), dice.uniform(1, 3, 400), dice.normal(size=400)
    signals = ArraySignals.of((course * scale + shift).astype(np.float32))
    options = {"method": method, "row_norm": row_norm, "restarts": 2, "threshold": 2.0}
    found = decompose(signals, 3, may_be_none=True, **options)
    assert not found.members.any()
    if method != "fastica":  # which has the one course
        assert len(found) == 0
        with pytest.raises(UserError, match="all units do the same"):
            decompose(signals, 3, **options)


def test_networks_without_moments_have_no_course_on_their_scale(data, signals):
    found = replace(decompose(signals, 5), mean=None, sd=None)
    values = data.values[:, None, :]
    assert found.courses(values).shape == (len(values), len(found))
    with pytest.raises(UserError, match="kept without the mean and SD"):
        found.courses(values, standardise="group")


def test_unknown_methods_are_named(signals):
    with pytest.raises(UserError, match="did you mean 'canica'"):
        decompose(signals, 5, method="canika")


def test_signals_that_are_not_finite_are_refused(data):
    values = data.values.copy()
    values[17, 3] = np.nan
    with pytest.raises(UserError, match="token 18 is not finite"):
        decompose(ArraySignals.of(values), 5)


@pytest.mark.parametrize("scope", ["all", "layer"])
def test_units_that_are_left_out_are_as_if_they_had_never_been(data, scope):
    """Two planted sinks, 1,000 times as loud as all else: with them one component is theirs alone."""
    width = data.values.shape[1] // 2
    sinks = ((0, 4), (1, width - 1))
    places = [layer * width + unit for layer, unit in sinks]
    loud = data.values.copy()
    course = np.random.default_rng(0).normal(size=(len(loud), 1)).astype(np.float32)
    loud[:, places] = 1000 * course
    how = {"scope": scope, "zscore": False, "restarts": 2}
    layout = Layout(2, (0, 1), width, sinks)
    quiet = np.delete(loud, places, axis=1)
    found = decompose(ArraySignals(quiet, layout), 5, **how)
    assert (
        not np.abs(found.maps[:, [0, 1], [4, width - 1]]).any()
        and not found.members[:, [0, 1], [4, width - 1]].any()
    )
    assert layout.kept.tolist() == sorted(set(range(2 * width)) - set(places))
    if scope == "layer":
        assert layout.windows("layer", 1) == [slice(0, width - 1), slice(width - 1, 2 * width - 2)]
        return
    assert (
        matching(np.delete(flat(found), places, axis=1), np.delete(data.maps, places, 1)).min()
        > 0.9
    )
    # As a matrix that never had these columns.
    plain = decompose(ArraySignals.of(quiet), 5, **how)
    assert np.allclose(np.delete(flat(found), places, axis=1), flat(plain))
    kept = decompose(ArraySignals(loud, Layout(2, (0, 1), width)), 5, **how)
    assert np.abs(flat(kept)[0]).argsort()[-2:].tolist() in (places, places[::-1])
