"""How Sphinx builds these pages."""

import sys
from pathlib import Path

from aggregator import __version__

sys.path.append(str(Path(__file__).parent / "_ext"))

project = "hkagg"
author = "the hkagg developers"
copyright = "2026, the hkagg developers"  # noqa: A001 - Sphinx's name
version = release = __version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinxarg.ext", "from_code"]
exclude_patterns = ["_build"]
myst_enable_extensions = ["deflist", "fieldlist"]
myst_heading_anchors = 3
nitpicky = True
# Of the code only the agent's own classes are on these pages, and what their docstrings name is mostly not.
nitpick_ignore_regex = [("py:.*", ".*")]
autodoc_typehints = "none"
napoleon_use_param = False
napoleon_use_rtype = False
# The directive for command lines has a domain that knows nothing of Markdown's links.
suppress_warnings = ["myst.domains"]

html_theme = "furo"
html_title = f"hkagg {__version__}"
