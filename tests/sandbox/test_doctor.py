"""The findings that `outlay doctor` prints."""

from outlay.sandbox.doctor import findings


def test_each_lack_comes_with_its_mend_and_nothing_else_does() -> None:
    found = findings()
    assert [finding.what for finding in found] == ["Docker sandbox", "Landlock", "user namespaces", "cgroups"]
    assert all(bool(finding.mend) is not finding.ok for finding in found)
