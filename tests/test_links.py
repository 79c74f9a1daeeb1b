"""Links of README and docs/ between pages, sections and source files lead somewhere."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md")),
         *sorted((ROOT / "examples").rglob("*.md"))]


def sections(page):
    """Fragments that a page's headings give, as GitHub and MkDocs make them."""
    text = re.sub(r"```.*?```", "", page.read_text(), flags=re.S)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-")
            for heading in re.findall(r"^#+ +(.*)$", text, re.M)}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page):
    broken = []
    for link in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, section = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or section and section not in sections(target):
            broken.append(link)
    assert not broken


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_source_files_that_a_page_names_exist(page):
    named = re.findall(r"(?<![\w/.])(?:hwgen|sim|tests|scripts)/[\w/]+\.(?:py|cpp|rdl|toml)",
                       page.read_text())
    assert not [name for name in named if not (ROOT / name).exists()]


def test_the_files_in_the_table_of_features_exist():
    table = (ROOT / "docs/develop/find-it.md").read_text().split("\n\n")[2]
    folders = ROOT / "hwgen/rtl/parallel", ROOT / "hwgen/compiler", ROOT
    for _, *cells in (line.strip("| ").split(" | ") for line in table.splitlines()[2:]):
        for folder, cell in zip(folders, cells, strict=True):
            for name in re.findall(r"`([\w/]+\.py)`", cell):
                assert (folder / name).exists() or (ROOT / name).exists(), name
