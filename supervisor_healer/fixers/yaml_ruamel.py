"""A second opinion on a text that libyaml refuses: ruamel.yaml reads by YAML 1.2, which allows more in a few places.

It is slow (some 100 KB a second), so only small texts are worth asking it about.
"""

from __future__ import annotations

import warnings
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml import events as theirs
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from yaml import events as ours
from yaml.error import MarkedYAMLError as OurMarkedYAMLError
from yaml.error import YAMLError as OurYAMLError


class RuamelParser:
    """The events of ruamel.yaml in the types, and with the errors, of PyYAML."""

    def __init__(self, text: str) -> None:
        self._events = YAML(typ="safe", pure=True).parse(text)

    def get_event(self) -> Any:
        """The next event, None after the last."""
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of what is legal: an anchor a second time
                event = next(self._events, None)
        except MarkedYAMLError as error:
            raise OurMarkedYAMLError(error.context, error.context_mark, error.problem, error.problem_mark) from error
        except YAMLError as error:
            raise OurYAMLError(str(error)) from error
        return None if event is None else _converted(event)

    def dispose(self) -> None:
        """Nothing is held."""


def _converted(event: Any) -> Any:
    start, end = event.start_mark, event.end_mark
    if isinstance(event, theirs.AliasEvent):
        return ours.AliasEvent(event.anchor, start, end)
    if isinstance(event, theirs.ScalarEvent):
        return ours.ScalarEvent(event.anchor, _tag(event), event.implicit, event.value, start, end, event.style)
    if isinstance(event, theirs.MappingStartEvent):
        return ours.MappingStartEvent(event.anchor, _tag(event), event.implicit, start, end, event.flow_style)
    if isinstance(event, theirs.SequenceStartEvent):
        return ours.SequenceStartEvent(event.anchor, _tag(event), event.implicit, start, end, event.flow_style)
    if isinstance(event, theirs.DocumentStartEvent):
        return ours.DocumentStartEvent(start, end, event.explicit, event.version or (1, 2), event.tags)
    return getattr(ours, type(event).__name__)(start, end)


def _tag(event: Any) -> str | None:
    return None if event.tag is None else str(event.tag)
