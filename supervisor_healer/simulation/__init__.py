"""The core in a simulated world: what it promises, checked over thousands of days, faults included."""
