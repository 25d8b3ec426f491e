"""
AWS's errors by what they mean for who asked, in AWS's own words.

What AWS's libraries raise has no one ancestor, and is imported when something is raised.
"""

import json
from collections.abc import Mapping
from enum import Enum
from typing import Any

import aiohttp

from relay.errors import RelayError, SourceError

__all__ = ["AwsError", "Kind", "explained", "raised"]


class Kind(Enum):
    """What an error of AWS means for who asked."""

    THROTTLED = "throttled"
    """Too many requests, of whomever; later there is room again."""
    CREDENTIALS = "credentials"
    """Nothing can be asked with these; others may be found in a while."""
    MISSING = "missing"
    """The log group, or the log stream, is not there; it may come."""
    TOKEN = "token"
    """The place in a list of pages is not known any more."""
    UNREACHABLE = "unreachable"
    """No answer, or one that says that AWS has trouble itself."""
    REFUSED = "refused"
    """Anything else: it will most likely be refused again."""


class AwsError(RelayError):
    """
    A request that AWS did not answer as asked.

    Args:
        kind: what it means.
        words: AWS's own, or its library's.
    """

    def __init__(self, kind: Kind, words: str) -> None:
        self.kind = kind
        self.words = words

    def __str__(self) -> str:
        return self.words


_THROTTLES = frozenset(
    "Throttling ThrottlingException ThrottledException RequestThrottled "
    "RequestThrottledException TooManyRequestsException RequestLimitExceeded "
    "LimitExceededException SlowDown BandwidthLimitExceeded".split()
)
_CREDENTIALS = frozenset(
    "ExpiredToken ExpiredTokenException RequestExpired InvalidClientTokenId "
    "UnrecognizedClientException InvalidSignatureException SignatureDoesNotMatch "
    "IncompleteSignature MissingAuthenticationToken AuthFailure OptInRequired "
    "InvalidAccessKeyId NotAuthorized".split()
)
_MISSING = frozenset(["ResourceNotFoundException", "ResourceNotFound"])
_TROUBLED = frozenset(
    "ServiceUnavailableException ServiceUnavailable InternalFailure InternalServerError "
    "InternalError RequestTimeout RequestTimeoutException".split()
)


def raised() -> tuple[type[Exception], ...]:
    """Return what AWS's libraries raise, which has no one ancestor; no JSON is a ValueError."""
    from botocore.exceptions import BotoCoreError, ClientError

    return (BotoCoreError, ClientError, aiohttp.ClientError, OSError, ValueError)


def explained(error: Exception, asked_by_token: bool) -> Exception:
    """
    Return what is to be raised instead of what AWS's libraries raised.

    Args:
        error: theirs.
        asked_by_token: whether the request went on with a list of pages.
    """
    from botocore import exceptions as aws

    if isinstance(error, SourceError):
        return error
    if isinstance(error, aws.ClientError):
        return _answered(error.response, asked_by_token)
    words = " ".join(str(error).split()) or type(error).__name__
    if isinstance(error, aws.ProfileNotFound | aws.NoRegionError | aws.ConfigParseError):
        return SourceError(_with_hint(error, words))
    unreachable = (
        aws.HTTPClientError,
        aws.ConnectionError,
        aiohttp.ClientError,
        OSError,
        json.JSONDecodeError,
    )
    credentials = (
        aws.NoCredentialsError,
        aws.PartialCredentialsError,
        aws.CredentialRetrievalError,
        aws.TokenRetrievalError,
        aws.SSOError,
        aws.MetadataRetrievalError,
    )
    if isinstance(error, credentials):
        return AwsError(Kind.CREDENTIALS, _with_hint(error, words))
    if isinstance(error, unreachable):
        return AwsError(Kind.UNREACHABLE, words)
    return AwsError(Kind.REFUSED, f"{type(error).__name__}: {words}")


def _answered(response: Mapping[str, Any], asked_by_token: bool) -> AwsError:
    said = response.get("Error", {})
    # What follows a refused signature repeats the request, with its session token.
    code, first = said.get("Code", "Unknown"), str(said.get("Message", "")).partition("\n\n")[0]
    message = " ".join(first.split())
    status = response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    return AwsError(_kind(str(code), status, asked_by_token), f"{code}: {message}".strip(": "))


def _kind(code: str, status: int, asked_by_token: bool) -> Kind:
    if code in _THROTTLES or status == 429:
        return Kind.THROTTLED
    if code in _CREDENTIALS:
        return Kind.CREDENTIALS
    if code in _MISSING:
        return Kind.MISSING
    if code in _TROUBLED or status >= 500:
        return Kind.UNREACHABLE
    if asked_by_token and code in ("InvalidParameterException", "InvalidNextTokenException"):
        return Kind.TOKEN
    return Kind.REFUSED


_HINTS = {
    "NoRegionError": '; set `region`, such as "eu-central-1", or AWS_REGION',
    "NoCredentialsError": "; set `profile`, AWS_PROFILE or AWS_ACCESS_KEY_ID, or give this host a "
    "role",
}


def _with_hint(error: Exception, words: str) -> str:
    return words.rstrip(".") + _HINTS.get(type(error).__name__, "")
