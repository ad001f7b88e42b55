"""One worker's part in a roll-out: follows the orders, and gives them for whoever asks."""

from __future__ import annotations

import asyncio
import logging
import time

from shortlist.core.errors import BundleError, RequestError, UserError
from shortlist.serving.answers import RolloutAnswer
from shortlist.serving.lineup import Lineup
from shortlist.serving.live import Live
from shortlist.serving.loading import Loader, check_takes_the_place_of
from shortlist.serving.orders import Order, Placed, Placement, Report, RunFolder
from shortlist.serving.pauses import set_aside
from shortlist.serving.refusal import Refusal

_LOOK_S = 0.2
"""How often a worker looks for a new order."""
_PATIENCE_S = 60.0
"""How long whoever ordered waits for the workers."""

_log = logging.getLogger("shortlist.serving")


class Rollout:
    """Keeps what answers in step with the orders in the run's folder."""

    def __init__(self, live: Live, loader: Loader, folder: RunFolder, report: Report) -> None:
        """`report` says how the line-up that `live` begins with stands to the orders."""
        self.live = live
        self.folder = folder
        self._loader = loader
        self._report = report
        self._loading = asyncio.Lock()

    async def follow(self) -> None:
        """Carry out each order, until cancelled."""
        self.folder.report(self._report)
        while True:
            try:
                order = self.folder.read()
                if order is not None and order.generation > self._report.generation:
                    await self._carry_out(order)
            except Exception:
                # A disk that is full now may not be so later; who stopped looking would never know.
                _log.exception("this process cannot follow the orders in %s", self.folder.path)
            await asyncio.sleep(_LOOK_S)

    async def reload(self, address: str | None, variant: str | None) -> RolloutAnswer:
        """Load the bundle at an address, by default what led to the variant's, in every worker.

        Refusal, status 409, where it cannot take the place of the one that serves, which then goes on.
        """
        now = self.folder.read()
        assert now is not None
        name = self._variant(variant, now)
        try:
            bundles = {name: await asyncio.to_thread(Placed.at, address or now.bundles[name].address)}
            async with self._loading:
                try:
                    await asyncio.to_thread(self._checked, {**now.bundles, **bundles})
                except BundleError:
                    self._forget()
                    raise
        except UserError as error:
            raise Refusal(str(error), "bundle", address, "a bundle that can take the place", status=409) from error
        return await self._settled(self.folder.give(bundles))

    async def back(self) -> RolloutAnswer:
        """Answer as before the last order, in every worker; Refusal, status 409, where there is nothing before."""
        try:
            order = self.folder.back()
        except RequestError as error:
            raise Refusal(str(error), "bundle", status=409) from error
        return await self._settled(order)

    async def _carry_out(self, order: Order) -> None:
        problem: str | None = None
        is_new = False
        async with self._loading:
            try:
                lineup = await asyncio.to_thread(self._checked, order.bundles)
                is_new = lineup.arms != self.live.lineup.arms
                if is_new:
                    self.live.swap(lineup)
            except BundleError as error:
                problem = str(error)
                _log.error("generation %d is not served, the one before goes on: %s", order.generation, problem)
            self._forget()
            if is_new:
                set_aside()
        self._report = Report(order.generation, problem)
        self.folder.report(self._report)

    def _forget(self) -> None:
        """Only while `_loading` is held: another thread may be loading otherwise."""
        self._loader.forget_but(self.live.lineup, self.live.before)

    def _checked(self, bundles: Placement) -> Lineup:
        lineup = self._loader.lineup(bundles)
        check_takes_the_place_of(self.live.lineup, lineup)
        return lineup

    async def _settled(self, order: Order) -> RolloutAnswer:
        """The answer once every worker has carried out the order; Refusal, status 503, where some did not."""
        patience = time.monotonic() + _PATIENCE_S
        while any(report.generation < order.generation for report in self.folder.reports().values()):
            if time.monotonic() > patience:
                break
            await asyncio.sleep(_LOOK_S / 4)
        reports = self.folder.reports()
        behind = {
            pid: report.problem or "it has not answered yet"
            for pid, report in reports.items()
            if report.problem is not None or report.generation < order.generation
        }
        if behind:
            said = "; ".join(f"process {pid}: {problem}" for pid, problem in behind.items())
            message = f"{len(behind)} of {len(reports)} workers still answer from the bundle before: {said}"
            raise Refusal(message, "server", status=503, headers={"Retry-After": "5"})
        labels = {arm.name: arm.service.label for arm in self.live.lineup.arms}
        return RolloutAnswer(order.generation, len(reports), labels)

    def _variant(self, asked: str | None, order: Order) -> str:
        names = list(order.bundles)
        if asked is None and len(names) == 1:
            return names[0]
        if asked not in names:
            raise Refusal("variant: expected one of the experiment's", "variant", asked, ", ".join(names))
        return asked
