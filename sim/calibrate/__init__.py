"""`mempress calibrate`: what compressing and copying a page costs on this machine, as settings of a configuration.

pages    the pages that are compressed: the same everywhere
codecs   what compresses them, and what cannot be measured here
timing   the clock: repeats, medians, spreads, one CPU
figures  everything measured, beside the defaults
words    tables, YAML and JSON of it
command  the command itself
"""
