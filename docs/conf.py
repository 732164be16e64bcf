"""How Sphinx builds these pages."""

import sys
from pathlib import Path

from aggregator import __version__

sys.path.append(str(Path(__file__).parent / "_ext"))

project = "hkagg"
author = "the hkagg developers"
copyright = "2026, the hkagg developers"  # noqa: A001 - Sphinx's name
version = release = __version__

extensions = ["myst_parser", "from_code"]
exclude_patterns = ["_build"]
myst_enable_extensions = ["deflist", "fieldlist"]
myst_heading_anchors = 3
nitpicky = True

html_theme = "furo"
html_title = f"hkagg {__version__}"
