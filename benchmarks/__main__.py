"""`make bench`: print every table; name benchmarks to run those alone."""

import argparse

from benchmarks import alignment, chains, stores, symmetry
from benchmarks.alignment import planted

BENCHMARKS = {
    "chains": chains.main,
    "alignment": alignment.main,
    "planted": planted.main,
    "symmetry": symmetry.main,
    "stores": stores.main,
}


def main() -> None:
    """Run the named benchmarks, or all."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", choices=[*BENCHMARKS, []], default=[])
    for name in parser.parse_args().names or BENCHMARKS:
        BENCHMARKS[name]()


if __name__ == "__main__":
    main()
