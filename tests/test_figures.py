"""docs/figures holds what ``scripts/figures.py`` draws, and every figure is shown on a page."""

import subprocess
import sys
from pathlib import Path

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
