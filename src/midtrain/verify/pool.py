"""Where claims are judged: many at once, each where its verifier may run, and none without an end.

    claim -> too long? -> quick judge (in our process) -> remembered? -> here | child | sandbox -> Verdict

`check` may be called from any thread and waits for a free child, which is all the back-pressure there is; `check_all`
keeps a bounded number of claims in flight and gives the verdicts in the order of the claims. No signal is used, so it
works off the main thread and beside anything else. What each costs: a judgement in our process some microseconds; one
in a child its own time and 0.1 ms; the first in each child the seconds its library takes to load.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from midtrain.core.parallel import available_cpus
from midtrain.verify.cache import VerdictCache
from midtrain.verify.children import Children
from midtrain.verify.claims import Claim, judge_here
from midtrain.verify.verdict import Outcome, Verdict
from midtrain.verify.verifiers.protocol import Judgement

LONGEST = {"answer": 20_000, "solution": 1_000_000, "completion": 1_000_000}
"""Characters, by what a verifier reads: no final answer is longer than a page, no completion than a novel."""
_EACH_IN_FLIGHT = 4  # claims per worker: enough that no worker waits for the next one


class Pool:
    """Judges claims with `workers` children and threads (None: one for each CPU we may use).

    `in_flight` bounds the claims that `check_all` has taken and not yet given back (None: 4 for each worker); `cache`
    is a file in which verdicts are kept from one run to the next; `memory` is the address space of a child in bytes.
    """

    def __init__(
        self,
        workers: int | None = None,
        in_flight: int | None = None,
        cache: Path | None = None,
        memory: int = 2 << 30,
    ):
        self.workers = workers or available_cpus()
        self.in_flight = in_flight or _EACH_IN_FLIGHT * self.workers
        self._cache = VerdictCache(cache)
        self._children = Children(self.workers, memory)
        self._threads = ThreadPoolExecutor(self.workers, thread_name_prefix="verify")

    def check(self, claim: Claim) -> Verdict:
        """The verdict. Raises UserError for what the person who set the problem must mend (a missing library)."""
        return self._at_once(claim) or self._at_length(claim)

    def check_all(self, claims: Iterable[Claim]) -> Iterator[Verdict]:
        """A verdict for each claim, in order; takes no more than `in_flight` claims ahead of the verdicts."""
        waiting: deque[Verdict | Future[Verdict]] = deque()
        try:
            for claim in claims:
                waiting.append(self._at_once(claim) or self._threads.submit(self._at_length, claim))
                while waiting and (len(waiting) >= self.in_flight or isinstance(waiting[0], Verdict)):
                    yield _verdict(waiting.popleft())
            while waiting:
                yield _verdict(waiting.popleft())
        finally:
            for left in waiting:
                if isinstance(left, Future):
                    left.cancel()

    def close(self) -> None:
        """End the children and threads; claims in flight are finished first."""
        self._threads.shutdown(cancel_futures=True)
        self._children.close()
        self._cache.close()

    def __enter__(self) -> Pool:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _at_once(self, claim: Claim) -> Verdict | None:
        """The verdict where it takes no child, no sandbox and no time."""
        verifier = claim.verifier
        if len(claim.answer) > LONGEST[verifier.reads]:
            return Verdict(Outcome.UNPARSEABLE, "too long")
        if verifier.runs == "here":
            return judge_here(claim)
        quick = verifier.quick_judge()
        if quick:
            start = time.perf_counter()
            try:
                judgement = quick(claim.answer, claim.gold, claim.arguments)
            except Exception as error:  # a gold answer that cannot be read, or a defect: not the answer's fault
                judgement = Judgement(Outcome.INFRA_ERROR, f"{verifier.name}: {type(error).__name__}: {error}")
            if judgement:
                outcome, cause, details, isolation = judgement
                return Verdict(outcome, cause, time.perf_counter() - start, isolation, details)
        return self._cache.get(claim.key)

    def _at_length(self, claim: Claim) -> Verdict:
        if claim.verifier.runs == "sandbox":
            verdict = judge_here(claim)
        else:
            start = time.perf_counter()
            outcome, cause, details, isolation = self._children.judge(claim)
            verdict = Verdict(outcome, cause, time.perf_counter() - start, isolation, details)
        self._cache.put(claim.key, verdict)
        return verdict


def _verdict(one: Verdict | Future[Verdict]) -> Verdict:
    return one if isinstance(one, Verdict) else one.result()
