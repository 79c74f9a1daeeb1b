"""docs/figures holds what ``scripts/figures.py`` draws, and that is what the RTL does."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest
from vcd.reader import TokenKind, tokenize

ROOT = Path(__file__).parents[1]
FIGURES = ROOT / "docs" / "figures"


def test_figures_are_up_to_date(tmp_path):
    subprocess.run([sys.executable, ROOT / "scripts" / "figures.py", tmp_path], check=True,
                   env={"PYTHONPATH": str(ROOT)})
    drawn = {path.name: path.read_text() for path in tmp_path.iterdir()}
    kept = {path.name: path.read_text() for path in FIGURES.iterdir()}
    assert drawn == kept, "run: python scripts/figures.py"


def test_every_figure_is_on_a_page():
    pages = "".join(path.read_text() for path in (ROOT / "docs").rglob("*.md"))
    assert not [path.name for path in FIGURES.iterdir() if f"figures/{path.name})" not in pages]


class Waves:
    """Values of signals below ``hwgen.core`` of a VCD file, ``{name: [(time, value)]}``."""

    def __init__(self, path, names):
        self.changes, ids, scope, time = {name: [] for name in names}, {}, [], 0
        with path.open("rb") as file:
            for token in tokenize(file):
                if token.kind is TokenKind.SCOPE:
                    scope.append(token.scope.ident)
                elif token.kind is TokenKind.UPSCOPE:
                    scope.pop()
                elif token.kind is TokenKind.VAR:
                    name = ".".join((*scope, token.var.reference)).split("hwgen.core.")[-1]
                    if name in self.changes:
                        ids[token.var.id_code] = name
                elif token.kind is TokenKind.CHANGE_TIME:
                    time = token.time_change
                elif token.kind in (TokenKind.CHANGE_SCALAR, TokenKind.CHANGE_VECTOR):
                    change = token.scalar_change if token.kind is TokenKind.CHANGE_SCALAR \
                        else token.vector_change
                    if change.id_code in ids:
                        self.changes[ids[change.id_code]].append((time, int(change.value)))
        self.start = [time for time, value in self.changes["controller.start"] if value][-1]

    def rises(self, name):
        """Cycles, counted from the start, in which a signal becomes other than 0."""
        return [(time - self.start) / 2 for time, value in self.changes[name]
                if value and time >= self.start]

    def at(self, name, cycle):
        time = self.start + 2 * cycle
        return [value for at, value in self.changes[name] if at <= time][-1]


@pytest.mark.long
def test_the_worked_layer_on_the_rtl(tmp_path):
    spec = importlib.util.spec_from_file_location("figures", ROOT / "scripts" / "figures.py")
    figures = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(figures)
    subprocess.run([sys.executable, ROOT / "examples/one_layer/one_layer.py", tmp_path], check=True)
    subprocess.run([sys.executable, "-m", "hwgen", "run", "one_layer.onnx", "--input", "x.npy",
                    "--pe", "4x4", "--mapping",
                    ROOT / "examples/one_layer/one_tile.toml", "--waves", "one.vcd"], cwd=tmp_path,
                   check=True, env=os.environ | {"PYTHONPATH": str(ROOT)})
    rows = range(4)
    waves = Waves(tmp_path / "one.vcd", [
        "controller.start", "controller.done", "give_load", "give_psum",
        *(f"array.row_{row}.{name}" for row in rows for name in ("issue", "pass_end",
                                                                 "pe_1.psum_o"))])
    assert waves.rises("controller.done") == [figures.DONE]
    assert waves.rises("give_load") == [figures.LOADED, figures.PARAMETERS_LOADED]
    assert waves.rises("give_psum") == list(figures.COMPLETE)
    for row, begins, psums in zip(rows, figures.ROW_BEGINS, figures.PSUMS, strict=True):
        assert waves.rises(f"array.row_{row}.issue") == [begins]      # without a gap
        assert waves.rises(f"array.row_{row}.pass_end") == [
            begins + figures.PASS * (number + 1) - 1 for number in range(3)]
        values = [waves.at(f"array.row_{row}.pe_1.psum_o", figures.FIRST_PSUM + 3 * index)
                  for index in range(len(psums))]
        assert [value - (value >> 23 << 24) for value in values] == list(psums)
