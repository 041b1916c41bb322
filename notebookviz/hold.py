"""A reference that can be let go of."""

from __future__ import annotations

import weakref
from typing import Generic, TypeVar

T = TypeVar("T")


class Hold(Generic[T]):
    """Holds an object until :meth:`release`; after that only as long as someone else does.

    Example:
        >>> class Model: ...
        >>> model = Model()
        >>> hold = Hold(model)
        >>> hold.release()
        >>> hold.get() is model
        True
        >>> del model
        >>> hold.get() is None
        True
    """

    def __init__(self, target: T) -> None:
        self._strong: T | None = target
        try:
            self._weak: weakref.ref[T] | None = weakref.ref(target)
        except TypeError:
            self._weak = None

    @property
    def held(self) -> bool:
        """Whether this keeps the object alive."""
        return self._strong is not None

    def get(self) -> T | None:
        """The object, or None once it is gone."""
        if self._strong is not None:
            return self._strong
        return self._weak() if self._weak is not None else None

    def release(self) -> None:
        """Let go: from now on the object lives only as long as someone else holds it."""
        self._strong = None

    def take(self) -> None:
        """Hold the object again, if it is still there."""
        self._strong = self.get()
