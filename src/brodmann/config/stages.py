"""Names of stages that sections of the config speak of together (``Section.depends``)."""

ATTRIBUTION = ("attribution_pass", "attribution", "agreement", "trials")
ABLATION = ("ablation_pass", "ablation")
FAITHFULNESS = ("faithfulness_pass", "faithfulness", "rivals")
LOCALIZER = ("localizer_pass", "localizer")
LESION = ("lesion_pass", "lesion")
NETWORKS = ("networks_pass", "networks")
NETWORK_USE = ("network_use_pass", "network_use")
UNIT_PAGES = ("unit_pages",)
