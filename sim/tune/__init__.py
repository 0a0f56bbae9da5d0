"""`mempress tune`: which settings a machine should have, found by successive halving over replications (docs/tune.md)."""
