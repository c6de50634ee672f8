"""Networks of other libraries as `apply, params`, which all of onebasin takes."""
