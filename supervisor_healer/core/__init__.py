"""Pure decisions: no I/O, no clock, no randomness. Facts and `now` come in, decisions go out."""
