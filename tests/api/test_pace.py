"""How many requests, and tokens, go in a minute. The clock is not real."""

import asyncio
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mllm_classify.api import replies
from mllm_classify.api.sending import Pace, Sender
from mllm_classify.config.chat import EndpointModel


def entry(**options):
    base = {"name": "m", "label": "M", "kind": "endpoint", "url": "http://x/v1", "model": "q", "tasks": ["OW"]}
    return EndpointModel(**base | options)


def run(coroutine):
    return asyncio.run(coroutine)


class Clock(asyncio.SelectorEventLoop):
    """A loop whose time is that of the next thing to do: nobody waits. Each step takes a microsecond."""

    def __init__(self):
        super().__init__()
        self.now = 0.0

    def time(self):
        return self.now

    def _run_once(self):
        self.now += 1e-6
        if not self._ready and self._scheduled:
            self.now = max(self.now, self._scheduled[0]._when)
        super()._run_once()


def times(tokens, pause=None, **limits):
    """When requests with so many tokens go, of which all are ready at once."""

    async def go():
        loop = asyncio.get_running_loop()
        pace = Pace(entry(**limits))
        if pause:
            pace.resume = pause
        gone = []

        async def one(count):
            await pace.wait(count)
            gone.append((loop.time(), count))

        await asyncio.gather(*map(one, tokens))
        return sorted(gone)

    with asyncio.Runner(loop_factory=Clock) as runner:
        return runner.run(go())


def most_within(gone, seconds, what):
    """The most that went within any such time."""
    return max(sum(what(one) for one in gone if start <= one[0] < start + seconds) for start, _ in gone)


def test_without_limits_nothing_waits():
    assert max(when for when, _ in times([10**9] * 50)) < 1e-3


@pytest.mark.parametrize("per_minute", [6, 60, 90, 600, 6000])
def test_so_many_requests_go_in_a_minute_and_a_seconds_worth_at_once(per_minute):
    count = min(per_minute * 2, 400)
    gone = times([1] * count, requests_per_minute=per_minute)
    burst = max(1, per_minute / 60)
    assert most_within(gone, 60, lambda _: 1) <= per_minute + burst + 1
    assert most_within(gone, 1e-6, lambda _: 1) <= burst
    # and hardly fewer
    assert gone[-1][0] == pytest.approx((count - burst) * 60 / per_minute, rel=0.02, abs=1)


@pytest.mark.parametrize("tokens", [100, 999, 50_000])
def test_so_many_tokens_go_in_a_minute_and_ten_seconds_worth_at_once(tokens):
    per_minute = 60_000
    gone = times([tokens] * 60, tokens_per_minute=per_minute)
    # a request that is larger than ten seconds' worth counts as that
    counted_as = min(tokens, per_minute / 6)
    assert most_within(gone, 60, lambda _: counted_as) <= per_minute * 7 / 6 + counted_as
    assert most_within(gone, 1e-6, lambda _: counted_as) <= per_minute / 6
    assert gone[-1][0] == pytest.approx(max(0, (60 * counted_as - per_minute / 6) * 60 / per_minute), rel=0.02, abs=1)


@given(st.lists(st.integers(1, 5000), min_size=1, max_size=40), st.integers(1, 300), st.integers(100, 30_000))
def test_both_limits_hold_whatever_the_requests_are(tokens, requests_per_minute, tokens_per_minute):
    gone = times(tokens, requests_per_minute=requests_per_minute, tokens_per_minute=tokens_per_minute)
    assert len(gone) == len(tokens)
    room = tokens_per_minute / 6
    assert most_within(gone, 60, lambda _: 1) <= requests_per_minute + max(1, requests_per_minute / 60) + 1
    assert most_within(gone, 60, lambda one: min(one[1], room)) <= tokens_per_minute * 7 / 6 + room + 1


def test_nothing_goes_during_a_pause_that_the_server_asked_for():
    assert min(when for when, _ in times([1] * 20, pause=30)) >= 30
    assert min(when for when, _ in times([1] * 20, pause=30, requests_per_minute=60)) >= 30


def test_pauses_grow_to_a_minute_and_are_the_servers_where_it_says_so():
    """Each is between a half of its length and the whole."""

    async def waits(attempts, error):
        sender = Sender(entry(), None, replies.completion)
        outcome = SimpleNamespace(exception=lambda: error)
        return [sender._wait(SimpleNamespace(attempt_number=it, outcome=outcome)) for it in attempts]

    found = run(waits(range(1, 12), replies.TemporaryError("503")))
    for wait, longest in zip(found, [0.5, 1, 2, 4, 8, 16, 32, 60, 60, 60, 60], strict=True):
        assert longest / 2 <= wait <= longest
    (asked,) = run(waits([5], replies.TemporaryError("429", wait=20)))
    assert 20 <= asked <= 20.5
