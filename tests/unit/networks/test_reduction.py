"""The reduction in passes: agreement with the dense SVD, and the memory that it takes."""

import os
import subprocess
import sys

import numpy as np
import pytest
from scipy.linalg import subspace_angles

from brodmann.networks import signals as signals_module
from brodmann.networks.reduction import reduce
from brodmann.networks.signals import ArraySignals, FileSignals, Layout, remove_leftovers, scratch
from brodmann.networks.standardise import Standardised


def matrix(tokens, units, seed=0):
    """A spectrum that falls slowly, units of very different mean and scale, float32."""
    dice = np.random.default_rng(seed)
    rank = min(tokens, units)
    u = np.linalg.qr(dice.normal(size=(tokens, rank)))[0]
    v = np.linalg.qr(dice.normal(size=(units, rank)))[0]
    values = (u * np.arange(1, rank + 1) ** -0.6) @ v.T
    return (values * dice.lognormal(0, 2, units) + dice.normal(0, 50, units) / 50).astype(
        np.float32
    )


def dense(values, zscore=True):
    values = values.astype(float)
    values = values - values.mean(0)
    if zscore:
        values /= values.std(0)
    return np.linalg.svd(values, full_matrices=False)


@pytest.fixture
def small_blocks(monkeypatch):
    """Several blocks even for little data."""
    monkeypatch.setattr(signals_module, "BLOCK_VALUES", 10_000)


@pytest.mark.parametrize("zscore", [True, False])
@pytest.mark.parametrize("how", ["gram", "krylov"])
@pytest.mark.parametrize("shape", [(150, 700), (700, 150), (300, 300)])
def test_both_ways_agree_with_the_dense_svd(shape, how, zscore, small_blocks):
    values = matrix(*shape)
    u, s, vt = dense(values, zscore)
    z = Standardised(ArraySignals.of(values), zscore=zscore)
    found = reduce(z, 8, how=how)
    assert found.how == how
    assert np.allclose(found.values.numpy(), s[:8], rtol=1e-7)
    assert subspace_angles(found.vectors.numpy(), vt[:8].T).max() < 1e-4
    assert subspace_angles(found.scores.numpy(), u[:, :8]).max() < 1e-4
    assert np.allclose(found.scores.T.numpy() @ found.scores.numpy(), np.eye(8), atol=1e-6)
    assert z.total == pytest.approx(np.square(s).sum(), rel=1e-9)


def test_the_way_is_chosen_by_size(monkeypatch):
    import brodmann.networks.reduction as reduction

    z = Standardised(ArraySignals.of(matrix(120, 90)))
    assert reduce(z, 3).how == "gram"
    monkeypatch.setattr(reduction, "EXACT_SIDE", 50)
    assert reduce(z, 3).how == "krylov"
    # With nearly all of the vectors wanted there is nothing to gain.
    assert reduce(z, 40).how == "gram"


def test_fewer_are_found_where_the_rank_is_lower():
    values = np.random.default_rng(0).normal(size=(200, 3)) @ np.eye(3, 100, dtype=float)
    z = Standardised(ArraySignals.of(values.astype(np.float32)))
    for how in ("gram", "krylov"):
        assert reduce(z, 5, how=how).vectors.shape == (100, 3)


def test_signals_on_disk_are_those_in_memory(tmp_path, monkeypatch, small_blocks):
    values = matrix(130, 240)
    layout = Layout(4, (0, 2, 3), 80)
    monkeypatch.setattr(signals_module, "IN_MEMORY", 1000)
    with scratch(130, layout, tmp_path) as signals:
        assert isinstance(signals, FileSignals)
        signals.write(100, values[100:])
        signals.write(0, values[:100])
        for columns in (slice(None), slice(80, 160)):
            read = [block for _, block in signals.blocks(columns)]
            assert len(read) > 1 and np.array_equal(np.concatenate(read), values[:, columns])
        in_memory = reduce(Standardised(ArraySignals(values, layout)), 4, how="krylov")
        on_disk = reduce(Standardised(signals), 4, how="krylov")
        assert np.array_equal(in_memory.vectors.numpy(), on_disk.vectors.numpy())
    assert not list(tmp_path.iterdir())


