"""Stand-ins for what lies outside the healer, kept honest by suites that also run against the real thing."""
