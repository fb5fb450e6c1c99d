"""Builds the index and answers queries. This is where the time goes."""

import heapq
from collections import Counter
from itertools import combinations

from textindex.words import words


def build(documents):
    """Word to the ascending list of document numbers that hold it; words in order of first appearance."""
    index = {}
    for number, document in enumerate(documents):
        for word in dict.fromkeys(words(document)):
            index.setdefault(word, []).append(number)
    return index


def together(index, limit):
    """The pairs of words found together in most documents: (count, first, second), best first, ties by words."""
    members = {}
    for word in sorted(index):
        for number in index[word]:
            members.setdefault(number, []).append(word)
    counts = Counter()
    for found in members.values():
        counts.update(combinations(found, 2))
    pairs = ((-count, *pair) for pair, count in counts.items())
    return [(-count, first, second) for count, first, second in heapq.nsmallest(limit, pairs)]
