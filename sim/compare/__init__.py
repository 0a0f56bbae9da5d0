"""`mempress compare`: runs beside each other, with paired differences and, in words, which of them are real.

sources   which runs are meant by what stands on the command line
figures   the differences: intervals, effect sizes, adjusted p, a verdict for each
words     the verdicts as sentences
document  all of it as JSON
terminal  all of it as tables
command   the command itself
"""
