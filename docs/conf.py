"""Sphinx's settings: the Markdown files of this folder, with warnings as errors (``make docs``)."""

project = "notebookviz"
author = "The notebookviz developers"
extensions = ["myst_parser"]
html_theme = "alabaster"
html_show_sourcelink = False
