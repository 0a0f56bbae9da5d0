"""Traces in and out: every format that any part of mempress reads, as one stream of references; and what `mempress trace` does."""
