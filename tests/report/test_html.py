"""The report in a headless Chromium: it asks nobody for anything, and what it shows is there."""

import json
import re
import shutil

import pytest

from hwgen.cli import main
from hwgen.report import saved

pytest.importorskip("plotly", reason="the report needs plotly: pip install hwgen[report]")
sync_api = pytest.importorskip(
    "playwright.sync_api", reason="the report's tests need playwright: pip install hwgen[test]")
BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))),
               None)


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """A layer's bench on the RTL with its timeline, a run, and a mapping; by kind."""
    folder = tmp_path_factory.mktemp("report")
    files = {kind: str(folder / f"{kind}.json") for kind in saved.KINDS}
    trace = str(folder / "trace.json")
    assert main(["bench", "lenet5", "--pe", "4x4", "--layers", "CONV*", "--json", files["bench"],
                 "--trace", trace]) == 0
    assert main(["run", "examples/lenet5/lenet5.onnx", "--input", "examples/lenet5/digits/7.png",
                 "--pe", "4x4", "--json", files["run"]]) == 0
    assert main(["map", "alexnet", "--brief", "--layers", "CONV[1-3]", "--json",
                 files["map"]]) == 0
    return folder, files


@pytest.fixture(scope="module")
def browser():
    if BROWSER is None:
        pytest.skip("no Chromium was found: apt-get install chromium")
    with sync_api.sync_playwright() as playwright:
        with playwright.chromium.launch(executable_path=BROWSER,
                                        args=["--no-sandbox"]) as browser:
            yield browser


@pytest.fixture
def opened(results, browser, tmp_path):
    """A function that makes a report of results of some kinds, and opens it; what goes wrong in
    the page, and what it asks for, is told at the end."""
    _, files = results
    wrong, asked = [], []

    def show(*kinds, width=1200):
        path = tmp_path / "report.html"
        assert main(["report", *(files[kind] for kind in kinds), "--out", str(path)]) == 0
        page = browser.new_page(viewport={"width": width, "height": 900})
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("console", lambda message: wrong.append(message.text)
                if message.type in ("error", "warning") else None)
        page.on("request", lambda request: asked.append(request.url))
        page.goto(path.as_uri())
        return page
    yield show
    assert wrong == [] and all(url.startswith("file:") for url in asked) and len(asked) == 1


def chart(page, name):
    """The data of a chart as Plotly drew them: ``{trace: y}``."""
    drawn = f"document.getElementById('{name}')"
    page.wait_for_function(f"{drawn} && {drawn}.querySelector('svg.main-svg')")
    return page.evaluate(f"Object.fromEntries({drawn}.data.map((trace, i) => [trace.name || i, "
                         f"Array.from(trace.y)]))")


def column(page, table, number):
    return page.eval_on_selector_all(
        f"#{table} tbody tr:not([hidden])", f"rows => rows.map(r => r.cells[{number}].innerText)")


def test_a_bench_with_its_timeline(opened, results):
    page = opened("bench")
    with open(results[1]["bench"]) as file:
        found = json.load(file)
    assert page.title() == "lenet5 on eyeriss-4x4, 4 x 4 PEs"
    cycles = [layer["cycles"] for layer in found["layers"]]
    assert column(page, "layers-0", 3) == [f"{n:,}" for n in cycles]
    assert f"{sum(cycles):,}" in page.inner_text(".figures")
    causes = chart(page, "run-0-causes")
    assert [sum(parts) for parts in zip(*causes.values(), strict=True)] == cycles
    energy = chart(page, "run-0-energy")
    assert energy["mac"] == [layer["energy"]["by_level"]["mac"] for layer in found["layers"]]
    dram = chart(page, "run-0-dram")
    assert [sum(parts) for parts in zip(*dram.values(), strict=True)] == [
        layer["dram_read_bytes"] + layer["dram_write_bytes"] for layer in found["layers"]]
    assert chart(page, "run-0-predicted")["layers"] == [
        layer["predicted_cycles"] for layer in found["layers"]]
    assert chart(page, "run-0-roofline")["layers"] == pytest.approx([
        layer["macs"] / layer["cycles"] for layer in found["layers"]])
    chart(page, "run-0-timeline")
    assert page.evaluate("document.getElementById('run-0-timeline').data[0].z.length") == 9


