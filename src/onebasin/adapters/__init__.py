"""Networks of other libraries as `apply, params`, which every function of onebasin takes."""
