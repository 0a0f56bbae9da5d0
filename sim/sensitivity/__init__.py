"""`mempress sensitivity`: which keys matter, which act together, and which cannot be told from noise (docs/sensitivity.md)."""