def test_tables_sort_and_filter(opened):
    page = opened("run")
    names = column(page, "layers-0", 0)
    assert names == ["conv1", "conv2", "fc3", "fc4", "fc5"]
    page.click("#layers-0 thead th:nth-child(4)")
    page.wait_for_selector("#layers-0 th[aria-sort]")
    page.wait_for_function("document.querySelector('#layers-0 tbody tr td').innerText != 'conv1'")
    cycles = [int(text.replace(",", "")) for text in column(page, "layers-0", 3)]
    assert cycles == sorted(cycles, reverse=True)
    page.click("#layers-0 thead th:nth-child(4)")
    page.wait_for_function(
        "document.querySelector('#layers-0 th[aria-sort]').ariaSort == 'ascending'"
        " && document.querySelector('#layers-0 tbody tr td').innerText == 'fc5'")
    cycles = [int(text.replace(",", "")) for text in column(page, "layers-0", 3)]
    assert cycles == sorted(cycles)
    page.fill(".filter", "conv")
    assert sorted(column(page, "layers-0", 0)) == ["conv1", "conv2"]
    page.fill(".filter", "")
    assert len(column(page, "layers-0", 0)) == 5


def test_a_layer_shows_its_mapping(opened):
    page = opened("map")
    assert not page.is_visible("dialog")
    page.click("#layers-0 button >> text=CONV2")
    assert page.is_visible("#layer-0-1")
    text = page.inner_text("#layer-0-1")
    assert "CONV2" in text and "channels" in text and "a MAC" in text
    # A cell of the array for each PE, in each pass that is drawn.
    cells = page.locator("#layer-0-1 svg rect[stroke=white]").count()
    assert cells and cells % 168 == 0
    page.click("#layer-0-1 button")
    assert not page.is_visible("#layer-0-1")


def test_several_results_side_by_side(opened):
    page = opened("bench", "run", "map", width=390)
    assert "3 runs" in page.inner_text("h1")
    assert page.locator("section").count() == 3
    assert [len(values) for values in chart(page, "overview-energy").values()] == [3] * 5
    assert len(chart(page, "overview-cycles")["here"]) == 3
    assert page.evaluate("document.documentElement.scrollWidth") <= 390     # a phone's width


def test_the_same_bytes(results, tmp_path):
    pages = []
    for name in ("a.html", "b.html"):
        assert main(["report", results[1]["map"], "--out", str(tmp_path / name)]) == 0
        pages.append((tmp_path / name).read_bytes())
    assert pages[0] == pages[1]


def changed(**fields):
    return {"kind": "map", "format": saved.FORMAT, "network": "n", "parameters": {},
            "layers": [{"name": "c", "energy": {}}], **fields}


@pytest.mark.parametrize("content, message", [
    ("{", "is not JSON"),
    ("[]", "is empty"),
    (json.dumps({"cycles": 3}), "is something else"),
    (json.dumps([1]), "is something else"),
    (json.dumps(changed(kind="build")), "is something else"),
    (json.dumps(changed(format=0)), "has format 0, of another version of hwgen"),
    (json.dumps(changed(parameters=None)), "golden model alone"),
    (json.dumps(changed(layers=[])), "has no layers"),
    (json.dumps(changed(layers=[{"name": "c"}])), "lacks the counts of layer 'c'"),
    (json.dumps(changed()), "the result of map for 'n' lacks 'bus_bits'"),
    (json.dumps(changed(parameters={"bus_bits": 64, "rows": 2, "cols": 2}, config="c", layers=[
        {"name": "c", "energy": {"total": 3}, "counts": 7}])), "is damaged"),
])
def test_bad_results(content, message, tmp_path, capsys):
    path, out = tmp_path / "run.json", tmp_path / "report.html"
    path.write_text(content)
    assert main(["report", str(path), "--out", str(out)]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ") and error.count("\n") == 1
    assert re.search(message, error), error
    assert not out.exists()


def test_a_result_that_is_not_there(tmp_path, capsys):
    assert main(["report", str(tmp_path / "none.json"), "--out", str(tmp_path / "r.html")]) == 2
    assert "cannot read the result" in capsys.readouterr().err


def test_commands_end_with_the_line_that_makes_the_report(tmp_path, capsys):
    arguments = ["bench", "lenet5", "--layers", "CONV1", "--pe", "4x4", "--model-only"]
    assert main([*arguments, "--json", str(tmp_path / "b.json")]) == 0
    last = capsys.readouterr().out.splitlines()[-1]
    assert last == f"report: python -m hwgen report {tmp_path}/b.json --out report.html"
    assert main(arguments) == 0
    assert "--json RUN.json, then python -m hwgen report RUN.json" in capsys.readouterr().out
