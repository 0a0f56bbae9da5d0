"""`mempress compare RUN --with LOG`: a run laid over what the user's own machine counted.

log       a log once it is read: times, and a column for each counter
times     the ways in which a line can say what time it is
snapshots repeated /proc/vmstat, zswap's debugfs, zram's mm_stat
columns   the table of `vmstat 1`
read      which of these a file is
run       the run's side: what it counted under the same names
figures   both sides: changes, rates, means, errors
terminal  tables of it;  document: JSON of it
command   the command itself
"""
