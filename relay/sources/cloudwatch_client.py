"""
Asking CloudWatch Logs: one session, and a client for each region.

AWS's libraries are imported here alone, when a source starts: they take 25 MB. What they find
out by themselves is used as it is: credentials by the standard chain, renewed in time, endpoints,
proxies and signatures. Their retries are not, since each would be a request beside the pace; nor
is their parser of answers, which takes 9 µs for an event where the rest takes 2.
"""

import asyncio
import json
import logging
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any

import orjson

from relay.errors import SourceError
from relay.hub import Hub
from relay.sources.cloudwatch_errors import explained, raised
from relay.sources.cloudwatch_pace import Pace, account_of, pace_of, quota_of

__all__ = ["Client", "Clients", "Connection"]

CONNECT_SECONDS = 5.0
READ_SECONDS = 30.0

MAX_CONNECTIONS = 10
"""To one region: requests are paced, so that more are never under way."""


@dataclass(frozen=True, slots=True)
class Connection:
    """
    How AWS is reached.

    Args:
        region: of groups that do not tell theirs; ``None``: by the standard chain.
        profile: of AWS's shared configuration; ``None``: by the standard chain.
        endpoint_url: instead of AWS's own.
        per_second: most requests; ``None``: below the region's quota.
    """

    region: str | None = None
    profile: str | None = None
    endpoint_url: str | None = None
    per_second: float | None = None


class Client:
    """
    One region's CloudWatch Logs.

    Args:
        client: aiobotocore's.
        pace: of its account.
        region: its name.
        account: that is asked for, or what stands for it.
    """

    def __init__(self, client: Any, pace: Pace, region: str, account: str) -> None:
        self._client = client
        self.pace = pace
        self.region = region
        self.account = account
        self.ahead_ms = 0
        """How far our clock is ahead of AWS's at most, as the last page told; 0 where it is
        behind."""

    async def filter_log_events(self, **request: Any) -> Mapping[str, Any]:
        """
        Return a page of events.

        Raises:
            AwsError: there is none.
        """
        page = await self._ask(self._client.filter_log_events, request)
        self.ahead_ms = _ahead_ms(page.get(DATE, ""), time.time())
        return page

    async def log_groups(self, prefix: str, account: str | None = None) -> AsyncIterator[str]:
        """
        Give the names of the log groups that begin with ``prefix``.

        Args:
            prefix: may be empty.
            account: another's, which is linked to the one that asks; ``None``: its own.

        Raises:
            AwsError: they cannot be listed.
        """
        request: dict[str, Any] = {"logGroupNamePrefix": prefix} if prefix else {}
        if account is not None:
            request |= {"accountIdentifiers": [account], "includeLinkedAccounts": True}
        while True:
            page = await self._ask(self._client.describe_log_groups, request)
            for group in page["logGroups"]:
                yield group["logGroupName"]
            if not page.get("nextToken"):
                return
            request["nextToken"] = page["nextToken"]

    async def _ask(self, method: Callable[..., Any], request: dict[str, Any]) -> Mapping[str, Any]:
        await self.pace.wait()
        try:
            answer: Mapping[str, Any] = await method(**request)
        except raised() as error:
            raise explained(error, "nextToken" in request) from error
        return answer


