"""`upweave lab`: what it serves, to whom, and what it says where it cannot."""

from __future__ import annotations

import http.client
import socket
import urllib.parse

import pytest

pytest.importorskip("marimo")

from upweave.errors import UpweaveError
from upweave.labs import LABS
from upweave.labs.serve import server


def get(address: str, path: str, **headers: str) -> tuple[int, str]:
    """Status and text of one request, with exactly these headers."""
    where = urllib.parse.urlsplit(address)
    connection = http.client.HTTPConnection(where.hostname, where.port, timeout=20)
    connection.putrequest("GET", path, skip_host="Host" in headers)
    for name, value in headers.items():
        connection.putheader(name, value)
    connection.endheaders()
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    return answer.status, text


def test_pages(labs_address: str) -> None:
    status, text = get(labs_address, "/")
    assert status == 200
    for lab in LABS:
        assert f'href="{lab.name}/index.html"' in text
        assert lab.title.zh.split(" · ")[-1][:2] in text
        assert get(labs_address, f"/{lab.name}/")[0] == 200
        assert get(labs_address, f"/{lab.name}/index.html?lang=zh")[0] == 307
    status, text = get(labs_address, "/theory/upweave.coverage.html")
    assert status == 200
    assert "k mod s" in text
    assert get(labs_address, "/theory/upweave.nothing.html")[0] == 404
    assert get(labs_address, "/theory/os.system.html")[0] == 404


def test_other_sites_are_refused(labs_address: str) -> None:
    own = labs_address.rstrip("/")
    host = own.removeprefix("http://")
    assert get(labs_address, "/", Host=host, Origin=own)[0] == 200
    for headers in (
        {"Origin": "https://example.invalid"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:1"},
        {"Host": "example.invalid"},
        {"Host": "example.invalid:" + host.split(":")[1]},
    ):
        assert get(labs_address, "/matrix/", **headers)[0] == 403, headers


def test_a_port_that_is_taken_is_said() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(UpweaveError, match="choose another with --port"):
            server(taken.getsockname()[1])
