"""What is to be set up in AWS: the forwarding Lambda, its subscription, and the least policy."""

import http.client
import importlib.util
import json
import re
import subprocess
import sys
import time
import tomllib
import urllib.error
import urllib.parse
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import StartRelay
from tests.fakes.moto import ACCESS_KEY, ACCOUNT, Moto
from tests.fakes.subscription import awslogs_event, event, payload

FOLDER = Path(__file__).parents[2] / "config" / "aws"
TEMPLATE = (FOLDER / "subscription.yaml").read_text()


def forward(event: Any) -> Any:
    """Do what the Lambda does."""
    spec = importlib.util.spec_from_file_location("forward", FOLDER / "forward.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.handler(event, None)


def test_the_lambda_hands_on_what_it_is_given(
    start_relay: StartRelay, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Twice, as AWS may, and from its queue; with a wrong key it fails, and is called again."""
    relay = start_relay(
        '[sources.aws]\ntype = "cloudwatch-push"\nchannels = "pushed-*"\naccess_key = "the key"\n'
    )
    monkeypatch.setenv("RELAY_URL", f"{relay.url}api/v1/push/awslogs/pushed-worker")
    monkeypatch.setenv("RELAY_KEY", "the key")
    given = awslogs_event(payload(event(1, "one"), event(2, "two")))
    assert [forward(given)["accepted"] for _ in range(2)] == [2, 0]
    given = awslogs_event(payload(event(2, "two"), event(3, "three")))
    queued = {"Records": [{"eventSource": "aws:sqs", "body": json.dumps(given)}]}
    assert forward(queued)["accepted"] == 1
    logs = relay.get("/api/v1/channels/pushed-worker/logs")["logs"]
    assert [one["message"] for one in logs] == ["one", "two", "three"]
    monkeypatch.setenv("RELAY_KEY", "another")
    with pytest.raises(urllib.error.HTTPError, match="401"):
        forward(given)


def test_the_templates_lambda_is_the_one_that_is_tested() -> None:
    """It stands in it word for word."""
    code = TEMPLATE.split("ZipFile: |\n")[1].split("\n\n  #")[0]
    inline = "".join(line.removeprefix(" " * 10) + "\n" for line in code.rstrip().split("\n"))
    assert inline == (FOLDER / "forward.py").read_text()


def test_the_template_refers_to_what_is_in_it() -> None:
    """By all of its references."""
    names = set(re.findall(r"^  (\w+):$", TEMPLATE, re.MULTILINE))
    referred = re.findall(
        r"Ref: (\w+)|GetAtt: \[(\w+), Arn\]|DependsOn: (\w+)|\$\{(\w+)\}", TEMPLATE
    )
    assert {name for found in referred for name in found if name} <= names
    assert names == {
        *("LogGroup", "FilterPattern", "RelayUrl", "RelayKey"),
        *("Role", "Function", "Queue", "Again", "Permission", "Subscription"),
    }


def resource(name: str) -> str:
    """Return the text of a resource, in one line."""
    text = TEMPLATE.split(f"\n  {name}:\n")[1]
    return " ".join(re.split(r"\n(?=  [\w#])", text)[0].split())


def test_what_lambda_gives_up_is_given_to_it_again() -> None:
    """By its dead-letter queue, one event at a time, and never while it may still be at work."""
    queue = "Fn::GetAtt: [Queue, Arn]"
    assert f"DeadLetterConfig: TargetArn: {queue}" in resource("Function")
    again = "FunctionName: Ref: Function EventSourceArn: " + queue
    assert f"{again} BatchSize: 1 " in resource("Again")
    # Six times as long as the function may take, by AWS's advice.
    assert " Timeout: 90 " in resource("Function")
    assert "VisibilityTimeout: 540" in resource("Queue")
    allowed = "sqs:SendMessage - sqs:ReceiveMessage - sqs:DeleteMessage - sqs:GetQueueAttributes"
    assert f"Action: - {allowed} Resource: {queue}" in resource("Role")


def test_the_template_is_as_aws_specifies_it() -> None:
    """By AWS's own linter, which comes with moto: every resource, property and reference."""
    command = Path(sys.executable).with_name("cfn-lint")
    linted = subprocess.run(
        [command, FOLDER / "subscription.yaml"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (linted.returncode, linted.stdout) == (0, "")


def test_the_template_is_deployed() -> None:
    """By an AWS-compatible server, as far as it knows its resources."""
    moto = Moto()
    try:
        values = {
            "LogGroup": "/aws/lambda/worker",
            "RelayKey": "key",
            "RelayUrl": "https://relay.example.com/api/v1/push/awslogs/x",
        }
        asked = {"StackName": "relay", "TemplateBody": TEMPLATE}
        for number, (key, value) in enumerate(values.items(), 1):
            asked[f"Parameters.member.{number}.ParameterKey"] = key
            asked[f"Parameters.member.{number}.ParameterValue"] = value
        cloudformation(moto, "CreateStack", **asked)
        deadline = time.monotonic() + 20
        while "CREATE_COMPLETE" not in cloudformation(moto, "DescribeStacks", StackName="relay"):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        made = cloudformation(moto, "DescribeStackResources", StackName="relay")
    finally:
        moto.close()
    logical = re.findall(r"<LogicalResourceId>(\w+)</LogicalResourceId>", made)
    assert {"Role", "Function", "Queue", "Again", "Permission"} <= set(logical)


def cloudformation(moto: Moto, action: str, **asked: str) -> str:
    """Return what CloudFormation answers."""
    connection = http.client.HTTPConnection("127.0.0.1", moto.port, timeout=20)
    scope = f"Credential={ACCESS_KEY}/20261121/eu-central-1/cloudformation/aws4_request"
    headers = {
        "Content-Type": "application/x-www-form-urlencoded",
        "Authorization": f"AWS4-HMAC-SHA256 {scope}, SignedHeaders=host, Signature=0",
    }
    body = {"Action": action, "Version": "2010-05-15", **asked}
    connection.request("POST", "/", urllib.parse.urlencode(body), headers)
    response = connection.getresponse()
    answered = response.read().decode()
    connection.close()
    assert response.status == 200, answered
    return answered


def test_the_policy_allows_what_the_relay_asks_and_no_more() -> None:
    """It is that of config/cloudwatch.toml; listing needs all groups, and globs alone need it."""
    config = tomllib.loads((FOLDER.parent / "cloudwatch.toml").read_text())
    groups = [one["log_group"] for one in config["sources"].values() if "log_group" in one]
    # AWS puts `:log-stream:` behind the name of what is asked for.
    behind = {name: "" if "*" in name else ":*" for name in groups}
    policy = json.loads((FOLDER / "policy.json").read_text())
    assert [(one["Action"], one["Resource"]) for one in policy["Statement"]] == [
        (
            "logs:FilterLogEvents",
            [
                f"arn:aws:logs:eu-central-1:{ACCOUNT}:log-group:{name}{behind[name]}"
                for name in groups
            ],
        ),
        ("logs:DescribeLogGroups", "*"),
    ]
    sources = Path(__file__).parents[2] / "relay" / "sources"
    methods = re.findall(r"self\._client\.(\w+)", (sources / "cloudwatch_client.py").read_text())
    assert sorted(set(methods)) == ["describe_log_groups", "filter_log_events"]
