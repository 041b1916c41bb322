"""Jobs: progress, cancel, one at a time, errors as sentences."""

import gc
import threading
import weakref

import pytest

from notebookviz.errors import ExportError
from notebookviz.jobs import BusyError, CancelledError, Job


class Subject:
    pass


def test_the_result_and_the_stages_are_told():
    told = []

    def work(task):
        task.stage("tracing")
        task.stage("converting")
        return 42

    job = Job("export", work, subject=Subject(), describe=lambda result: f"{result} nodes.")
    job.listen(told.append)
    assert job.start().wait(60) == 42
    assert [item.stage for item in told[:-1]] == ["starting", "tracing", "converting"]
    assert (told[-1].state, told[-1].message) == ("done", "42 nodes.")


def test_one_job_at_a_time_for_each_model():
    model, go = Subject(), threading.Event()
    first = Job("export", lambda task: go.wait(60), subject=model).start()
    with pytest.raises(BusyError, match=r"This model's export is still running \(\d+ s\)\. Wait for it, or cancel"):
        Job("export", lambda task: 0, subject=model).start()
    other = Job("export", lambda task: 1, subject=Subject()).start()
    assert other.wait(60) == 1
    go.set()
    first.wait(60)
    assert Job("export", lambda task: 2, subject=model).start().wait(60) == 2


def test_cancel_stops_at_once_and_says_so():
    stopped = threading.Event()

    def work(task):
        task.on_cancel(stopped.set)
        stopped.wait(60)
        task.check()

    job = Job("export", work, subject=Subject()).start()
    job.cancel()
    with pytest.raises(CancelledError, match="The export was cancelled"):
        job.wait(60)
    assert job.progress.state == "cancelled"
    assert job.report == ""


def test_a_stop_added_after_the_cancel_is_called_too():
    stopped = threading.Event()
    begun, go = threading.Event(), threading.Event()

    def work(task):
        begun.set()
        go.wait(60)
        task.on_cancel(stopped.set)
        task.check()

    job = Job("export", work, subject=Subject()).start()
    begun.wait(60)
    job.cancel()
    go.set()
    with pytest.raises(CancelledError):
        job.wait(60)
    assert stopped.is_set()


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (
            ExportError("No ONNX function for grouped_mm.", hint="Try opset=20."),
            "No ONNX function for grouped_mm. Try opset=20.",
        ),
        (ValueError("first line\nsecond line"), "ValueError: first line"),
        (SystemExit(), "SystemExit"),
    ],
)
def test_a_failure_is_one_sentence_with_the_report_behind_it(error, message):
    def work(task):
        raise error

    job = Job("export", work, subject=Subject()).start()
    with pytest.raises(type(error)):
        job.wait(60)
    assert job.progress.message == message
    assert job.progress.has_report
    assert "Traceback" in job.report


def test_an_ended_job_does_not_hold_its_model():
    model = Subject()
    alive = weakref.ref(model)
    job = Job("export", lambda task, held=model: id(held), subject=model).start()
    job.wait(60)
    del model
    gc.collect()
    assert alive() is None
    assert job.progress.state == "done"


def test_wait_gives_up_in_time_and_the_job_goes_on():
    go = threading.Event()
    job = Job("export", lambda task: go.wait(60), subject=Subject()).start()
    with pytest.raises(TimeoutError, match=r"has not ended after 0\.01 s"):
        job.wait(0.01)
    assert job.progress.state == "running"
    go.set()
    assert job.wait(60) is True
