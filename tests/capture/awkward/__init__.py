"""Hand-written models of every awkward kind, each with the input of a real run.

``KINDS`` maps a name to a function without arguments that builds a :class:`~tests.capture.awkward.case.Case`.
"""

from __future__ import annotations

from tests.capture.awkward import layers, numbers, python, values, wrapped

KINDS = {**layers.KINDS, **wrapped.KINDS, **numbers.KINDS, **values.KINDS, **python.KINDS}
