"""The page's colours (atlas/src/palette.ts), for the same pictures from Python.

Signed values run from blue over near-white to red, as ``interpolateRdBu`` of d3 has them: a cubic B-spline
through ColorBrewer's eleven colours, whose nearly black ends are left out.
"""

from __future__ import annotations

import numpy as np

from brodmann.atlas.contract import Circuit, Domains

_RDBU = "67001fb2182bd6604df4a582fddbc7f7f7f7d1e5f092c5de4393c32166ac053061"
_ENDS = 0.06  # of the scale, on both sides, that is not used
STEPS = 256
GROUND = np.array((240, 241, 244))  # of units that nothing is known of
# A unit that no circuit holds has at most this part of its domain's colour.
_FAINT, _LEAST, _FULL_STRENGTH = 0.55, 0.25, 4.0
NONE, SEVERAL = 255, 254


def rgb(colour: str) -> np.ndarray:
    """``#RRGGBB`` as three numbers up to 255."""
    return np.array([int(colour[place : place + 2], 16) for place in (1, 3, 5)])


def _spline(colours: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Uniform cubic B-spline through [n, 3] at shares [m] of its length; its ends are the first and last."""
    last = len(colours) - 1
    place = np.clip(np.floor(at * last).astype(int), 0, last - 1)
    t = (at * last - place)[:, None]
    first, second = colours[place], colours[place + 1]
    before = np.where(place[:, None] > 0, colours[place - 1], 2 * first - second)
    beyond = colours[np.minimum(place + 2, last)]
    after = np.where(place[:, None] < last - 1, beyond, 2 * second - first)
    found: np.ndarray = (
        (1 - t) ** 3 * before
        + (4 - 6 * t**2 + 3 * t**3) * first
        + (1 + 3 * t + 3 * t**2 - 3 * t**3) * second
        + t**3 * after
    ) / 6
    return found


def signed_table() -> np.ndarray:
    """u8 [256, 3]: from the most negative to the most positive."""
    colours = np.array([rgb(f"#{_RDBU[n : n + 6]}") for n in range(0, len(_RDBU), 6)], dtype=float)
    share = (np.arange(STEPS) + 0.5) / STEPS
    found = _spline(colours, 1 - (_ENDS + (1 - 2 * _ENDS) * share))
    return np.floor(found + 0.5).astype(np.uint8)


def end_of(values: np.ndarray) -> float:
    """Where colours of signed values end: what one cell in a thousand exceeds in magnitude, in two digits."""
    flat = np.abs(values[np.isfinite(values)])
    if not flat.size or not flat.max():
        return 1.0
    flat.sort()
    found = float(flat[int(len(flat) * 0.999)] or flat[-1])
    return float(f"{found:.2g}")


def signed(values: np.ndarray, end: float) -> np.ndarray:
    """u8 [..., 3] of values, whose colours are fullest at +-``end``."""
    place = np.floor((0.5 + values / end / 2) * STEPS)
    found: np.ndarray = signed_table()[np.clip(place, 0, STEPS - 1).astype(int)]
    return found


def owners(
    circuits: dict[str, Circuit], domain_of_task: dict[str, int], layers: int, width: int
) -> np.ndarray:
    """u8 [layers, width]: the domain whose circuits hold a unit; ``SEVERAL``, or ``NONE``."""
    found = np.full(layers * width, NONE, dtype=np.uint8)
    for task, circuit in circuits.items():
        own, domain = found[circuit.units], domain_of_task[task]
        found[circuit.units] = np.where((own == NONE) | (own == domain), domain, SEVERAL)
    return found.reshape(layers, width)


def of_domains(
    owner: np.ndarray,
    domains: Domains,
    colours: list[np.ndarray],
    shared: np.ndarray,
    only: int = -1,
) -> np.ndarray:
    """u8 [layers, width, 3]: units of circuits in full colour, others faintly in their dominant domain's.

    These are the fainter, the weaker they are and the more evenly their attribution is spread over domains.
    ``only``: the domain that is to stand out.
    """
    even = 1 / max(1, len(colours))
    palette = np.array([*colours, GROUND], dtype=float)
    dominant = np.minimum(domains.dominant, len(colours))
    others = (only >= 0) & (dominant != only)
    own = (domains.share - even) / max(1 - even, 1e-9)
    strong = np.minimum(1, domains.strength / _FULL_STRENGTH)
    faint = np.where(others, 0.25, 1) * _FAINT * strong * (_LEAST + (1 - _LEAST) * own)
    faint = np.where(dominant < len(colours), faint, 0)[..., None]
    found: np.ndarray = GROUND + (palette[dominant] - GROUND) * faint
    for number, colour in enumerate(colours):
        full = GROUND + (colour - GROUND) * (0.18 if 0 <= only != number else 1)
        found[owner == number] = full
    found[owner == SEVERAL] = shared
    pixels: np.ndarray = np.floor(found + 0.5).astype(np.uint8)
    return pixels
