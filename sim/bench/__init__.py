"""Allocators side by side, and their worst cases."""
