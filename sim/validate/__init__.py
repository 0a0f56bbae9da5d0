"""`mempress validate`: measured runs of a real kernel beside simulations of the same."""
