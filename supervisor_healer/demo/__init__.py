"""The demonstration: four small pipeline workers, and a script that breaks them and their files to show the healing.

The workers know nothing of the healer, and nothing of Supervisor either: they read files and write files, as any
pipeline worker does.
"""
