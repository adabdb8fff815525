"""The site of these pages: `make docs` builds it into site-docs/, with warnings as errors.

Sphinx with MyST was chosen over MkDocs Material. A build checks every link and every anchor of a heading.
The Python reference comes from docstrings and signatures of the code that is imported. Search works from a
folder of files, and no page asks another server for fonts or scripts. MkDocs is no longer maintained, and
MkDocs Material gets repairs only. The pages stay Markdown that reads well without the site.

The source is the whole repository, so that links to files beside `docs/` are checked, too: they become
downloads.
"""

import brodmann

project = "brodmann"
author = "The brodmann developers"
copyright = author
version = release = brodmann.__version__
html_title = f"brodmann {version}"

extensions = ["myst_parser", "sphinx.ext.autodoc"]
root_doc = "docs/index"
include_patterns = [
    "README.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "CODE_OF_CONDUCT.md",
    "SECURITY.md",
    "docs/**",
    "stimuli/README.md",
    "stimuli/corpora/README.md",
]
# Folders that are no source: they are not even looked through.
exclude_patterns = [".*", "results", "studies", "logs", "benchmarks", "site-docs", "src", "tests"]

myst_heading_anchors = 4  # as GitHub makes them
myst_enable_extensions = ["html_image"]
highlight_language = "none"

nitpicky = True
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
autodoc_member_order = "bysource"
# Types of other libraries have no page here.
nitpick_ignore_regex = [("py:.*", r".*")]

html_theme = "furo"
html_copy_source = False
html_show_sphinx = False
html_extra_path = ["site"]  # the first page stands in docs/, as in the repository
html_theme_options = {
    "source_repository": "https://github.com/brodmann-maps/brodmann",
    "source_branch": "main",
}
