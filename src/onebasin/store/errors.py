"""StoreError: the error of all that is read from or written to disk."""


class StoreError(ValueError):
    """A file or folder is missing, damaged, unfinished, or holds something else.

    Examples:
        >>> try:
        ...     ob.load_samples("none.zarr")
        ... except ob.store.StoreError as error:
        ...     print(error)
        A sample store must exist. Got none at none.zarr. Write it by save_samples, or mend the
        path.
    """
