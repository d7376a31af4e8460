"""Where the knowledge comes from: the architecture file, its schema and its checks."""
