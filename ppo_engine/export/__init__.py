"""A run as files: tables, a report, the policy."""
