"""A model as ``map`` and ``compile`` read it: for inputs whose values decide shapes, too."""

import click

from ..host import inputs
from ..importer import onnx_import
from ..importer.float_models import refuse_float
from ..importer.onnx_graph import zeros
from ..network import golden

__all__ = ["given", "model"]

given = click.option("--input", "texts", multiple=True, metavar="[NAME=]FILE",
                     help="Values of inputs that decide shapes inside of the model; the others "
                          "are taken as zeros. The mappings are for these shapes.")


def model(path, shapes, config, integer, texts):
    """The :class:`~hwgen.importer.onnx_import.Model` of a file.

    Parameters
    ----------
    path : path
    shapes : dict of str to tuple
        What ``--shape`` says.
    config : Config
    integer : bool
    texts : tuple of str
        What ``--input`` says.

    Raises
    ------
    HwgenError
        The file or an input cannot be read, or does not suit the others; the model is a float one.
    """
    files = inputs.named(texts)
    shapes = {**inputs.shapes(files, path), **shapes}
    read = onnx_import.Model(path, shapes, config.tables, integer=integer)
    refuse_float(read, path)
    if not files:
        return read
    found = inputs.load(files, read.graph)
    sample = {name: zeros(*value) for name, value in read.graph.inputs.items()}
    sample = golden.checked(read.graph, {**sample, **found})
    return onnx_import.Model(path, shapes, config.tables, integer=integer, sample=sample)
