"""brodmann: functional maps of language models, from circuits to localizers to networks.

docs/architecture.md shows the package. Importing ``brodmann`` itself imports nothing heavy, so that light
jobs start at once.
"""

import os

__version__ = "0.1.0"

# Threads of torch that wait for each other do so in a loop before they sleep. By default that takes
# milliseconds: where another process runs on the same cores, it waits for them meanwhile, and a pass takes
# up to thirty times as long. A loop this short costs an idle machine little (docs/performance.md). The
# variable is read when torch is imported.
if not {"OMP_WAIT_POLICY", "GOMP_SPINCOUNT"} & os.environ.keys():
    os.environ["GOMP_SPINCOUNT"] = "1000"
