"""The demonstration: four small pipeline workers, and a script that breaks them to show how they are healed.

The workers know nothing of the healer, and nothing of Supervisor either: they read files and write files, as any
pipeline worker does.
"""
