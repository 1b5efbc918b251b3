"""Sphinx: the pages of this folder as a site. ``sphinx-build -W docs build/docs``, with the extra ``docs``."""

from __future__ import annotations

import re
from pathlib import Path

_ROOT = Path(__file__).resolve().parent.parent

project = "safepickle"
copyright = "safepickle contributors"  # noqa: A001 - Sphinx's name
author = "safepickle contributors"
_version = re.search(r'^version = "(.+)"', (_ROOT / "pyproject.toml").read_text("utf-8"), re.MULTILINE)
release = version = _version[1] if _version else ""

extensions = ["myst_parser"]
source_suffix = {".md": "markdown"}
exclude_patterns = ["build"]
html_theme = "furo"
html_title = f"safepickle {release}"
myst_heading_anchors = 3
# Some pages are read on GitHub too and link to files of the repository.
suppress_warnings = ["myst.xref_missing"]
