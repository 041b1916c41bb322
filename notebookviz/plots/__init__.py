"""Pictures of a training and of parameters, by matplotlib and seaborn (``pip install 'notebookviz[plots]'``).

Each function returns a matplotlib figure that fits light and dark notebooks; ``.savefig("picture.png")`` keeps it.

Example:
    >>> from notebookviz import plots
    >>> plots.curves(training)  # doctest: +SKIP
"""

from notebookviz.plots.parameters import filters, histograms
from notebookviz.plots.performance import confusion_matrix, curves, learning_rates, mistakes

__all__ = ["confusion_matrix", "curves", "filters", "histograms", "learning_rates", "mistakes"]
