"""By what our origins know our CDN: two headers, each with a secret of its own, so that one can change at a time."""

ORIGIN_HEADERS = ("x-origin-verify-a", "x-origin-verify-b")  # cfn/edge.yaml sends and checks the same
