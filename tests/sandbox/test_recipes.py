"""Names of recipes, and what of this machine a build is given."""

from pathlib import Path

import pytest

from outlay.sandbox.errors import ImageUnavailable
from outlay.sandbox.mirrors import pip_settings, proxies
from outlay.sandbox.recipes import bases_of, reference_of
from outlay.sandbox.types import Recipe


def test_the_order_of_packages_is_no_content() -> None:
    assert reference_of(Recipe(apt=("bc", "jq"))) == reference_of(Recipe(apt=("jq", "bc", "bc")))


def test_every_part_of_a_recipe_changes_its_name() -> None:
    recipes = [
        Recipe(apt=("bc",)),
        Recipe(apt=("jq",)),
        Recipe(pip=("bc",)),
        Recipe(apt=("bc",), pip=("six",)),
        Recipe(dockerfile="FROM outlay/base"),
        Recipe(dockerfile="FROM outlay/base\n"),
    ]
    names = [reference_of(recipe) for recipe in recipes]
    assert len(set(names)) == len(recipes)
    assert all(name.startswith("outlay/recipe:") for name in names)


@pytest.mark.parametrize(
    ("recipe", "message"),
    [
        (Recipe(apt=("-o=Evil",)), "'-o=Evil' names no Debian package"),
        (Recipe(apt=("bc; reboot",)), "names no Debian package"),
        (Recipe(pip=("-r /etc/passwd",)), "'-r /etc/passwd' is no requirement"),
        (Recipe(pip=("six\n--index-url x",)), "is no requirement"),
        (Recipe(apt=("bc",), dockerfile="FROM outlay/base"), "packages beside a Dockerfile"),
    ],
)
def test_a_recipe_that_no_machine_can_build_is_refused_with_its_mend(recipe: Recipe, message: str) -> None:
    with pytest.raises(ImageUnavailable, match=f"{message}.*Mend: "):
        reference_of(recipe)


def test_the_bases_of_a_dockerfile_are_found_and_its_own_stages_are_none() -> None:
    text = """
        # FROM comment
        from --platform=linux/amd64 first:1 as build
        FROM \\
          second:2
        RUN psql -c "SELECT x \\
        FROM table"
        FROM build
        FROM scratch
        FROM $ANY
    """
    assert bases_of(text) == ["first:1", "second:2"]


def test_a_build_is_given_indexes_that_a_container_reaches_and_no_files_of_this_machine(tmp_path: Path) -> None:
    system, user = tmp_path / "system.conf", tmp_path / "user.conf"
    system.write_text(
        "[global]\ncert = /etc/ca.pem\nindex-url = https://system/simple\nextra-index-url = file:///x https://more/simple\n"
    )
    user.write_text("[global]\nindex-url = https://user/simple\nfind-links = /opt/wheels\n")
    assert pip_settings({"PIP_DEFAULT_TIMEOUT": "9", "PIP_CERT": "/etc/ca.pem"}, [system, user, tmp_path / "none"]) == {
        "PIP_INDEX_URL": "https://user/simple",
        "PIP_EXTRA_INDEX_URL": "https://more/simple",
        "PIP_DEFAULT_TIMEOUT": "9",
    }
    assert pip_settings({"PIP_INDEX_URL": "https://environment/simple"}, [user])["PIP_INDEX_URL"].startswith(
        "https://environment"
    )


def test_proxies_are_given_in_both_spellings() -> None:
    found = proxies({"HTTPS_PROXY": "http://127.0.0.1:1", "http_proxy": "http://127.0.0.1:2"})
    assert found["https_proxy"] == found["HTTPS_PROXY"] == "http://127.0.0.1:1"
    assert found["http_proxy"] == found["HTTP_PROXY"] == "http://127.0.0.1:2"
    assert "no_proxy" not in found
