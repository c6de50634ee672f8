"""The figures of a report, one exhibit (or family of them) a module."""
