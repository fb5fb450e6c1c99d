"""Builds the index and answers queries. This is where the time goes."""

from textindex.words import words


def build(documents):
    """Word to the ascending list of document numbers that hold it; words in order of first appearance."""
    vocabulary = []
    for document in documents:
        for word in words(document):
            if word not in vocabulary:
                vocabulary.append(word)
    index = {}
    for word in vocabulary:
        index[word] = []
    for number, document in enumerate(documents):
        found = words(document)
        for word in vocabulary:
            if word in found and number not in index[word]:
                index[word].append(number)
    return index


def together(index, limit):
    """The pairs of words found together in most documents: (count, first, second), best first, ties by words."""
    pairs = []
    names = sorted(index)
    for i in range(len(names)):
        for j in range(i + 1, len(names)):
            count = 0
            for number in index[names[i]]:
                if number in index[names[j]]:
                    count += 1
            if count > 0:
                pairs.append((count, names[i], names[j]))
    pairs.sort(key=lambda pair: (-pair[0], pair[1], pair[2]))
    return pairs[:limit]
