"""Does overlap predict ablation? Structure (how far two circuits overlap) against function (what breaks).

Over the off-diagonal directed pairs (source, target) that have both values: a mixed-effects regression of
the accuracy drop on the standardised overlap, with crossed random intercepts for source and target (REML),
pooled over models with a random intercept for the model too; and Spearman's correlation, tested by
permuting tasks (Mantel), with an interval from resampling tasks: pairs of a task are not independent.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.stats import rankdata, spearmanr

BOOTSTRAPS = 1000
# With fewer tasks resamples that hold several of them are too alike to say anything.
MIN_TASKS = 5
LEVEL = 0.95


@dataclass(frozen=True)
class Regression:
    """The drop in accuracy that goes with one SD of overlap; NaN with a note where it was not fitted."""

    coefficient: float
    se: float
    low: float
    high: float
    p: float
    converged: bool
    note: str  # what the fit warned about

    @classmethod
    def undefined(cls, note: str) -> Regression:
        """Not fitted, and why."""
        return cls(*[float("nan")] * 5, converged=False, note=note)


@dataclass(frozen=True)
class Correlation:
    """Spearman's rho over pairs; p from permuted tasks, interval from resampled tasks."""

    rho: float
    low: float
    high: float
    p: float


def pair_table(overlap: pd.DataFrame, drop: pd.DataFrame) -> pd.DataFrame:
    """source, target, overlap, drop of the off-diagonal directed pairs that have both values."""
    tasks = [task for task in overlap.index if task in set(drop.index)]
    first = overlap.loc[tasks, tasks].to_numpy(dtype=float)
    second = drop.loc[tasks, tasks].to_numpy(dtype=float)
    usable = np.isfinite(first) & np.isfinite(second) & ~np.eye(len(tasks), dtype=bool)
    rows, columns = np.nonzero(usable)
    names = np.array(tasks, dtype=object)
    return pd.DataFrame(
        {
            "source": names[rows],
            "target": names[columns],
            "overlap": first[rows, columns],
            "drop": second[rows, columns],
        }
    )


def regress(pairs: pd.DataFrame) -> Regression:
    """drop ~ standardised overlap + (1 | source) + (1 | target) [+ (1 | model), if there are several]."""
    import statsmodels.api as sm

    effects = {"source": "0 + C(source)", "target": "0 + C(target)"}
    if "model" in pairs and pairs["model"].nunique() > 1:
        effects["model"] = "0 + C(model)"
    if len(pairs) < 3 + len(effects):
        return Regression.undefined(f"too few pairs ({len(pairs)})")
    for column in ("overlap", "drop"):
        if pairs[column].nunique() < 2:
            return Regression.undefined(f"the {column} is the same for all pairs")
    data = pairs.reset_index(drop=True)
    x = data["overlap"]
    data = data.assign(x=(x - x.mean()) / x.std(ddof=1), whole=1)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            model = sm.MixedLM.from_formula(
                "drop ~ x", data, groups="whole", re_formula="0", vc_formula=effects
            )
            fit = model.fit(reml=True, method=["lbfgs", "powell"])
        except (np.linalg.LinAlgError, ValueError) as error:
            return Regression.undefined(f"the fit failed: {error}")
    low, high = fit.conf_int(alpha=1 - LEVEL).loc["x"]
    # What Python itself warns about (unclosed files, deprecations) says nothing on the fit.
    said = [str(w.message) for w in caught if issubclass(w.category, UserWarning | RuntimeWarning)]
    return Regression(
        coefficient=float(fit.fe_params["x"]),
        se=float(fit.bse_fe["x"]),
        low=float(low),
        high=float(high),
        p=float(fit.pvalues["x"]),
        converged=bool(fit.converged),
        note="; ".join(dict.fromkeys(said)),
    )


def correlate(
    overlap: pd.DataFrame, drop: pd.DataFrame, *, permutations: int, seed: int
) -> Correlation:
    """Spearman over the pairs of one model, with its interval and one-sided Mantel p."""
    undefined = Correlation(*[float("nan")] * 4)
    pairs = pair_table(overlap, drop)
    if len(pairs) < 3 or pairs["overlap"].nunique() < 2 or pairs["drop"].nunique() < 2:
        return undefined
    rho = float(spearmanr(pairs["overlap"], pairs["drop"]).statistic)
    tasks = sorted({*pairs["source"], *pairs["target"]})
    first = overlap.loc[tasks, tasks].to_numpy(dtype=float)
    second = drop.loc[tasks, tasks].to_numpy(dtype=float)
    low, high = _interval(first, second, seed)
    return Correlation(rho, low, high, mantel(first, second, permutations=permutations, seed=seed))


def mantel(first: np.ndarray, second: np.ndarray, *, permutations: int, seed: int) -> float:
    """(1 + #{rho of permuted >= rho}) / (1 + n): rows and columns of ``first`` permuted together.

    Where too few pairs are left to a permutation it has no rho, and does not count in n.
    """
    n = len(first)
    rng = np.random.default_rng(seed)
    orders = [rng.permutation(n) for _ in range(permutations)]
    off = ~np.eye(n, dtype=bool)
    if np.isfinite(first[off]).all() and np.isfinite(second[off]).all():
        null = _permuted_rank_correlations(first, second, orders, off)
    else:
        # Missing cells move with the tasks: which pairs count differs from one order to the next.
        null = [_spearman(first[np.ix_(order, order)][off], second[off]) for order in orders]
    observed = _spearman(first[off], second[off])
    null = np.asarray(null)[np.isfinite(null)]
    return float((1 + (null >= observed - 1e-12).sum()) / (1 + len(null)))


def _permuted_rank_correlations(
    first: np.ndarray, second: np.ndarray, orders: list[np.ndarray], off: np.ndarray
) -> np.ndarray:
    """Ranks do not change when tasks are permuted: only which rank meets which."""
    ranks, others = np.zeros(first.shape), rankdata(second[off])
    ranks[off] = rankdata(first[off])
    others = (others - others.mean()) / (others.std() * len(others))
    rows, columns = np.nonzero(off)
    spread = ranks[off].std()
    return np.array([ranks[order[rows], order[columns]] @ others for order in orders]) / spread


def _interval(first: np.ndarray, second: np.ndarray, seed: int) -> tuple[float, float]:
    """Percentile interval: tasks drawn with replacement; a task never meets itself."""
    rng = np.random.default_rng(seed)
    n = len(first)
    if n < MIN_TASKS:
        return float("nan"), float("nan")
    found = []
    for _ in range(BOOTSTRAPS):
        drawn = rng.integers(n, size=n)
        use = drawn[:, None] != drawn[None, :]
        grid = np.ix_(drawn, drawn)
        found.append(_spearman(first[grid][use], second[grid][use]))
    found = np.array(found)[np.isfinite(found)]
    if len(found) < 2:
        return float("nan"), float("nan")
    low, high = np.quantile(found, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)


def _spearman(a: np.ndarray, b: np.ndarray) -> float:
    """Over the pairs that both have; NaN where one side is constant."""
    use = np.isfinite(a) & np.isfinite(b)
    if use.sum() < 3:
        return float("nan")
    a, b = rankdata(a[use]), rankdata(b[use])
    spread = a.std() * b.std()
    return float(((a - a.mean()) * (b - b.mean())).mean() / spread) if spread else float("nan")
