"""The table of a sweep: one row a run in an SQLite file of the sweep's folder, and its export (docs/sweep-table.md)."""

from sim.table.layout import Column
from sim.table.store import TABLE_DB, Row, Table

__all__ = ["TABLE_DB", "Column", "Row", "Table"]
