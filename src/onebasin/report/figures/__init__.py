"""The figures of a report: one exhibit, or a family of exhibits, in each module."""
