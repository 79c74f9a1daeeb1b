"""The one exception that a user of hwgen is meant to see."""


class HwgenError(Exception):
    """Input that hwgen refuses: an option, configuration, model, image, program or missing tool.

    The message is one sentence that names the thing, its value, what is allowed and what to do.
    The command line prints it without a traceback and exits with code 2.
    """
