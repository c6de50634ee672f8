"""The error of everything on disk."""


class StoreError(ValueError):
    """A file or folder is missing, damaged, unfinished or of something else."""
