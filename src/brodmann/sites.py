"""The table of unit sites: where in a decoder block units live, how wide they are, and what they are called.

It stands at the bottom of the package, not among the models: config offers these names, and all that is above
it reads them. Which module of a family has a site is said in ``models.families``.
"""

from __future__ import annotations

from dataclasses import dataclass

INPUT, OUTPUT = "input", "output"
# What a site is as wide as: the residual stream, the MLP's hidden layer, all heads side by side; in a mixture
# what all experts add, side by side, or a number for each of them.
HIDDEN, NEURONS, HEADS, EXPERTS, ROUTER = "hidden", "neurons", "heads", "experts", "router"


@dataclass(frozen=True)
class Site:
    """One kind of place in every block. ``side``: of its module, at which the units are."""

    name: str
    side: str
    width: str
    label: str  # of its units, in prose
    component: str = ""  # what circuits of these units are called in the config
    writes_to: str = ""  # the site at which an edit of its units is proved to arrive
    localized: bool = False  # whether localizers look for units there
    named: bool = (
        True  # whether a key of ``models.NAME.units`` names its module; else it is the block
    )

    @property
    def residual(self) -> bool:
        """Whether its units are dimensions of the residual stream."""
        return self.width == HIDDEN

    def units(self, *, hidden: int, neurons: int, heads: int, experts: int = 0) -> int:
        """The width in a model of these widths, with so many experts in a layer."""
        widths = {HIDDEN: hidden, NEURONS: neurons, HEADS: heads}
        return {**widths, EXPERTS: experts * hidden, ROUTER: experts}[self.width]


# In the order in which a block computes them: a trace must ask for them in this order.
SITES: dict[str, Site] = {
    site.name: site
    for site in (
        Site(
            *("heads", INPUT, HEADS, "attention heads (the input of the output projection)"),
            component="heads",
            writes_to="attention_output",
        ),
        Site("attention_output", OUTPUT, HIDDEN, "outputs of the attention blocks"),
        Site(
            *("mlp_hidden", INPUT, NEURONS),
            label="hidden neurons of the MLPs (the input of the down projection)",
            component="neurons",
            writes_to="mlp_output",
            localized=True,
        ),
        Site("mlp_output", OUTPUT, HIDDEN, "outputs of the MLPs", localized=True),
        Site(
            *("block_output", OUTPUT, HIDDEN),
            label="outputs of the decoder blocks (the residual stream)",
            localized=True,
            named=False,
        ),
    )
}
# Of mixtures of experts alone: no other model lacks it, and it is proved where a study asks for it.
OF_MIXTURES = {
    site.name: site
    for site in (
        Site(
            *("router", INPUT, ROUTER, "routers' logits (one for each expert)"),
            component="router",
            writes_to="mlp_output",
            named=False,
        ),
        Site(
            *("experts", INPUT, EXPERTS, "experts (what each adds, times the router's weight)"),
            component="experts",
            writes_to="mlp_output",
            named=False,
        ),
    )
}
_ORDER = (
    "heads",
    "attention_output",
    "router",
    "mlp_hidden",
    "experts",
    "mlp_output",
    "block_output",
)
# All of them, in the order in which a block computes them.
PLACES: dict[str, Site] = {name: {**SITES, **OF_MIXTURES}[name] for name in _ORDER}
# What circuits are made of -> its site; the usual one first.
COMPONENTS = {
    site.component: name
    for name, site in (*reversed(SITES.items()), *OF_MIXTURES.items())
    if site.component
}
# Sites whose units write to another site.
WRITES_TO = {name: site.writes_to for name, site in SITES.items() if site.writes_to}
# Sites that a key under ``units`` names.
NAMED = tuple(name for name, site in SITES.items() if site.named)
# Sites of which every dimension is a unit, from the block's output inwards. A head has many dimensions.
UNIT_SITES = tuple(name for name, site in reversed(SITES.items()) if site.width != HEADS)
LOCALIZED = tuple(name for name in UNIT_SITES if SITES[name].localized)


@dataclass(frozen=True)
class Part:
    """Units of one component among those of a level; ``whole``: all that a layer has of them are one unit."""

    component: str
    whole: bool = False

    @property
    def site(self) -> str:
        """Where they are silenced: a whole layer where it writes to the residual stream."""
        own = COMPONENTS[self.component]
        return WRITES_TO[own] if self.whole else own

    def count(self, units: int) -> int:
        """How many of a level's units a block has, if it has ``units`` of the component."""
        return 1 if self.whole else units


@dataclass(frozen=True)
class Level:
    """A granularity of circuits. A block's units are numbered part by part."""

    label: str  # of its units, in prose
    parts: tuple[Part, ...]

    @property
    def sites(self) -> tuple[str, ...]:
        """Where its units are silenced."""
        return tuple(part.site for part in self.parts)

    @property
    def components(self) -> tuple[str, ...]:
        """Whose attributions its scores are made of."""
        return tuple(part.component for part in self.parts)

    @property
    def sums(self) -> bool:
        """Whether a unit's score is a sum over finer units."""
        return any(part.whole for part in self.parts)

    @property
    def sums_neurons(self) -> bool:
        """Whether it is one over all neurons of a layer."""
        return any(part.whole and part.component == "neurons" for part in self.parts)


# From the finest to the coarsest; components are levels, too.
LEVELS = {
    "neurons": Level("neurons", (Part("neurons"),)),
    "heads": Level("attention heads", (Part("heads"),)),
    "mixed": Level("heads and MLP layers", (Part("heads"), Part("neurons", whole=True))),
    "mlp_layers": Level("MLP layers", (Part("neurons", whole=True),)),
    "attention_layers": Level("attention layers", (Part("heads", whole=True),)),
}
# With those of mixtures, which are components only.
ALL_LEVELS = {
    **LEVELS,
    **{name: Level(name, (Part(site.component),)) for name, site in OF_MIXTURES.items()},
}
