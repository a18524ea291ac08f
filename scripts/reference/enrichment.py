"""Reference values for the enrichment statistics of the feature index (EnrichmentTest).

log10 of the hypergeometric upper tail P(X >= x), once as scipy gives it and once exactly, as a ratio of integers, which
is what counts where the two differ (scipy sums in double precision).

    python scripts/reference/enrichment.py > lab/src/test/resources/index/enrichment.json

Made with Python 3.11, scipy 1.17.1.
"""

import json
from fractions import Fraction
from math import comb, log10

from scipy.stats import hypergeom

CASES = [  # population N, of the category K, drawn n, hits x
    (117791, 7500, 50, 15),
    (117791, 7500, 50, 50),
    (117791, 2000, 50, 15),
    (117791, 53, 50, 3),
    (117791, 53, 50, 50),
    (117791, 11000, 50, 28),
    (117791, 11000, 50, 5),
    (117791, 11000, 50, 1),
    (117791, 117000, 50, 50),
    (1000, 400, 50, 21),
    (1000, 400, 50, 20),
    (1000, 990, 50, 41),
    (60, 30, 50, 29),
    (60, 30, 50, 20),
    (10, 4, 3, 2),
    (10, 4, 3, 0),
    (117791, 7500, 7, 4),
]


def log10_fraction(f):
    """log10 of a ratio of integers of any size."""
    def big(i):
        shift = max(0, i.bit_length() - 900)
        return log10(i >> shift) + shift * log10(2)
    return big(f.numerator) - big(f.denominator)


rows = []
for N, K, n, x in CASES:
    exact = Fraction(sum(comb(K, i) * comb(N - K, n - i) for i in range(x, min(n, K) + 1)), comb(N, n))
    rows.append({
        "population": N, "successes": K, "draws": n, "hits": x,
        "log10_p": log10_fraction(exact),
        "log10_p_scipy": float(hypergeom.logsf(x - 1, N, K, n)) / 2.302585092994046,
    })
print(json.dumps({"scipy": __import__("scipy").__version__, "cases": rows}, indent=1))
