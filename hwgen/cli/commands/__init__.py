"""The commands of the command line, one module each.

Each module here is a command of the same name: it defines ``command``, a :class:`click.Command`,
whose function returns its exit code, or nothing for 0, and raises
:exc:`~hwgen.errors.HwgenError` for what it refuses. It is imported only when it is used.
"""