class Clients:
    """
    The clients of one source, made when they are asked for.

    Args:
        connection: how AWS is reached.
        hub: whose sources have a pace in common.
    """

    def __init__(self, connection: Connection, hub: Hub | None) -> None:
        self._connection = connection
        self._hub = hub
        self._session: Any = None
        self._stack = AsyncExitStack()
        self._clients: dict[str | None, Client] = {}

    async def of(self, region: str | None) -> Client:
        """
        Return the client of a region; ``None``: of the one that is configured.

        Raises:
            SourceError: the libraries, the profile or the region cannot be used.
            AwsError: there are no credentials.
        """
        client = self._clients.get(region)
        if client is None:
            client = await self._made(region)
            client = self._clients.setdefault(client.region, client)
            self._clients[region] = client
        return client

    async def close(self) -> None:
        """Close all connections."""
        self._clients.clear()
        await self._stack.aclose()

    async def _made(self, region: str | None) -> Client:
        connection = self._connection
        if self._session is None:
            self._session = await asyncio.to_thread(_session, connection.profile)
        try:
            credentials = await self._session.get_credentials()
            frozen = None if credentials is None else await credentials.get_frozen_credentials()
            made = self._session.create_client(
                "logs",
                region_name=region or connection.region,
                endpoint_url=connection.endpoint_url,
                config=_config(),
            )
            client = await self._stack.enter_async_context(made)
        except raised() as error:
            raise explained(error, asked_by_token=False) from error
        name = client.meta.region_name
        account = "" if frozen is None else account_of(frozen.access_key)
        rate = connection.per_second or quota_of(name)
        pace = pace_of(self._hub, account, name, connection.endpoint_url or "", rate)
        return Client(client, pace, name, account)


def _session(profile: str | None) -> Any:
    """
    Return a session; called off the loop, since it reads a lot of files.

    Raises:
        SourceError: the libraries or the profile cannot be used.
    """
    try:
        from aiobotocore.session import AioSession
    except ImportError as error:
        raise SourceError(
            f"cannot import aiobotocore ({error}); run pip install 'logrelay[cloudwatch]'"
        ) from None
    # Where it found credentials it says with each client.
    logging.getLogger("aiobotocore").setLevel(logging.WARNING)
    try:
        session = AioSession(profile=profile)
        session.register_component("response_parser_factory", _parsers())
        loader = session.get_component("data_loader")
        # What the loader has read once it keeps: a client is made in a moment then.
        loader.load_service_model("logs", "service-2", None)
        loader.load_data("endpoints")
    except raised() as error:
        raise explained(error, asked_by_token=False) from error
    return session


def _config() -> Any:
    from aiobotocore.config import AioConfig

    return AioConfig(
        retries={"total_max_attempts": 1, "mode": "standard"},
        connect_timeout=CONNECT_SECONDS,
        read_timeout=READ_SECONDS,
        max_pool_connections=MAX_CONNECTIONS,
        user_agent_extra="logrelay",
    )


def _parsers() -> Any:
    from aiobotocore.parsers import AioResponseParserFactory

    class Parsers(AioResponseParserFactory):  # type: ignore[misc]
        """Gives AWS's own parser, but for pages of events."""

        def create_parser(self, protocol_name: str) -> "_PageParser":
            return _PageParser(super().create_parser(protocol_name))

    return Parsers()


class _PageParser:
    """
    Reads pages of events as the JSON that they are.

    Args:
        parser: AWS's, for everything else.
    """

    def __init__(self, parser: Any) -> None:
        self._parser = parser

    async def parse(self, response: Mapping[str, Any], shape: Any) -> Any:
        """Return what a response says."""
        if response["status_code"] != 200 or getattr(shape, "name", "") != PAGE_SHAPE:
            return await self._parser.parse(response, shape)
        body: bytes = response["body"]
        try:
            page = orjson.loads(body)
        except orjson.JSONDecodeError:
            # Halves of characters, which a program may have written: its event must not be lost.
            page = json.loads(body.decode(errors="replace"))
        if not isinstance(page, dict):
            raise ValueError(f"expected an object, got {body[:100]!r}")
        page[DATE] = response["headers"].get("Date", "")
        return page


PAGE_SHAPE = "FilterLogEventsResponse"

DATE = "relay:Date"
"""Key of a page under which its answer's date stands."""


def _ahead_ms(date: str, now: float) -> int:
    try:
        theirs = parsedate_to_datetime(date).timestamp()
    except (ValueError, TypeError):
        return 0
    # It has no fraction of a second, and took its time to come: so far at most. What is asked for
    # from a little too early on is known; what is not asked for is lost.
    return max(0, int((now - theirs) * 1000))
