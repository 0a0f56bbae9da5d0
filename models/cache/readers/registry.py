"""Formats of reference strings, in the order in which `auto` asks them whether a file is theirs."""

from models.registry import Entry

REGISTRY = (
    Entry(
        "lirs", "models.cache.readers.text:LIRS", "one id a line; lines of * are dropped", "traces of the LIRS authors (Jiang, Zhang 2002)"
    ),
    Entry("text", "models.cache.readers.text:TEXT", "one id a line and nothing else (recognised as lirs)", "definition"),
    Entry("csv", "models.cache.readers.csv:READER", "one request a line between separators, with a column of ids", "definition"),
    Entry(
        "oracleGeneral",
        "models.cache.readers.oracle_general:READER",
        "records of 24 bytes: time, id, size, next access",
        "libCacheSim's documentation of its trace formats",
    ),
    Entry("cache2k", "models.cache.readers.cache2k:READER", "big-endian 32-bit ids", "cache2k benchmark traces (.trc)"),
)
