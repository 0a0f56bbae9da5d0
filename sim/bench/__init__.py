"""The allocators' bench: `mempress allocators CONFIG` drives all allocators with the same operations and puts them side by side."""
