"""Where results stand: a file of SQLite, written as they come.

Tables: ``space`` (what the file belongs to), ``points`` (a row a point: its parameters, metrics,
and why it was refused), ``networks`` and ``layers`` (by point). ``pandas.read_sql`` reads each.
"""

import sqlite3
from pathlib import Path

from ..errors import HwgenError
from .evaluate import METRICS

__all__ = ["FILE", "Store"]

#: Name of the file in the folder of an exploration.
FILE = "points.sqlite"

_NETWORK = ("network", "weight", "macs", "cycles", "utilisation", "dram_bytes",
            "energy")
_LAYER = ("layer", "count", "macs", "cycles", "bound", "array_bound", "dram_bytes",
          "energy", "mapping")


class Store:
    """The results of an exploration; a context manager.

    Parameters
    ----------
    folder : path
        Made if it does not exist.
    space : Space
    resume : bool
        Go on with the file that is there.

    Raises
    ------
    HwgenError
        There is a file already, and it is not to be gone on with, belongs to another space, or is
        none of these.
    """
    def __init__(self, folder, space, resume):
        self._space = space
        self._parameters = [name for name in space.base.to_dict() if name != "name"]
        path = Path(folder) / FILE
        if path.exists() and not resume:
            raise HwgenError(f"--out {folder} holds results already: go on with --resume, or name "
                             f"another folder.")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._db = sqlite3.connect(path)
            self._db.execute("PRAGMA journal_mode = WAL")
            self._create()
            found = self._db.execute("SELECT value FROM space WHERE name = 'hash'").fetchone()
        except (OSError, sqlite3.Error) as error:
            raise HwgenError(f"the results {path} cannot be read or written: {error}; name "
                             f"another folder with --out.") from None
        if found and found[0] != space.hash:
            self._db.close()
            raise HwgenError(f"the results in {folder} are of another space, memory, device or "
                             f"other networks: name another folder with --out.")
        if not found:
            with self._db:
                self._db.execute("INSERT INTO space VALUES ('hash', ?)", (space.hash,))

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self._db.close()

    def _create(self):
        columns = ", ".join((*self._parameters, *METRICS))
        with self._db:
            for table, rest in (
                    ("space", "name TEXT PRIMARY KEY, value TEXT"),
                    ("points", f"point TEXT PRIMARY KEY, refused TEXT, {columns}"),
                    ("networks", f"point TEXT, {', '.join(_NETWORK)}"),
                    ("layers", f"point TEXT, network TEXT, {', '.join(_LAYER)}")):
                self._db.execute(f"CREATE TABLE IF NOT EXISTS {table} ({rest})")

    def add(self, result):
        """Write what :func:`~hwgen.explore.evaluate.evaluate` found of a point, once."""
        name, settings = self._space.key(result["point"]), self._space.settings(result["point"])
        metrics = result.get("metrics", {})
        values = [*(settings[column] for column in self._parameters), *map(metrics.get, METRICS)]
        with self._db:
            row = [name, result.get("refused"), *values]
            cursor = self._db.execute(f"INSERT OR IGNORE INTO points VALUES ({_marks(row)})", row)
            if not cursor.rowcount:
                return
            for network in result.get("networks", ()):
                row = [name, *(network[column] for column in _NETWORK)]
                self._db.execute(f"INSERT INTO networks VALUES ({_marks(row)})", row)
                for layer in network["layers"]:
                    row = [name, network["network"], *(layer[column] for column in _LAYER)]
                    self._db.execute(f"INSERT INTO layers VALUES ({_marks(row)})", row)

    def results(self):
        """``{key: metrics}`` of every point in the file; in place of the metrics the sentence that
        refused it."""
        rows = self._db.execute(f"SELECT point, refused, {', '.join(METRICS)} FROM points")
        return {name: dict(zip(METRICS, metrics, strict=True)) if refused is None else refused
                for name, refused, *metrics in rows}

    def layers(self, name):
        """The layers of the point of that key, as dicts."""
        names = ("network", *_LAYER)
        columns = ", ".join(names)
        rows = self._db.execute(f"SELECT {columns} FROM layers WHERE point = ? ORDER BY rowid",
                                (name,))
        return [dict(zip(names, row, strict=True)) for row in rows]


def _marks(row):
    return ", ".join("?" * len(row))
