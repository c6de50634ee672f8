"""The PyPI packages that align networks too, each in an environment of its own.

Both install a module named `rebasin`, and both need PyTorch, which onebasin does not.
"""
