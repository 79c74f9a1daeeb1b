"""What is written is whole or as before, and devices, FIFOs, links and modes stay."""

import json
import os
import stat
import threading

import pytest

from hwgen.errors import HwgenError
from hwgen.files import check_folder, check_target, place, replacing, write_json, write_whole

_FULL = "/dev/full"


def written(path, content=b"new"):
    write_whole(path, lambda file: file.write(content))


def test_a_device_stays_a_device(tmp_path):
    node = tmp_path / "full"
    node.symlink_to(_FULL)
    for path in _FULL, str(node):
        check_target("--json", path)
        with pytest.raises(HwgenError, match="cannot write .*full: No space left on device"):
            written(path)
        assert stat.S_ISCHR(os.stat(path).st_mode)
    assert node.is_symlink()
    written("/dev/null")
    assert stat.S_ISCHR(os.stat("/dev/null").st_mode)


def test_a_fifo_is_written_through(tmp_path):
    fifo, got = tmp_path / "fifo", []
    os.mkfifo(fifo)
    check_target("--json", fifo)
    reader = threading.Thread(target=lambda: got.append(fifo.read_bytes()))
    reader.start()
    written(fifo)
    reader.join(10)
    assert got == [b"new"] and stat.S_ISFIFO(fifo.stat().st_mode)


def test_a_descriptor_is_written_through(tmp_path):
    with open(tmp_path / "file", "wb", buffering=0) as file:
        file.write(b"old ")
        written(f"/dev/fd/{file.fileno()}")
    assert (tmp_path / "file").read_bytes() == b"old new"


def test_a_link_stays_a_link(tmp_path):
    target, link, later = (tmp_path / name for name in ("target", "link", "later"))
    link.symlink_to("target")
    later.symlink_to("made")
    target.write_bytes(b"old")
    target.chmod(0o640)
    for path, behind in (link, target), (later, tmp_path / "made"):
        check_target("--json", path)
        written(path)
        assert path.is_symlink() and behind.read_bytes() == b"new"
    assert stat.S_IMODE(target.stat().st_mode) == 0o640
    loop = tmp_path / "loop"
    loop.symlink_to("loop")
    with pytest.raises(HwgenError, match="cannot be written"):
        check_target("--json", loop)


def test_a_read_only_file_is_refused(tmp_path):
    file = tmp_path / "file"
    file.write_bytes(b"old")
    file.chmod(0o444)
    with pytest.raises(HwgenError, match=f"--json {file} is read-only: name another"):
        check_target("--json", file)
    with pytest.raises(HwgenError, match="is read-only"):
        written(file)
    assert file.read_bytes() == b"old"


def test_standard_output(capfdbinary):
    check_target("--json", "-")
    print("before")
    write_json("-", {"a": 1})
    assert capfdbinary.readouterr().out == b'before\n{\n "a": 1\n}\n'
    with pytest.raises(HwgenError, match="--out - cannot be standard output"):
        check_folder("-", "mark")
    assert not os.path.exists("-")


@pytest.mark.parametrize("failure", [KeyboardInterrupt, ValueError, OSError(28, "full")])
def test_nothing_half_written(tmp_path, failure):
    file = tmp_path / "file"
    file.write_bytes(b"old")
    (tmp_path / "file.part").write_bytes(b"somebody's")

    def write(open_file):
        open_file.write(b"half")
        raise failure
    with pytest.raises((KeyboardInterrupt, ValueError, HwgenError)):
        write_whole(file, write)
    assert file.read_bytes() == b"old"
    written(file)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "file.part"]
    assert (tmp_path / "file.part").read_bytes() == b"somebody's"


def test_an_interrupt_while_folders_change_places(tmp_path, monkeypatch):
    folder = tmp_path / "folder"
    with replacing(folder, "mark") as new:
        (new / "mark").write_text("old")
    rename = type(folder).rename

    def interrupted(path, target):
        if path.name.startswith(".folder-") and target == folder and "-old" not in path.name:
            raise KeyboardInterrupt
        return rename(path, target)
    monkeypatch.setattr(type(folder), "rename", interrupted)
    with pytest.raises(KeyboardInterrupt), replacing(folder, "mark") as new:
        (new / "mark").write_text("new")
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]
    assert (folder / "mark").read_text() == "old"


def test_a_finished_file_gets_its_name(tmp_path):
    """Beside another file, or behind a link that stays."""
    part, plain, link = (tmp_path / name for name in ("part", "plain", "link"))
    plain.write_bytes(b"old")
    link.symlink_to("behind")
    for path in plain, link:
        part.write_bytes(b"new")
        place(part, path)
        assert path.read_bytes() == b"new" and not part.exists()
    assert link.is_symlink() and (tmp_path / "behind").read_bytes() == b"new"
    plain.chmod(0o444)
    part.write_bytes(b"newer")
    with pytest.raises(HwgenError, match="is read-only"):
        place(part, plain)
    assert plain.read_bytes() == b"new"


def test_json_is_whole(tmp_path):
    write_json(tmp_path / "a.json", {"b": [1, 2]})
    assert json.loads((tmp_path / "a.json").read_text()) == {"b": [1, 2]}