def test_scratch_files_go_even_if_work_fails(tmp_path, monkeypatch):
    monkeypatch.setattr(signals_module, "IN_MEMORY", 0)
    with pytest.raises(RuntimeError), scratch(5, Layout(1, (0,), 4), tmp_path):
        assert len(list(tmp_path.iterdir())) == 1
        raise RuntimeError
    assert not list(tmp_path.iterdir())
    (tmp_path / "signals-x.tmp").write_bytes(b"1")
    (tmp_path / "other").write_bytes(b"1")
    remove_leftovers(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["other"]


def test_massive_activations_are_standardised_exactly():
    """Means a million times their SD: float32 keeps a few digits, float64 arithmetic must lose no more."""
    dice = np.random.default_rng(0)
    values = (dice.normal(size=(500, 60)) + 1e4 * (np.arange(60) % 7 == 0)).astype(np.float32)
    z = Standardised(ArraySignals.of(values))
    expected = values.astype(float)
    expected = (expected - expected.mean(0)) / expected.std(0)
    assert np.allclose(z.whole().numpy(), expected, atol=1e-9)
    import torch

    vectors = torch.from_numpy(dice.normal(size=(60, 2)))
    assert np.allclose(z.product(vectors).numpy(), expected @ vectors.numpy(), atol=1e-8)


# What a decomposition of signals that are generated, never stored, takes beyond a tiny one: printed in MB.
_MEASURE = """
import resource, sys
import numpy as np
from brodmann.networks import signals, standardise
from brodmann.networks.decompose import decompose

tokens, units, k, signals.BLOCK_VALUES = map(int, sys.argv[1:5])

standardise.KEPT_BYTES = 0
class Generated:
    layout, n_tokens = signals.Layout(1, (0,), units), tokens
    step = signals.block_tokens(units)
    dice = np.random.default_rng(0)
    maps = 4 * (dice.random((k, units), dtype=np.float32) < 0.01).astype(np.float32)
    noise = dice.standard_normal((step, units), dtype=np.float32)
    courses = dice.laplace(size=(tokens, k)).astype(np.float32)
    signs = dice.choice([-1, 1], (tokens, 1)).astype(np.float32)
    def blocks(self, columns=slice(None)):
        for start in range(0, tokens, self.step):
            stop = min(start + self.step, tokens)
            block = self.courses[start:stop] @ self.maps
            noise = self.noise[: stop - start]
            yield start, np.add(block, self.signs[start:stop] * noise, out=block)

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024

decompose(signals.ArraySignals.of(np.random.default_rng(0).normal(size=(40, 50))), 3)
given = Generated()
before = peak()
found = decompose(given, k, restarts=3)
print(before, peak(), found.facts["windows"][0]["passes"], found.facts["windows"][0]["reduction"])
"""


# What BLAS keeps for itself, more with more threads.
_LIBRARIES_MB = 150
# glibc gives freed blocks of up to 32 MB back, or keeps them, depending on which small allocation lies above
# them; that changes with the kernels of a processor. With a fixed threshold each block goes when it is freed,
# so that the peak is what the method holds at once.
_GIVE_BACK = {"MALLOC_MMAP_THRESHOLD_": str(1 << 20)}


def bound_mb(units, k, block_values):
    """As in docs/networks.md: blocks, the Krylov space and its image, and a few matrices of k rows."""
    from brodmann.networks.reduction import _BLOCKS, _MORE

    # A block as it is read, in float64, and what makes it here (two more of float32).
    blocks = (4 + 8 + 8) * block_values
    # Basis, image, their copies when they grow, and what is rotated out of them.
    krylov = 4 * (_BLOCKS + 1) * (k + _MORE) * units * 8
    return (blocks + krylov + 20 * k * units * 8) / 2**20


def measured_mb(*shape):
    done = subprocess.run(
        [sys.executable, "-c", _MEASURE, *map(str, shape)],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, **_GIVE_BACK},
    )
    before, after, passes, how = done.stdout.split()
    return float(before), float(after), int(passes), how


def test_memory_does_not_grow_with_the_tokens():
    """Signals of 300 MB (in float64), decomposed in blocks without a copy of them."""
    tokens, units, k, block = 8_000, 5_000, 5, 1 << 20
    before, after, passes, how = measured_mb(tokens, units, k, block)
    assert how == "krylov" and passes > 3
    bound = bound_mb(units, k, block) + _LIBRARIES_MB
    assert after - before < bound < 0.75 * tokens * units * 8 / 2**20


@pytest.mark.slow
def test_a_7b_model_fits_in_memory():
    """100 texts of 512 tokens, 28 layers of 3,584 units: 20 GB of signals, never stored."""
    tokens, units, k, block = 51_200, 100_352, 10, signals_module.BLOCK_VALUES
    before, after, passes, how = measured_mb(tokens, units, k, block)
    print(f"\npeak {after:.0f} MB ({before:.0f} MB before), {passes} passes")
    assert how == "krylov"
    assert after - before < bound_mb(units, k, block) < 8000
