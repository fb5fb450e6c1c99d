"""The gate on runc's version: facts' case S21."""

import pytest

from outlay.sandbox.runc import open_escapes

OF_2024, OF_2025 = "CVE-2024-21626", "CVE-2025-31133, CVE-2025-52565, CVE-2025-52881"


@pytest.mark.parametrize(
    ("version", "holes"),
    [
        ("1.1.5+ds1", [OF_2024, OF_2025]),
        ("1.1.11", [OF_2024, OF_2025]),
        ("1.1.12", [OF_2025]),
        ("1.2.7", [OF_2025]),
        ("1.2.8", []),
        ("1.3.2", [OF_2025]),
        ("1.3.3-0ubuntu1", []),
        ("1.4.0-rc.2", [OF_2025]),
        ("v1.4.0", []),
        ("2.0.0", []),
        ("of a distribution's own", [OF_2024, OF_2025]),
    ],
)
def test_a_version_is_open_to_what_was_mended_after_it(version: str, holes: list[str]) -> None:
    assert open_escapes(version) == holes
