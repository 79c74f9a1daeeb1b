#!/usr/bin/env python
"""Runs the commands that pages show, and holds what they print to what the pages say.

    python scripts/transcripts.py FOLDER PAGE... [--write]

A transcript is a fenced block in which ``$ `` begins a command line. The commands run in FOLDER,
one after another. In what a page says, a line ``...`` stands for any lines, and seconds count as
equal. With --write blocks without such a line are brought up to date.
"""

import argparse
import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
BLOCK = re.compile(r"^```[^\n]*\n(\$ .*?)^```$", re.M | re.S)


def run(command, folder):
    """What a command line prints; ``python`` is this one, and paths of the repository are found."""
    command = re.sub(r"^python\b", sys.executable, command)
    command = re.sub(r"(?<= )examples/", f"{ROOT}/examples/", command)
    done = subprocess.run(command, shell=True, cwd=folder, text=True, capture_output=True,
                          env=os.environ | {"PYTHONPATH": str(ROOT), "COLUMNS": "104"})
    if done.returncode:
        sys.exit(f"{command} failed:\n{done.stdout}{done.stderr}")
    return "\n".join(line.rstrip() for line in done.stdout.splitlines())


def transcript(block, folder):
    """A block's commands as they are, each with what it prints now."""
    return "\n".join(f"{line}\n{run(line[2:], folder)}".rstrip()
                     for line in block.splitlines() if line.startswith("$ ")) + "\n"


def agrees(said, now):
    """Whether a transcript, in which a line ``...`` stands for any lines, is what is printed."""
    said, now = (re.sub(r"\d+\.\d s\b", "? s", "\n".join(line.rstrip() for line in text.split("\n")
                                                         if line.strip()) + "\n")
                 for text in (said, now))
    parts = map(re.escape, re.split(r"^\.\.\.\n", said, flags=re.M))
    return bool(re.fullmatch(r"(?:.*\n)*?".join(parts), now))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("pages", type=Path, nargs="+")
    parser.add_argument("--write", action="store_true")
    arguments = parser.parse_args()
    wrong = []
    for page in arguments.pages:
        text = page.read_text()
        for block in BLOCK.findall(text):
            now = transcript(block, arguments.folder)
            if not agrees(block, now):
                wrong.append(f"{page} says\n{block}and now it is\n{now}")
                if arguments.write and "\n...\n" not in block:
                    text = text.replace(block, now)
        if arguments.write:
            page.write_text(text)
    if wrong:
        sys.exit("\n".join(wrong))


if __name__ == "__main__":
    main()
