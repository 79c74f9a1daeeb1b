"""A network and its program, with what the accelerator cannot run left to the host."""

from ..errors import LayerError

__all__ = ["fitted"]


def fitted(model, compiling):
    """``(network, program)`` of a model.

    Parameters
    ----------
    model : Model
    compiling : callable
        From a network to its program.

    Raises
    ------
    HwgenError
        The network does not fit the memory, or a layer not a mapping that is given for it.
    """
    refused = {}
    while True:
        network = model.network(refused)
        try:
            return network, compiling(network)
        except LayerError as error:
            if error.tensor in refused:
                raise
            refused[error.tensor] = str(error)
