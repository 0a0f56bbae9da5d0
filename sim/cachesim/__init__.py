"""`mempress cache`: replacement policies over a trace, without a machine."""
