"""Tables of energies: data, each with its source.

A table is TOML. ``source`` says where its numbers come from, ``unit`` what they are: ``MAC`` (one
multiply-accumulate) or ``pJ``. ``[energy]`` has a number for each of :data:`PRICES`: of the access
to a value, whatever its bits; or ``{ energy = 34.0, bits = 64 }``: of an access to a port of 64
bits, of which a wider word takes several and a narrower one a part.
"""

from dataclasses import dataclass
from math import isfinite
from pathlib import Path

from ..config import Config
from ..errors import HwgenError
from ..files import read_toml
from .counts import bits, width
from .items import ITEMS

__all__ = ["DEFAULT", "NAMES", "PRICES", "Table", "table"]

_FOLDER = Path(__file__).parent / "tables"
_UNITS = ("MAC", "pJ")

#: The table that counts if none is named.
DEFAULT = "isca16"

#: Tables that come with hwgen.
NAMES = tuple(sorted(path.stem for path in _FOLDER.glob("*.toml")))

#: Entries of a table.
PRICES = tuple(dict.fromkeys(item.price for item in ITEMS.values() if item.price))


@dataclass(frozen=True)
class Table:
    """Energies of accesses.

    Attributes
    ----------
    name, source, unit : str
    prices : dict of str to (float, int or None)
        For each of :data:`PRICES` the energy, and the bits of the port; None: of a value.
    """
    name: str
    source: str
    unit: str
    prices: dict[str, tuple[float, int | None]]

    def of(self, config: Config, item: str) -> float:
        """Energy of one access of an item; 0 if another item stands for it."""
        price, word = ITEMS[item].price, ITEMS[item].word
        if price is None:
            return 0.0
        energy, port = self.prices[price]
        return energy * (bits(config, word) / port if port else width(config, word))


def table(name: str = DEFAULT) -> Table:
    """The table of a name in :data:`NAMES`, or of a file.

    Raises
    ------
    HwgenError
        It is neither; or the file lacks an energy, or has one that is not a number from 0 on.
    """
    if name in NAMES:
        return _read(name, _FOLDER / f"{name}.toml")
    if not Path(name).is_file():
        raise HwgenError(f"--energy {name!r} is neither a table nor a file: name a TOML file or "
                         f"one of {', '.join(NAMES)}.")
    return _read(Path(name).stem, name)


def _read(name, path):
    what = f"the energy table {path}" if str(path) != name else "the energy table"
    found = read_toml(path, "energy table")
    unknown = [key for key in found if key not in ("source", "unit", "energy")]
    if unknown:
        raise HwgenError(f"{what} has {unknown[0]!r}, which is unknown: it has source, unit and "
                         f"[energy].")
    for key in ("source", "unit"):
        if not isinstance(found.get(key), str) or not found[key]:
            raise HwgenError(f"{what} has no {key}: write {key} = \"...\" at its top.")
    if found["unit"] not in _UNITS:
        raise HwgenError(f"{what} has unit = {found['unit']!r}: it must be "
                         f"{' or '.join(map(repr, _UNITS))}.")
    energies = found.get("energy")
    if not isinstance(energies, dict):
        raise HwgenError(f"{what} has no [energy]: it needs {', '.join(PRICES)}.")
    missing = [price for price in PRICES if price not in energies]
    if missing:
        raise HwgenError(f"{what} lacks {', '.join(missing)} in [energy]: it needs "
                         f"{', '.join(PRICES)}.")
    unknown = [key for key in energies if key not in PRICES]
    if unknown:
        raise HwgenError(f"{what} has {unknown[0]!r} in [energy], which is unknown: it needs "
                         f"{', '.join(PRICES)}.")
    return Table(name, found["source"], found["unit"],
                 {price: _price(what, price, energies[price]) for price in PRICES})


def _price(what, price, value):
    port = None
    if isinstance(value, dict):
        if set(value) != {"energy", "bits"}:
            raise HwgenError(f"{what} has {price} = {value}: a port needs energy and bits, and "
                             f"nothing else.")
        value, port = value["energy"], value["bits"]
        if type(port) is not int or port < 1:
            raise HwgenError(f"{what} has bits = {port!r} for {price}: a whole number, 1 or more, "
                             f"is needed.")
    if type(value) not in (int, float) or not isfinite(value) or value < 0:
        raise HwgenError(f"{what} has {price} = {value!r}: a number, 0 or more, is needed.")
    return float(value), port
