"""One base error: what was received, what was wanted, what to try next."""

from __future__ import annotations


class NotebookvizError(Exception):
    """An error that a person can act on.

    Args:
        what: What went wrong, naming the value received and the value wanted; a sentence.
        where: The file, module path or option concerned, or ``""``.
        hint: The next step to try; a sentence, or ``""``.

    Example:
        >>> str(NotebookvizError("show() got None; it wants a torch.nn.Module.", hint="Pass the model itself."))
        'show() got None; it wants a torch.nn.Module. Pass the model itself.'
    """

    def __init__(self, what: str, *, where: str = "", hint: str = "") -> None:
        self.what = what
        self.where = where
        self.hint = hint
        super().__init__(" ".join(part for part in (what, hint) if part))

    def _render_traceback_(self) -> list[str]:
        """Let IPython show one readable line instead of a traceback."""
        return [f"{type(self).__name__}: {self}"]


class InputError(NotebookvizError, ValueError):
    """The model, its input or an option is not what is wanted."""


class LoadingError(NotebookvizError, OSError):
    """A model file is missing, unreadable or of an unknown kind."""


class ViewerError(NotebookvizError, RuntimeError):
    """The page around Netron can't be built, for instance on an unsupported Netron version."""


class ExportError(NotebookvizError, RuntimeError):
    """The ONNX export failed or was cancelled.

    Args:
        what: One sentence, naming the module it failed at where that is known.
        where: Path of that module, or the file concerned.
        hint: The next step to try.
        report: The full report, for whoever wants all of it.
    """

    def __init__(self, what: str, *, where: str = "", hint: str = "", report: str = "") -> None:
        self.report = report
        super().__init__(what, where=where, hint=hint)


class MissingExtraError(NotebookvizError, ImportError):
    """An optional package is absent.

    Example:
        >>> str(MissingExtraError("pandas", extra="table"))
        "This needs pandas, which is not installed. Run: pip install 'notebookviz[table]'"
    """

    def __init__(self, package: str, *, extra: str) -> None:
        super().__init__(
            f"This needs {package}, which is not installed.",
            hint=f"Run: pip install 'notebookviz[{extra}]'",
        )
