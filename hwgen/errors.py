"""The one exception that a user of hwgen is meant to see."""


class HwgenError(Exception):
    """Input that hwgen refuses: an option, configuration, model, image, program or missing tool.

    The message is one sentence that names the thing, its value, what is allowed and what to do.
    The command line prints it without a traceback and exits with code 2.
    """


class LayerError(HwgenError):
    """A layer that the accelerator cannot run; it can be left to the host.

    Attributes
    ----------
    tensor : str
        What the layer gives.
    """
    def __init__(self, message, tensor):
        super().__init__(message)
        self.tensor = tensor
