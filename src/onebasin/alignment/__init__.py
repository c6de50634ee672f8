"""HOW samples are brought together: matchings, references, the null floor."""
