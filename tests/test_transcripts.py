"""The commands that pages show print what the pages say (``scripts/transcripts.py``)."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
SCRIPT = ROOT / "scripts" / "transcripts.py"


def check(folder, *pages):
    return subprocess.run([sys.executable, SCRIPT, folder, *pages], text=True, capture_output=True)


def test_ten_minutes(tmp_path):
    done = check(tmp_path, ROOT / "docs" / "start" / "ten-minutes.md")
    assert done.returncode == 0, done.stderr


def test_another_output_is_told(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("```\n$ printf 'a\\nb\\nc\\n'\na\n...\nc\n```\n")
    assert check(tmp_path, page).returncode == 0
    page.write_text(page.read_text().replace("...\nc\n", "b\nd\n"))
    done = check(tmp_path, page)
    assert done.returncode == 1 and "now it is\n$ printf 'a\\nb\\nc\\n'\na\nb\nc" in done.stderr
