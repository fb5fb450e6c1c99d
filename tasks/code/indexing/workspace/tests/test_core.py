"""Correctness tests of the package: they are restored before scoring."""

import unittest

from textindex.core import build, together


class TestIndex(unittest.TestCase):
    def test_a_word_is_found_in_its_documents(self):
        self.assertEqual(build(["A b", "b, c!", ""]), {"a": [0], "b": [0, 1], "c": [1]})

    def test_a_repeated_word_counts_once(self):
        self.assertEqual(build(["x x X"]), {"x": [0]})

    def test_words_keep_their_order_of_appearance(self):
        self.assertEqual(list(build(["z y", "x z"])), ["z", "y", "x"])

    def test_pairs_are_counted_per_document(self):
        index = build(["a b c", "b c", "c a b"])
        self.assertEqual(together(index, 2), [(3, "b", "c"), (2, "a", "b")])

    def test_no_pairs_in_no_documents(self):
        self.assertEqual(together(build([]), 5), [])


if __name__ == "__main__":
    unittest.main()
