"""The operations console: the only place that knows everybody."""

VERSION = "0.1.0"
