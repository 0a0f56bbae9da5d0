"""Experiments: which simulations a set of cases needs, where they are done, and what is kept of them until a case is complete."""
