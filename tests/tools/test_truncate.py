"""Long text keeps both ends."""

from hypothesis import given
from hypothesis import strategies as st

from outlay.tools.truncate import cut_middle


@given(st.text(max_size=200), st.integers(0, 100))
def test_both_ends_stay_and_the_note_counts_what_is_gone(text: str, max_chars: int) -> None:
    short = cut_middle(text, max_chars, "full.txt")
    if len(text) <= max_chars:
        assert short == text
        return
    note = f"\n[... {len(text) - max_chars} characters cut here; the full text is in full.txt ...]\n"
    head, _, tail = short.partition(note)
    assert len(head) + len(tail) == max_chars
    assert abs(len(head) - len(tail)) <= 1
    assert text.startswith(head)
    assert text.endswith(tail)
