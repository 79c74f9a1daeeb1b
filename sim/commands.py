"""Commands for tests."""

from hwgen import isa

__all__ = ["allowed"]


def allowed(name, **values):
    """The bytes of a command whose fields are the least that is allowed, or derived from others,
    but for those given."""
    least = {field.name: 1 for field, _ in isa.COMMANDS[name].fields()
             if field.least and not field.derive}
    return isa.pack(name, **{**least, **values})
