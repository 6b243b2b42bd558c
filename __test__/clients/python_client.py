"""Performs operations of the Python SDK, given as JSON lines on stdin (see sdk-driver.js).

Configured by the environment alone. The SDK's default HTTP client is kept, with two hooks that hash the bytes
which it sends and receives.
"""

import hashlib
import json
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import anthropic
import httpx2

MODEL = "claude-opus-5-5"

# The hooks belong to the one HTTP client; the operation that a thread is busy with owns what they see.
current = threading.local()


class RecordedStream(httpx2.SyncByteStream):
    """Passes a response on and hashes it; the hash stays None when the response breaks off."""

    def __init__(self, stream, exchange):
        self.stream = stream
        self.exchange = exchange

    def __iter__(self):
        digest = hashlib.sha256()
        for chunk in self.stream:
            digest.update(chunk)
            yield chunk
        self.exchange["answerSha256"] = digest.hexdigest()

    def close(self):
        self.stream.close()


def record_request(request):
    exchange = {
        "method": request.method,
        "target": request.url.raw_path.decode(),
        "headers": dict(request.headers),
        "bodySha256": hashlib.sha256(request.read()).hexdigest(),
        "answerSha256": None,
    }
    current.exchanges.append(exchange)


def record_response(response):
    exchange = current.exchanges[-1]
    exchange["status"] = response.status_code
    response.stream = RecordedStream(response.stream, exchange)


http_client = anthropic.DefaultHttpxClient(event_hooks={"request": [record_request], "response": [record_response]})


def perform(operation, baseUrl=None, credential=None, maxRetries=0, **rest):
    current.exchanges = []
    given = {"base_url": baseUrl, "auth_token": credential}
    client = anthropic.Anthropic(
        max_retries=maxRetries,
        http_client=http_client,
        **{name: value for name, value in given.items() if value is not None},
    )
    try:
        outcome = {"result": OPERATIONS[operation](client, **rest)}
    except Exception as error:  # whatever the SDK raises is the outcome
        outcome = {"error": describe(error)}
    return {**outcome, "exchanges": current.exchanges}


def create(client, text):
    message = client.messages.create(**request(text))
    return {"text": text_of(message), "stopReason": message.stop_reason, "requestId": message._request_id}


def stream(client, text):
    """The raw events, as iteration gives them. What came before a failure is part of the error."""
    seen = {"events": [], "text": ""}
    started = time.monotonic()
    try:
        for event in client.messages.create(**request(text), stream=True):
            seen.setdefault("firstEventMs", (time.monotonic() - started) * 1000)
            seen["events"].append(event.type)
            seen["text"] += getattr(getattr(event, "delta", None), "text", None) or ""
    except Exception as error:
        error.seen = seen
        raise
    return {**seen, "totalMs": (time.monotonic() - started) * 1000}


def stream_helper(client, text):
    """The SDK's own accumulator."""
    with client.messages.stream(**request(text)) as events:
        message = events.get_final_message()
    return {"text": text_of(message), "stopReason": message.stop_reason}


def beta(client, text, betas):
    return {"text": text_of(client.beta.messages.create(**request(text), betas=betas))}


def count_tokens(client, text):
    body = request(text)
    del body["max_tokens"]
    return {"inputTokens": client.messages.count_tokens(**body).input_tokens}


def get(client, path):
    return {"body": client.get(path, cast_to=object)}


OPERATIONS = {
    "create": create,
    "stream": stream,
    "stream_helper": stream_helper,
    "beta": beta,
    "count_tokens": count_tokens,
    "get": get,
}


def request(text):
    return {"model": MODEL, "max_tokens": 1024, "messages": [{"role": "user", "content": text}]}


def text_of(message):
    return "".join(getattr(block, "text", None) or "" for block in message.content)


def describe(error):
    """Which of the SDK's own classes the error is, and what an app would read from it."""
    body = getattr(error, "body", None)
    inner = body.get("error") if isinstance(body, dict) else None
    response = getattr(error, "response", None)
    return {
        "classes": [kind.__name__ for kind in type(error).__mro__ if kind.__module__.startswith("anthropic")],
        "name": type(error).__name__,
        "message": str(error),
        "status": getattr(error, "status_code", None),
        "type": inner.get("type") if isinstance(inner, dict) else None,
        "requestId": getattr(error, "request_id", None),
        "retryAfter": response.headers.get("retry-after") if response is not None else None,
        "seen": getattr(error, "seen", None),
    }


def serve():
    writing = threading.Lock()

    def answer(line):
        message = json.loads(line)
        reply = json.dumps({"id": message.pop("id"), **perform(**message)})
        with writing:
            print(reply, flush=True)

    with ThreadPoolExecutor(max_workers=16) as pool:
        for line in sys.stdin:
            pool.submit(answer, line)


serve()
