"""The protocol: answers, errors in words, frames."""

import json
import struct

import pytest

from notebookviz.errors import InputError
from notebookviz.serving import protocol
from notebookviz.serving.protocol import Answer, answer, frames


def fail(params):
    raise InputError("No tensor is called 'x'.", hint="Trace the model again.")


METHODS = {"echo": lambda params: Answer(params, (b"ab",)), "fail": fail, "crash": lambda params: {}["key"]}


def join(pieces):
    heads = [struct.unpack("<III", piece[:12]) for piece in pieces]
    assert len({number for number, _, _ in heads}) == 1
    assert [(index, count) for _, index, count in heads] == [(i, len(pieces)) for i in range(len(pieces))]
    whole = b"".join(piece[12:] for piece in pieces)
    (length,) = struct.unpack("<I", whole[:4])
    message = json.loads(whole[4 : 4 + length])
    rest, found = whole[4 + length :], []
    for size in message["buffers"]:
        found.append(rest[:size])
        rest = rest[size:]
    assert rest == b""
    return message, found


def test_a_method_is_answered_with_its_buffers():
    reply, buffers = answer(METHODS, {"id": 3, "method": "echo", "params": {"a": 1}})
    assert reply == {"id": 3, "result": {"a": 1}, "error": None}
    assert list(buffers) == [b"ab"]


@pytest.mark.parametrize(
    ("method", "what", "hint"),
    [
        ("fail", "No tensor is called 'x'.", "Trace the model again."),
        ("crash", "KeyError: 'key'", ""),
        ("away", "The kernel does not answer 'away' for this panel.", "restart the kernel"),
        (["list"], "The kernel does not answer \"['list']\" for this panel.", "restart the kernel"),
    ],
)
def test_errors_are_words(method, what, hint):
    reply, buffers = answer(METHODS, {"id": "x", "method": method})
    assert reply["error"]["what"] == what
    assert hint in reply["error"]["hint"]
    assert list(buffers) == []


@pytest.mark.parametrize("request_", [None, 3, "text", [], {}, {"id": None}, {"id": [1]}])
def test_what_is_no_request_is_not_answered(request_):
    assert answer(METHODS, request_) is None


def test_odd_params_become_none():
    assert answer(METHODS, {"id": 1, "method": "echo", "params": [1]})[0]["result"] == {}


def test_frames_of_a_message_without_buffers_are_text():
    assert frames({"id": 1}) == ['{"id": 1}']


def test_large_messages_come_in_pieces(monkeypatch):
    monkeypatch.setattr(protocol, "PIECE", 100)
    sent = [bytes(range(250)), b"", b"end"]
    pieces = frames({"id": 1, "result": {"name": "ünï"}}, sent)
    assert len(pieces) > 2
    message, found = join(pieces)
    assert message["result"] == {"name": "ünï"}
    assert found == sent
