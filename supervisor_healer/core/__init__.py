"""Pure decisions: no I/O, no clock, no randomness. Facts and `now` come in, decisions go out.

`engine` is all that others need to know. The modules, in the order in which to read them, are in docs/design.md,
"The core in an hour".
"""
