"""The python tool keeps a namespace between calls, and says what it could not keep."""

from tests.tools.calls import call_all, cells


def test_the_value_of_the_last_expression_is_printed() -> None:
    assert cells("x = 2\nx * 21") == ["42\n"]


def test_variables_imports_functions_and_classes_are_kept() -> None:
    *_, last = cells(
        "import math as m\nfrom collections import Counter\nimport xml.etree.ElementTree",
        "n = 3\ndef times(x, by=n):\n    return x * by\nclass Point:\n    def __init__(self, x):\n        self.x = x",
        "square = lambda x: x * x\np = Point(times(4))\ncount = Counter('aab')",
        "def at(where=p):\n    return where.x",
        "p.x += 1",
        "[m.floor(2.5), times(1), square(5), at(), count['a'], p.x, n, xml.etree.ElementTree.__name__]",
    )
    assert last == "[2, 3, 25, 13, 2, 13, 3, 'xml.etree.ElementTree']\n"


def test_shared_objects_stay_shared_and_deleted_names_stay_deleted() -> None:
    *_, last = cells(
        "a = []\nb = a\ndef f(): pass\ngone = 1", "del gone, f", "b.append(1)\na, 'f' in dir(), 'gone' in dir()"
    )
    assert last == "([1], False, False)\n"


def test_a_redefinition_takes_the_place_of_the_first() -> None:
    assert cells("def f(): return 1", "def f(): return 2", "f()", "f = 3", "f")[2::2] == ["2\n", "3\n"]


def test_decorated_functions_are_kept_with_their_decorators() -> None:
    code = "import functools\n@functools.lru_cache(maxsize=None)\ndef f(n):\n    return n + 1"
    assert cells(code, "f(1), f.cache_info().maxsize")[1] == "(2, None)\n"


def test_what_cannot_be_kept_is_named() -> None:
    first, second = cells("f = open('a', 'w')\ng = (i for i in [])\nn = 1", "n, 'f' in dir()")
    assert "not kept for the next call: f (TextIOWrapper), g (generator)" in first
    assert second == "(1, False)\n"


def test_an_error_shows_the_cell_only_and_keeps_what_ran_before_it() -> None:
    failing, after = call_all(("python", {"code": "x = 1\nx / 0"}), ("python", {"code": "x"}))
    assert "ZeroDivisionError" in failing.text
    assert "x / 0" in failing.text
    assert "interpreter" not in failing.text
    assert failing.text.count("File ") == 1
    assert failing.data["exit_code"] == 1
    assert after.text == "1\n"


def test_a_syntax_error_and_an_exit_are_results() -> None:
    syntax, leaving, after = call_all(
        ("python", {"code": "1 +"}), ("python", {"code": "y = 5\nexit(4)"}), ("python", {"code": "y"})
    )
    assert "SyntaxError" in syntax.text
    assert leaving.data["exit_code"] == 4
    assert after.text == "5\n"


def test_side_effects_happen_once_and_modules_of_the_workspace_can_be_imported() -> None:
    files = {"mine.py": b"VALUE = 9\n"}
    *_, last = call_all(
        ("python", {"code": "open('log', 'a').write('x')"}),
        ("python", {"code": "import mine"}),
        ("python", {"code": "mine.VALUE, open('log').read()"}),
        files=files,
    )
    assert last.text.startswith("(9, 'x')")


def test_a_killed_cell_leaves_the_state_of_the_cell_before() -> None:
    _, killed, after = call_all(
        ("python", {"code": "x = 1"}),
        ("python", {"code": "x = 2\nwhile True: pass", "timeout_s": 1}),
        ("python", {"code": "x"}),
    )
    assert killed.data["exit_code"] is None
    assert after.text == "1\n"


def test_a_broken_state_file_is_reported_and_replaced() -> None:
    first, second = call_all(
        ("python", {"code": "x = 1\nx"}), ("python", {"code": "x"}), files={".outlay/python.pickle": b"junk"}
    )
    assert first.text.startswith("1\n")
    assert "not readable" in first.text
    assert second.text == "1\n"
