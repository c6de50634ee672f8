"""Speed, as ratios against a peer and against the floor, each taken in one run."""
