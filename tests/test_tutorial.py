"""examples/tutorial/tutorial.ipynb runs from its first cell to its last."""

import shutil
from pathlib import Path

import pytest

nbformat = pytest.importorskip(
    "nbformat", reason="the tutorial needs Jupyter: pip install hwgen[tutorial]")
nbclient = pytest.importorskip(
    "nbclient", reason="the tutorial's test needs nbclient: pip install hwgen[test]")

EXAMPLES = Path(__file__).parents[1] / "examples"


@pytest.mark.filterwarnings("default")          # Jupyter's own
def test_the_notebook_runs(tmp_path):
    """Its cells assert that the psums in the waves are those of NumPy."""
    for name in ("tutorial", "one_layer", "lenet5"):
        shutil.copytree(EXAMPLES / name, tmp_path / name)
    notebook = nbformat.read(tmp_path / "tutorial" / "tutorial.ipynb", as_version=4)
    nbclient.NotebookClient(notebook, timeout=600, kernel_name="python3",
                            resources={"metadata": {"path": tmp_path / "tutorial"}}).execute()
    shown = "\n".join(output.get("text", "") for cell in notebook.cells
                      for output in cell.get("outputs", ()))
    assert "0 mismatches" in shown and "every psum of every row is what NumPy says" in shown
    assert "class 8 label 8" in shown
    assert (tmp_path / "tutorial" / "build" / "lenet5.html").stat().st_size > 1_000_000


def test_the_notebook_holds_no_outputs():
    notebook = nbformat.read(EXAMPLES / "tutorial" / "tutorial.ipynb", as_version=4)
    assert not [cell for cell in notebook.cells if cell.get("outputs")]
