"""A small inverted index over documents."""
