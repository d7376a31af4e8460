"""What runs in child processes of the listener: everything that touches people's files, may hang, or is not ours.

A child can be given up: whatever a dead mount, a huge file or a site's own healer does to it, the listener goes on.
"""
