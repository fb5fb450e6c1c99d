"""Files and archives of a workspace, as the guest touches them: here in a folder of this machine."""

import ast
import io
import os
import subprocess
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from outlay.sandbox.guest import files, tar, tree
from outlay.sandbox.guest.files import Refused
from outlay.sandbox.shipment import FOLDER

CAPS = tar.Caps(1 << 20, 1000)


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    folder = tmp_path / "workspace"
    folder.mkdir()
    return folder


@pytest.fixture
def root(workspace: Path) -> Iterator[int]:
    folder = os.open(workspace, files.FOLDER_FLAGS)
    yield folder
    os.close(folder)


def packed(root: int, caps: tar.Caps = CAPS) -> bytes:
    return b"".join(tree.pack(root, caps))


def archive(*entries: tarfile.TarInfo, body: bytes = b"", form: int = tarfile.PAX_FORMAT) -> bytes:
    """What Python's own writer makes of the entries; every file holds `body`."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=form) as writer:
        for entry in entries:
            if entry.isreg():
                entry.size = len(body)
            writer.addfile(entry, io.BytesIO(body) if entry.isreg() else None)
    return out.getvalue()


def entry(name: str, kind: bytes = tarfile.REGTYPE, target: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


def filled(workspace: Path) -> None:
    """Long names, odd modes, old times, links, a name that is not UTF-8."""
    deep = workspace / ("d" * 200) / ("e" * 200)
    deep.mkdir(parents=True)
    (deep / "f").write_bytes(b"deep")
    (workspace / "script").write_text("#!/bin/sh\n")
    (workspace / "script").chmod(0o750)
    (workspace / "link").symlink_to("d" * 200 + "/" + "e" * 200)
    (workspace / "nowhere").symlink_to("not/there")
    (workspace / os.fsdecode(b"caf\xe9")).write_bytes(bytes(70_000))
    (workspace / "empty").mkdir(mode=0o700)
    os.utime(workspace / "script", ns=(1, 1_500_000_000_123_456_789))
    os.utime(workspace / "empty", ns=(1, -5_500_000_000))


def test_a_tree_comes_out_as_it_went_in(workspace: Path, root: int, tmp_path: Path) -> None:
    filled(workspace)
    there = tmp_path / "there"
    there.mkdir()
    copy = os.open(there, files.FOLDER_FLAGS)
    tree.unpack(copy, [packed(root)], CAPS)
    assert packed(copy) == packed(root)
    os.close(copy)
    assert (there / "script").stat().st_mtime_ns == 1_500_000_000_123_456_789
    assert (there / "empty").stat().st_mtime_ns == -5_500_000_000
    assert (there / "link" / "f").read_bytes() == b"deep"
    subprocess.run(["diff", "-r", "--no-dereference", str(workspace), str(there)], check=True)


def test_an_archive_is_what_other_programs_read(workspace: Path, root: int) -> None:
    filled(workspace)
    with tarfile.open(fileobj=io.BytesIO(packed(root))) as reader:
        found = {member.name: member for member in reader}
    assert found["d" * 200 + "/" + "e" * 200 + "/f"].size == 4
    assert found["script"].mode == 0o750
    assert found["script"].mtime == pytest.approx(1_500_000_000.123, abs=1e-3)
    assert os.fsdecode(b"caf\xe9") in found
    subprocess.run(["tar", "-tf", "-"], input=packed(root), check=True, stdout=subprocess.DEVNULL)


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_what_other_programs_write_is_read(workspace: Path, root: int, form: int) -> None:
    long = "/".join(["x" * 60] * 2 + ["file"])
    made = archive(entry("./", tarfile.DIRTYPE), entry("./a/b"), entry(long), body=b"hello", form=form)
    tree.unpack(root, [made[:700], made[700:]], CAPS)
    assert (workspace / "a" / "b").read_bytes() == (workspace / long).read_bytes() == b"hello"


def test_set_user_bits_and_owners_are_not_kept(workspace: Path, root: int) -> None:
    (workspace / "x").touch()
    (workspace / "x").chmod(0o4755)
    with tarfile.open(fileobj=io.BytesIO(packed(root))) as reader:
        (member,) = reader
    assert (member.mode, member.uid, member.gid, member.uname) == (0o755, 0, 0, "")


def test_pipes_and_links_that_leave_are_left_out(workspace: Path, root: int) -> None:
    os.mkfifo(workspace / "pipe")
    (workspace / "inside").mkdir()
    for name, target in {"a": "/etc/passwd", "b": "../x", "c": "inside/../../x", "inside/up": ".."}.items():
        (workspace / name).symlink_to(target)
    with tarfile.open(fileobj=io.BytesIO(packed(root))) as reader:
        assert reader.getnames() == ["inside", "inside/up"]


def test_a_tree_over_its_caps_is_refused_before_it_is_read(workspace: Path, root: int) -> None:
    with (workspace / "sparse").open("wb") as file:
        file.truncate(10 << 30)
    with pytest.raises(Refused, match="over"):
        packed(root)
    (workspace / "sparse").unlink()
    for name in range(5):
        (workspace / str(name)).touch()
    with pytest.raises(Refused, match="4 entries"):
        packed(root, tar.Caps(100, 4))


def test_a_tree_without_end_is_refused(root: int) -> None:
    folder = os.dup(root)
    for _ in range(files.DEPTH + 1):
        os.mkdir("d", dir_fd=folder)
        inner = os.open("d", files.FOLDER_FLAGS, dir_fd=folder)
        os.close(folder)
        folder = inner
    os.close(folder)
    with pytest.raises(Refused, match="deep"):
        packed(root)
    with pytest.raises(Refused, match="deep"):
        list(files.manifest(root))


HOSTILE: dict[str, Callable[[], bytes]] = {
    "a name that climbs": lambda: archive(entry("../x")),
    "a name that climbs within": lambda: archive(entry("a/../../x")),
    "an absolute name": lambda: archive(entry("/tmp/x")),
    "no name": lambda: archive(entry("")),
    "a zero byte in a name": lambda: tar.header(tar.Member("file", (b"a" * 120, b"b\0c"), 0o644, 0)) + tar.END,
    "a name no file can have": lambda: archive(entry("x" * 256)),
    "a name too deep": lambda: archive(entry("/".join("d" * 150))),
    "an absolute link": lambda: archive(entry("x", tarfile.SYMTYPE, "/etc/passwd")),
    "a link that climbs": lambda: archive(entry("a/x", tarfile.SYMTYPE, "../../etc/passwd")),
    "a link that climbs later": lambda: archive(entry("a/x", tarfile.SYMTYPE, "b/../../../etc")),
    "a hard link": lambda: archive(entry("x"), entry("y", tarfile.LNKTYPE, "x")),
    "a hard link out": lambda: archive(entry("y", tarfile.LNKTYPE, "/etc/passwd")),
    "a device": lambda: archive(entry("x", tarfile.BLKTYPE)),
    "a named pipe": lambda: archive(entry("x", tarfile.FIFOTYPE)),
    "a sparse file": lambda: archive(entry("x", tarfile.GNUTYPE_SPARSE)),
    "a file twice": lambda: archive(entry("x"), entry("x")),
    "a file through a link": lambda: archive(entry("a", tarfile.SYMTYPE, "b"), entry("a/x")),
    "a file under a file": lambda: archive(entry("a"), entry("a/x")),
    "a file in place of a folder": lambda: archive(entry("a/x"), entry("a")),
    "a link in place of a folder": lambda: archive(entry("a/x"), entry("a", tarfile.SYMTYPE, "b")),
    "more entries than allowed": lambda: archive(*(entry(str(name)) for name in range(1001))),
    "more bytes than allowed": lambda: archive(entry("x"), entry("y"), body=bytes(600_000)),
    "a size that is not there": lambda: tar.header(tar.Member("file", (b"x",), 0o644, 0, 1 << 19)) + tar.END,
    "no end": lambda: archive(entry("x"))[:512],
    "something else": lambda: b"PK\3\4" * 1000,
    "nothing": lambda: b"",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_archive_is_refused_as_a_whole(name: str, workspace: Path, root: int) -> None:
    with pytest.raises(Refused):
        tar.check(HOSTILE[name](), CAPS)
    with pytest.raises(Refused):
        tree.unpack(root, [HOSTILE[name]()], CAPS)  # also by the guest, which sees it piece by piece
    assert not list(workspace.parent.glob("*x*"))


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(position=st.integers(0, 2559), value=st.integers(0, 255))
def test_a_garbled_archive_is_refused_or_read_but_no_other_error(position: int, value: int) -> None:
    garbled = bytearray(archive(entry("a" * 120), entry("b", tarfile.SYMTYPE, "c"), form=tarfile.PAX_FORMAT))
    garbled[position] = value
    try:
        tar.check(bytes(garbled), CAPS)
    except Refused:
        return


def test_unpacking_goes_over_what_is_there_and_through_no_planted_link(workspace: Path, root: int) -> None:
    outside = workspace.parent / "outside"
    outside.mkdir()
    (workspace / "folder").symlink_to(outside)
    (workspace / "file").symlink_to(outside / "file")
    tree.unpack(root, [archive(entry("folder", tarfile.DIRTYPE), entry("folder/x"), entry("file"), body=b"new")], CAPS)
    assert (workspace / "folder" / "x").read_bytes() == (workspace / "file").read_bytes() == b"new"
    assert not list(outside.iterdir())
    (workspace / "other").symlink_to(outside)
    with pytest.raises(Refused, match="entered"):
        tree.unpack(root, [archive(entry("other/x"))], CAPS)


def test_a_written_file_keeps_its_mode_and_a_refused_one_its_content(workspace: Path, root: int) -> None:
    (workspace / "x").write_text("old")
    (workspace / "x").chmod(0o755)

    def torn() -> Iterator[bytes]:
        yield b"half"
        raise OSError(28, "No space left on device")

    with pytest.raises(Refused, match="No space"):
        files.write_file(root, "x", torn())
    assert [path.name for path in workspace.iterdir()] == ["x"]
    assert (workspace / "x").read_text() == "old"
    files.write_file(root, "x", [b"ne", b"w"])
    assert ((workspace / "x").read_text(), (workspace / "x").stat().st_mode & 0o777) == ("new", 0o755)


@pytest.mark.parametrize("path", ["", ".", "/x", "../x", "a/../../x", "a\0b", "\ud800", "/".join("d" * 200)])
def test_paths_that_name_no_file_of_the_workspace_are_refused(path: str, root: int) -> None:
    with pytest.raises(Refused):
        files.write_file(root, path, [b""])


def test_a_file_over_its_cap_is_not_read(workspace: Path, root: int) -> None:
    (workspace / "x").write_bytes(bytes(11))
    assert b"".join(files.read_file(root, "x", 11)) == bytes(11)
    with pytest.raises(Refused, match="over 10 bytes"):
        list(files.read_file(root, "x", 10))


def test_the_guest_is_written_in_python_3_9() -> None:
    for path in FOLDER.glob("*.py"):
        ast.parse(path.read_text(), str(path), feature_version=(3, 9))
