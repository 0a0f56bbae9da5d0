"""`conformance`: does an allocator keep the contract of models/allocators/pool.py?

Generated operations are played on it (`sequences`), every rule is looked at after each of them (`player`), and the shortest sequence that
breaks a rule is told in words (`report`).  What cannot be told from inside, a crash or a call that never ends, is seen by a second process
(`command`, `child`).
"""
