"""Tasks whose submission is one short answer."""
