"""The event listener: the only brain, and the only one that acts."""
