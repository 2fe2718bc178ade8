"""Sending many requests at once: within limits, again where that may help, and never on against a dead server."""

import asyncio
import contextlib
import random
import signal
from collections.abc import Callable, Coroutine, Iterator
from typing import Any, Protocol

import aiolimiter
import tenacity

from mllm_classify.api import client, replies
from mllm_classify.io.files import StoppedError, TerminatedError

GRACE = 10.0
"""Seconds that answers on their way have to arrive once asking stops. Slurm kills 30 s after SIGTERM."""
FIRST_WAIT, LONGEST_BACKOFF = 0.5, 60.0
"""Seconds before the second attempt, and at most before a later one."""
REFUSALS = 50
"""Requests refused for good one after the other, with no answer between them, after which asking stops."""
DENIALS = 3
"""Requests denied before any is answered, after which asking stops: the key, model or address is wrong."""


class Limits(Protocol):
    """What an entry says of how its server is asked."""

    @property
    def concurrency(self) -> int: ...

    @property
    def retries(self) -> int: ...

    @property
    def patience(self) -> float: ...

    @property
    def requests_per_minute(self) -> float | None: ...

    @property
    def tokens_per_minute(self) -> float | None: ...


class Pace:
    """Requests and tokens a minute, in bursts of a second's worth and ten seconds' worth; and pauses of the server's."""

    def __init__(self, limits: Limits) -> None:
        self._requests = self._tokens = None
        if (per_minute := limits.requests_per_minute) is not None:
            burst = max(1.0, per_minute / 60)
            self._requests = aiolimiter.AsyncLimiter(burst, burst * 60 / per_minute)
        if (per_minute := limits.tokens_per_minute) is not None:
            self._tokens = aiolimiter.AsyncLimiter(per_minute / 6, 10)
        self.resume = 0.0

    def holds(self) -> bool:
        """Whether a request may have to wait."""
        limited = self._requests is not None or self._tokens is not None
        return limited or self.resume > asyncio.get_running_loop().time()

    async def wait(self, tokens: int) -> None:
        """Until one more request may go. A share that a pause has outlasted is taken again: the pause ends in no burst."""
        while True:
            while (left := self.resume - asyncio.get_running_loop().time()) > 0:  # noqa: ASYNC110 (a time)
                await asyncio.sleep(left + random.uniform(0, 0.1))  # noqa: S311 (nothing secret)
            if self._requests is not None:
                await self._requests.acquire()
            if self._tokens is not None:
                await self._tokens.acquire(min(tokens, self._tokens.max_rate))
            if self.resume <= asyncio.get_running_loop().time():
                return


