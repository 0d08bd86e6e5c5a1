"""Routes as data: their order and what is refused."""

from __future__ import annotations

import random
import re
from typing import Any

import pytest

from partita.gateway.routes import Resource, Route, mistakes, resources


def route(path: str, method: str = "GET", **more: Any) -> Route:
    """A route with what the test does not care about."""
    fields = {"service": "catalog", "operation": "find", "access": "public", **more}
    return Route(method=method, path=path, **fields)


def test_the_most_specific_path_comes_first() -> None:
    """Whatever order the routes are given in, a plain segment goes before a parameter, from the left."""
    ordered = ["/a", "/a/b", "/a/b/{x}", "/a/{x}/c", "/a/{x}/{y}", "/{x}/b", "/{x}"]
    routes = [route(path) for path in ordered]
    for seed in range(20):
        random.Random(seed).shuffle(routes)
        found = [resource.path for resource in resources(routes)]
        assert found.index("/a/b/{x}") < found.index("/a/{x}/c") < found.index("/a/{x}/{y}")
        assert set(found[:2]) == {"/a", "/a/b"}
        assert sorted(found) == sorted(ordered)


def test_a_plain_segment_goes_first_whatever_its_letters() -> None:
    """``~`` comes after ``{`` in ASCII; the order does not rest on that."""
    found = resources([route("/{x}/c"), route("/~b/{y}")])
    assert [resource.path for resource in found] == ["/~b/{y}", "/{x}/c"]


def test_routes_of_one_path_are_one_resource() -> None:
    """A parameter's name does not tell two paths apart; the methods are put together."""
    (found,) = resources([route("/a/{x}"), route("/a/{y}", "DELETE", service="other")])
    assert found.allowed == ("DELETE", "GET", "HEAD", "OPTIONS")


@pytest.mark.parametrize(
    ("path", "fits", "differs"),
    [
        ("/a/{x}", ["/a/1", "/a/%20", "/a/.b"], ["/a/", "/a", "/a/1/", "/a/1/2", "/ab/1"]),
        ("/a.b/{x}", ["/a.b/1"], ["/aXb/1"]),
        ("/{x}", ["/a"], ["/", "/a/b"]),
    ],
)
def test_a_parameter_is_one_segment(path: str, fits: list[str], differs: list[str]) -> None:
    """A parameter stands for one whole segment that is not empty, and letters stand for themselves."""
    regex = re.compile(Resource(path, ()).regex)
    assert all(regex.fullmatch(text) for text in fits)
    assert not any(regex.fullmatch(text) for text in differs)


def test_all_mistakes_are_told_at_once() -> None:
    """Each route that cannot work is named with a fact and a remedy."""
    found = mistakes(
        [
            route("/a/{x}", operation="first"),
            route("/a/{y}", operation="second", service="other"),
            route("no-slash"),
            route("/a/{x}b"),
            route("/a//b"),
            route("/a b"),
            route("/ok", "FETCH ME"),
            route("/ok2", "OPTIONS"),
            route("/ok3", timeout_s=0.0),
            route("/ok4", timeout_s=float("nan")),
        ]
    )
    assert len(found) == 9
    assert str(found[0]) == (
        "other.second: GET /a/{y} is catalog.first (/a/{x}) already. Give one of them another path."
    )
    assert all(mistake.remedy for mistake in found)
