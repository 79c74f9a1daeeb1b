"""Docstrings in NumPy's style: their first sentence, and the entries of their sections."""

import inspect
import re

__all__ = ["entries", "summary"]


def summary(class_):
    """The first sentence of a class's docstring; empty if there is no docstring."""
    return re.split(r"(?<=\.)\s|\n\n", inspect.getdoc(class_) or "", maxsplit=1)[0]


def entries(class_, section):
    """Yield ``(heading, text)`` of each entry of a section, such as ``Members``; the text is as it
    stands in the docstring."""
    found = re.search(rf"^{section}\n-+\n(.*?)(?=^\w.*\n-+$|\Z)", inspect.getdoc(class_) or "",
                      re.M | re.S)
    for entry in re.split(r"^(?=\S)", found[1], flags=re.M)[1:] if found else ():
        heading, _, text = entry.partition("\n")
        yield heading.strip(), text
