"""Analysis of answers: accuracy, agreement, and the difference that an edit makes, by published and by better tests.

`published_t_test` repeats the tests of Patel et al. 2024. `compare` is the recommended analysis.
"""

from studies.analysis.comparison import Comparison, compare
from studies.analysis.published import published_t_test

__all__ = ["Comparison", "compare", "published_t_test"]