class Sender:
    """Sends requests to one server, at most `concurrency` at a time.

    `read` makes a response of a reply, or raises what says whether to try again; `ended` says why the server is no more,
    if it has ended; `answered`, whether it has answered before this.
    """

    def __init__(
        self,
        limits: Limits,
        transport: client.Transport,
        read: Callable[[replies.Reply], dict[str, Any]] = replies.completion,
        ended: Callable[[], str | None] = lambda: None,
        *,
        answered: bool = False,
    ) -> None:
        self.limits = limits
        self.transport = transport
        self.stopped: StoppedError | None = None
        self.pace = Pace(limits)
        self.retried = 0
        self._read = read
        self._ended = ended
        self._slots = asyncio.Semaphore(limits.concurrency)
        self._stop = asyncio.Event()
        self._refused = 0
        self._failed = 0
        self._answered = answered
        self._alive = self._silent_since = asyncio.get_running_loop().time()

    async def send(self, body: dict[str, Any], tokens: int) -> tuple[dict[str, Any], float]:
        """Send a request until it is answered, refused for good, or tried often enough. Raises FailedError."""
        retrying = tenacity.AsyncRetrying(
            stop=tenacity.stop_after_attempt(1 + self.limits.retries),
            wait=self._wait,
            retry=tenacity.retry_if_exception(
                lambda error: isinstance(error, replies.TemporaryError) and self.stopped is None
            ),
            sleep=self.pause,
            reraise=True,
        )
        return await retrying(self._once, body, tokens)

    async def _once(self, body: dict[str, Any], tokens: int) -> tuple[dict[str, Any], float]:
        async with self._slots:
            if self.pace.holds():
                await self._unless_stopped(self.pace.wait(tokens))
            if self.stopped is not None:
                msg = "not asked any more"
                raise replies.FailedError(msg)
            return await self._sent(body)

    async def _sent(self, body: dict[str, Any]) -> tuple[dict[str, Any], float]:
        """Send a request, and note what its outcome says of the server."""
        started = asyncio.get_running_loop().time()
        try:
            answered = await client.ask(self.transport, body, self._read)
        except replies.TemporaryError as error:
            now = asyncio.get_running_loop().time()
            if error.wait is not None:
                self.pace.resume = max(self.pace.resume, now + error.wait)
            if not self._failed:  # one pause is no silence; a server that asks for one after the other is silent
                self._silent_since = max(self._alive, started if error.wait is None else now + error.wait)
            self._failed += 1
            if (ended := self._ended()) is not None:
                self.stop(StoppedError(ended))
            self._check_alive(str(error))
            raise
        except replies.PermanentError as error:
            self._refused += 1
            if isinstance(error, replies.DeniedError) and not self._answered and self._refused >= DENIALS:
                self.stop(StoppedError(str(error)))
            if self._refused >= REFUSALS:
                self.stop(StoppedError(f"{self._refused} requests in a row were refused, the last: {error}"))
            raise
        except replies.HopelessError as error:
            self.stop(StoppedError(str(error)))
            raise
        self._refused = self._failed = 0
        self._answered = True
        self._alive = asyncio.get_running_loop().time()
        return answered

    def _check_alive(self, reason: str) -> None:
        """The circuit breaker: stop where nothing was answered for long, although enough was asked."""
        silent = asyncio.get_running_loop().time() - self._silent_since
        if silent > self.limits.patience and self._failed >= self.limits.concurrency:
            said = f"no answer for {silent:.0f} s (patience: {self.limits.patience:g}), the last: {reason}"
            self.stop(StoppedError(said))

    def _wait(self, state: tenacity.RetryCallState) -> float:
        """Seconds before the next attempt: as long as the server says, else exponential with jitter."""
        self.retried += 1
        error = state.outcome.exception() if state.outcome else None
        backoff = min(FIRST_WAIT * 2.0 ** (state.attempt_number - 1), LONGEST_BACKOFF)
        jitter = random.uniform(0.5, 1.0)  # noqa: S311 (nothing secret)
        retry_after = getattr(error, "wait", None)
        return backoff * jitter if retry_after is None else retry_after + FIRST_WAIT * jitter

    async def pause(self, seconds: float) -> None:
        """Sleep, but not beyond the end of asking."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._stop.wait(), seconds)

    async def _unless_stopped(self, waiting: Coroutine[Any, Any, None]) -> None:
        """Wait for something, but not beyond the end of asking."""
        tasks = [asyncio.create_task(waiting), asyncio.create_task(self.stopping())]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()

    async def stopping(self) -> None:
        """Until asking stops."""
        await self._stop.wait()

    def stop(self, reason: StoppedError) -> None:
        """Ask nothing more. What is under way may still arrive."""
        self.stopped = self.stopped or reason
        self._stop.set()


async def within_grace(sender: Sender, work: Coroutine[Any, Any, None]) -> None:
    """Do it to its end; or, once asking stops, for as long as answers on their way have to arrive."""
    working, stopping = asyncio.create_task(work), asyncio.create_task(sender.stopping())
    try:
        await asyncio.wait([working, stopping], return_when=asyncio.FIRST_COMPLETED)
        await asyncio.wait([working], timeout=GRACE)
    finally:
        working.cancel()
        stopping.cancel()
        await asyncio.gather(working, stopping, return_exceptions=True)
    if not working.cancelled():
        working.result()


@contextlib.contextmanager
def until_terminated(sender: Sender) -> Iterator[None]:
    """Let signals end the asking, not the process: what was answered is on the disk, what is on its way may arrive."""
    loop = asyncio.get_running_loop()
    handled = []
    for number in (signal.SIGTERM, signal.SIGINT):
        reason = TerminatedError(f"{number.name}: asking has stopped", number)
        with contextlib.suppress(RuntimeError, ValueError):  # not the main thread
            loop.add_signal_handler(number, sender.stop, reason)
            handled.append(number)
    try:
        yield
    finally:
        for number in handled:
            loop.remove_signal_handler(number)
