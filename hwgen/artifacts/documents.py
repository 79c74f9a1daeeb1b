"""Generated parts of the documents in docs/.

``python -m hwgen.artifacts.documents docs`` brings them up to date. A part stands between
``<!-- BEGIN GENERATED name [argument] -->`` and ``<!-- END GENERATED -->``; the names are the keys
of :data:`PARTS`.
"""

import functools
import importlib
import inspect
import pkgutil
import re
import sys
from pathlib import Path

import click

from .. import energy, rtl
from ..config import ABOUT, PRESETS, Config
from ..config.parameters import LIMITS
from ..docstrings import entries, summary
from ..energy.items import ITEMS
from ..energy.prices import NAMES, PRICES
from ..machines import machines
from ..rtl.block import Block
from ..synth.targets import TARGETS
from . import command_files as commands
from . import register_files as registers

__all__ = ["PARTS", "blocks", "refresh", "refresh_all"]


def _table(headings, rows):
    lines = [headings, ["---"] * len(headings), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _markdown(text):
    """The text of a docstring, on one line, in Markdown."""
    text = re.sub(r":\w+:`[~.!]*(?:[\w.]*\.)?(\w+)`", r"`\1`", " ".join(text.split()))
    return text.replace("``", "`").replace("|", "\\|")


@functools.cache
def blocks():
    """The classes of all blocks of :mod:`hwgen.rtl`, by name."""
    modules = (importlib.import_module(module.name)
               for module in pkgutil.walk_packages(rtl.__path__, f"{rtl.__name__}."))
    return {name: value for module in modules for name, value in vars(module).items()
            if inspect.isclass(value) and issubclass(value, Block)
            and value.__module__ == module.__name__}


def _entries(class_, section):
    """``(heading, text)`` of each entry of a section of a class's docstring, in Markdown."""
    return ((heading, _markdown(text)) for heading, text in entries(class_, section))


def ports(name):
    """A table of the ports of a block, from the Members section of its class's docstring."""
    return _table(["ports", "meaning"], ([f"`{heading}`", text]
                                         for heading, text in _entries(blocks()[name], "Members")))


def parameters():
    """A table of a configuration's parameters, from the Attributes section of its docstring."""
    def values(name):
        allowed = {"machine": machines(), "name": ()}.get(name, LIMITS.get(name, ("false", "true")))
        if isinstance(allowed, range):
            return f"{allowed[0]} to {allowed[-1]}"
        return ", ".join(f"`{value}`" for value in allowed) or "text"

    def row(heading, text):
        names = heading.partition(" : ")[0].split(", ")
        return [", ".join(f"`{name}`" for name in names), values(names[0]), text]
    return _table(["parameter", "values", "meaning"],
                  (row(*entry) for entry in _entries(Config, "Attributes")))


def contract(name):
    """What a block's docstring says of it before its sections, as paragraphs."""
    text = re.split(r"^\w+\n-+$", inspect.getdoc(blocks()[name]), maxsplit=1, flags=re.M)[0]
    paragraphs = text.strip().replace("::\n", ":\n").split("\n\n")
    return "\n\n".join(paragraph if paragraph.startswith(" ") else _markdown(paragraph)
                       for paragraph in paragraphs)


def parts(*names):
    """A table of blocks: the Verilog module, its source, the first sentence of its docstring.

    For pages in docs/reference/blocks: the links lead there.
    """
    def row(block):
        path = f"{block.__module__.replace('.', '/')}.py"
        module = getattr(block, "module_name", Path(path).stem)
        return [f"[`{module}`](../../../{path})", _markdown(summary(block))]
    return _table(["module", "what it does"], (row(blocks()[name]) for name in names))


def package(name):
    """The table :func:`parts` of all blocks of a package of hwgen/rtl, as ``parallel/store``."""
    inside = f"{rtl.__name__}.{name.replace('/', '.')}."
    return parts(*(key for key, block in blocks().items() if block.__module__.startswith(inside)))


def presets():
    """A list of the presets, and a table of their parameters."""
    names = [name for name in Config().to_dict() if name != "name"]
    return "\n".join(f"* `{name}`: {ABOUT[name]}." for name in PRESETS) + "\n\n" + _table(
        ["parameter", *(f"`{name}`" for name in PRESETS)],
        ([f"`{key}`", *(str(getattr(config, key)).lower() for config in PRESETS.values())]
         for key in names))


def targets():
    """A table of the targets of ``hwgen synth``, and one of what their devices hold."""
    def capacity(target, resource):
        return str((target.capacity or {}).get(resource, "-"))
    resources = ("logic_cells", "ff", "bram", "dsp")
    return _table(
        ["`--target`", "device", "base", "place and route", "logic cells", "flip-flops",
         "block RAMs", "multipliers"],
        ([f"`{target.name}`", target.title, f"`{target.preset}`", target.family.nextpnr or "no",
          *(capacity(target, resource) for resource in resources)]
         for target in TARGETS.values())) + "\n\n" + _table(
        ["`--target`", "a logic cell", "a flip-flop", "a block RAM", "a multiplier"],
        ([f"`{target.name}`", *(target.family.units.get(resource, "-") for resource in resources)]
         for target in TARGETS.values()))


def command_line():
    """A section for each command of ``hwgen``: what it does, its arguments and options."""
    from ..cli import cli
    context = click.Context(cli, info_name="hwgen")
    return "\n\n".join(_command(context, name) for name in cli.list_commands(context))


def _command(parent, name):
    command = parent.command.get_command(parent, name)
    context = click.Context(command, info_name=name, parent=parent)
    usage = " ".join(command.collect_usage_pieces(context))
    rows = [[f"`{option}`".replace("|", "\\|"), text.replace("|", "\\|")]
            for option, text in (parameter.get_help_record(context)
                                 for parameter in command.params
                                 if isinstance(parameter, click.Option))]
    paragraphs = inspect.cleandoc(command.help).split("\n\n")
    return "\n\n".join([f"## `hwgen {name}`", f"    python -m hwgen {name} {usage}",
                        *map(_markdown, paragraphs), _table(["option", "meaning"], rows)])


def energy_items():
    """A table of what is counted of a layer."""
    return _table(
        ["count", "level", "kind", "an access", "energy", "what"],
        ([f"`{name}`", item.level, item.kind, item.word,
          f"`{item.price}`" if item.price else "-", item.doc] for name, item in ITEMS.items()))


def energy_tables():
    """The tables of energies that come with hwgen, and where they are from."""
    tables = [energy.table(name) for name in NAMES]

    def price(value, port):
        return f"{value:g}" if port is None else f"{value:g}, {port} bits"
    return _table(
        ["entry", *(f"`{table.name}`, {table.unit}" for table in tables)],
        ([f"`{name}`", *(price(*table.prices[name]) for table in tables)] for name in PRICES)
    ) + "\n\n" + "\n".join(f"* `{table.name}`: {table.source}." for table in tables)


PARTS = {
    "command_line": command_line,
    "commands": commands.markdown,
    "package": package,
    "parameters": parameters,
    "contract": contract,
    "energy_items": energy_items,
    "energy_tables": energy_tables,
    "parts": parts,
    "ports": ports,
    "presets": presets,
    "registers": lambda: registers.markdown(Config()).split("-->\n", 1)[1],
    "targets": targets,
}


def refresh(text):
    """``text`` with every generated part as it is now."""
    def part(match):
        begin, name, argument, end = match.groups()
        return f"{begin}\n{PARTS[name](*argument.split()).strip()}\n{end}"

    return re.sub(r"(<!-- BEGIN GENERATED (\w+)([ \w/]*) -->).*?(<!-- END GENERATED -->)", part,
                  text, flags=re.S)


def refresh_all(folder):
    """Bring the generated parts of all pages below a folder up to date."""
    for path in Path(folder).rglob("*.md"):
        text = path.read_text()
        if refresh(text) != text:
            path.write_text(refresh(text))


if __name__ == "__main__":
    refresh_all(sys.argv[1])
