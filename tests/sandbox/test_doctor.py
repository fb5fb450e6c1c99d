"""The findings that `outlay doctor` prints."""

from outlay.sandbox.doctor import findings


def test_each_lack_comes_with_its_mend_and_nothing_else_does() -> None:
    found = findings()
    kernel = ["process sandbox", "Landlock", "seccomp filter", "namespaces", "cgroups"]
    engine = ["Docker sandbox", "Docker runtimes"] if found[0].ok else ["Docker sandbox"]
    assert [finding.what for finding in found if finding.what != "runc"] == engine + kernel
    assert all(bool(finding.mend) is not finding.ok for finding in found)
