"""What schemathesis makes of JSON, fitted to what the service reads."""

import schemathesis


@schemathesis.hook
def map_body(_context, body):
    """JSON Schema takes 1.0 for an integer; the service wants it written as one."""
    return integers(body)


def integers(value):
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return int(value)
    if isinstance(value, dict):
        return {name: integers(item) for name, item in value.items()}
    if isinstance(value, list):
        return [integers(item) for item in value]
    return value
