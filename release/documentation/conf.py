"""Settings of Sphinx for the documentation site."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "client"))  # whose reference is made from its docstrings

project = "gestaltgen"
author = "the gestaltgen authors"
copyright = "the gestaltgen authors, Apache-2.0"  # noqa: A001
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
root_doc = "index"
highlight_language = "none"  # of blocks that name no language

myst_heading_anchors = 6
smartquotes = False  # which would join the two dashes of options
default_role = "code"  # of docstrings, whose code has single quotes as in Markdown
autodoc_member_order = "bysource"
autodoc_typehints = "description"
autodoc_mock_imports = ["torch"]

html_theme = "furo"
html_title = "gestaltgen"
html_static_path = [str(Path(__file__).with_name("static"))]
html_css_files = ["site.css"]
html_js_files = ["site.js"]
html_show_sphinx = False
html_copy_source = False
