"""Report -> text: terminal, json, html, markdown, github.

Renderers switch on the type of evidence, never on a check.
"""
