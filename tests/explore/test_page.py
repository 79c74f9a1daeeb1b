"""The report of an exploration in a headless Chromium."""

from hwgen.cli import main

from ..report.test_html import browser  # noqa: F401  (a fixture)
from .spaces import written


def test_the_report_shows_every_point_and_a_points_layers(tmp_path, browser):  # noqa: F811
    assert main(["explore", str(written(tmp_path)), "--workers", "1", "--out",
                 str(tmp_path / "out")]) == 0
    asked, wrong = [], []
    page = browser.new_page()
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    path = tmp_path / "out" / "report.html"
    page.goto(path.as_uri())
    assert page.locator("#points tbody tr").count() == 5
    for chart in ("front", "coordinates", "importance"):
        assert page.evaluate(f"document.getElementById('explore-{chart}').data.length") > 0
    points = page.evaluate("document.getElementById('explore-front').data.map(d => d.x.length)")
    assert sum(points) == 5
    page.click("#points thead th:has-text('rows')")
    rows = page.locator("#points tbody tr td:nth-child(2)").all_inner_texts()
    assert rows == sorted(rows) or rows == sorted(rows, reverse=True)
    page.click("[data-opens=point-1]")
    layers = page.locator("#point-1 tbody tr td:first-child").all_inner_texts()
    assert layers == ["lenet5 CONV1", "lenet5 CONV2"]
    page.close()
    assert asked == [path.as_uri()] and not wrong
