"""What is told to each engine, by what it says of itself; Podman itself is tried in `test_podman.py`."""

from pathlib import Path

from outlay.sandbox.dialects import spoken

MOUNTS = {"/work": "size=9,nr_inodes=7,uid=5,gid=5,mode=755,exec,nosuid"}
PODMAN = {"Components": [{"Name": "Podman Engine"}, {"Name": "Conmon"}, {"Name": "OCI Runtime (crun)"}]}


def test_docker_is_told_all_and_given_the_filter_itself() -> None:
    for version in ({}, {"Components": None}, {"Components": [{"Name": "Engine"}, {"Name": "runc"}]}):
        dialect = spoken(version)
        assert (dialect.engine, dialect.runtime, list(dialect.missing())) == ("docker", None, [])
        assert dialect.tmpfs(MOUNTS) == MOUNTS
        assert '"defaultAction"' in dialect.seccomp()


def test_podman_is_told_what_it_understands_and_where_the_filter_lies() -> None:
    dialect = spoken(PODMAN)
    assert (dialect.engine, dialect.runtime) == ("podman", "crun")
    assert dialect.tmpfs(MOUNTS)["/work"] == "size=9,mode=755,exec,nosuid"
    assert dialect.tmpfs(MOUNTS)["/var/tmp"].startswith("ro,")
    assert Path(dialect.seccomp().removeprefix("seccomp=")).is_file()
    assert dialect.missing()
