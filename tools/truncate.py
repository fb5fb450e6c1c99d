"""Long text made short enough for a model: the middle goes, both ends stay."""


def cut_middle(text: str, max_chars: int, kept_at: str) -> str:
    """`text`, or its first and last halves of `max_chars` together around a note that says how many characters were
    cut and that `kept_at` holds all of them.
    """
    if len(text) <= max_chars:
        return text
    head = max_chars - max_chars // 2
    tail = max_chars - head
    cut = len(text) - max_chars
    return (
        f"{text[:head]}\n[... {cut} characters cut here; the full text is in {kept_at} ...]\n{text[len(text) - tail :]}"
    )
