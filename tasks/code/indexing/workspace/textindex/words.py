"""Splits text into words."""


def words(text):
    """Lower-case runs of letters and digits, in order."""
    found = []
    word = ""
    for character in text + " ":
        if character.isalnum():
            word += character.lower()
        elif word:
            found.append(word)
            word = ""
    return found
