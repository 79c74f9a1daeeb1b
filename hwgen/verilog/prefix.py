"""A prefix of all module names, so that two accelerators can stand in one design."""

import re

from ..errors import HwgenError

__all__ = ["add", "check", "of", "remove"]


def of(config):
    """The prefix of a configuration, unlike that of any other: its name and hash."""
    return f"{config.name.replace('-', '_')}_{config.hash:08x}"


def check(prefix):
    """The name that a prefix begins with, as given by the user; refuses what is no identifier."""
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]{0,63}", prefix):
        raise HwgenError(f"--prefix {prefix} is not allowed: use a letter, then up to 63 letters, "
                         f"digits and underscores.")
    return prefix


def add(verilog, prefix):
    """Put ``prefix`` and an underscore before the names of all modules of a text."""
    names = "|".join(re.findall(r"^module (\w+)", verilog, re.M))
    return re.sub(rf"^(module |  )(?=(?:{names}) )", rf"\g<1>{prefix}_", verilog, flags=re.M)


def remove(verilog, prefix):
    """The text as it was before :func:`add`."""
    return re.sub(rf"^(module |  ){prefix}_", r"\1", verilog, flags=re.M)
