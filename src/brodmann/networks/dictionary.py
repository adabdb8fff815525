"""Sparse maps: dictionary learning (scikit-learn) over reduced signals, begun with CanICA's maps.

Each unit is a sample, described by its k reduced signals; the dictionary's atoms are k courses, and a unit's
sparse code says in which networks it takes part. The codes of one atom over all units are its map.
"""

from __future__ import annotations

import numpy as np

# Penalty on a unit's code, for signals whose units have a mean square of 1.
ALPHA = 0.3
_ITERATIONS = 40


def learn(signals: np.ndarray, maps: np.ndarray, seed: int, alpha: float = ALPHA) -> np.ndarray:
    """Sparse maps [k, columns] of reduced signals [k, columns], near ``maps`` [k, columns]."""
    from sklearn.decomposition import MiniBatchDictionaryLearning

    samples = signals.T / np.sqrt(np.square(signals).sum(0).mean())
    # The courses that go with the maps, by least squares; atoms have length 1.
    atoms = np.linalg.lstsq(maps.T, samples, rcond=None)[0]
    lengths = np.linalg.norm(atoms, axis=1, keepdims=True)
    atoms = atoms / np.where(lengths > 0, lengths, 1.0)
    learner = MiniBatchDictionaryLearning(
        n_components=len(maps),
        alpha=alpha,
        max_iter=_ITERATIONS,
        batch_size=1024,
        dict_init=atoms,
        transform_algorithm="lasso_cd",
        transform_alpha=alpha,
        fit_algorithm="cd",
        random_state=seed,
        n_jobs=1,
    )
    codes: np.ndarray = learner.fit(samples).transform(samples).T
    return codes
