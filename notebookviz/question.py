"""A question that a job asks in the panel, and waits for."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

_PAUSE: Final = 0.2


class Question:
    """What is asked now, if anything; one at a time.

    Args:
        told: Called whenever the question has changed.

    Example:
        >>> question = Question(lambda: None)
        >>> question.text
        ''
    """

    def __init__(self, told: Callable[[], object]) -> None:
        self.text = ""
        self.action = ""
        self._told = told
        self._allowed = threading.Event()

    def ask(self, text: str, action: str, given_up: Callable[[], bool]) -> bool:
        """Ask, and wait in the job's thread for the answer.

        Args:
            text: One sentence or two.
            action: The words on the button that allows it.
            given_up: Whether nobody waits for what comes of it any more.

        Returns:
            Whether it was allowed.
        """
        self._allowed.clear()
        self.text, self.action = text, action
        self._told()
        try:
            while not self._allowed.wait(_PAUSE):
                if given_up():
                    return False
            return True
        finally:
            self.text = self.action = ""
            self._told()

    def allow(self) -> None:
        """Allow what is asked; does nothing where nothing is."""
        self._allowed.set()
