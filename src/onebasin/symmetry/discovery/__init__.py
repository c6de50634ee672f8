"""Symmetry discovery: labels are followed through a function's jaxpr, primitive by primitive.

Read the files in this order:

1. `find` holds `find_symmetry`, which turns the result of the walks into a `Symmetry`.
2. `walk` traces the function, repeats the walk for labels, then takes those for roles and signs.
3. `analysis` is one walk; its docstring follows a network of two layers step by step.
4. `labels` and `unification` say what lies along an axis; `values` what is known of an array.
5. `rules` has a function for each primitive.
6. `marks`, `parity`, `scales` and `roles` are the later walks; `linear_systems` solves theirs.
7. `sources`, `folding`, `positions`, `provenance` and `jax_names` are details of a walk.
"""
