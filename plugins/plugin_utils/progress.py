# Copyright: the daisy-mcast authors
# Apache License 2.0 (see LICENSE)

"""Turns the events of C(--progress json) into lines for people."""

from __future__ import (absolute_import, division, print_function)

__metaclass__ = type

import json
import time

# How often the bytes of a sending are told, in seconds.
BYTES_EVERY = 2.0


def size(count):
    for unit, text in ((1e9, 'GB'), (1e6, 'MB'), (1e3, 'kB')):
        if count >= unit:
            return '%.1f %s' % (count / unit, text)
    return '%d bytes' % count


class Narrator(object):
    """Tells of a run. What is no event is kept: it says why the program failed."""

    def __init__(self, show, clock=time.monotonic):
        self.show, self.clock = show, clock
        self.last = None  # when bytes were told
        self.step = ''
        self.rest = []

    def line(self, text):
        text = text.rstrip('\n')
        try:
            event = json.loads(text)
            told = self.tell(event)
        except (ValueError, KeyError, AttributeError):
            if text.strip():
                self.rest.append(text)
            return
        if told:
            self.show(told)

    def tell(self, event):
        kind = event['kind']
        if kind == 'step-started':
            self.step, self.last = event['step'], None
            return '[%d/%d] %s' % (event['index'], event['of'], event['step'])
        if kind == 'host-state':
            reason = event.get('reason')
            return '%s: %s%s' % (event['host'], event['state'], ': ' + reason if reason else '')
        if kind == 'bytes':
            return self.bytes(event)
        if kind == 'warning':
            return 'warning: %s' % event['message']
        if kind in ('log', 'done'):
            return event['message']
        return None

    def bytes(self, event):
        now, sent, total = self.clock(), event.get('sent', 0), event.get('total', 0)
        is_whole = total > 0 and sent >= total
        if sent == 0 or self.last is not None and now - self.last < BYTES_EVERY and not is_whole:
            return None
        self.last = now
        text = '%s: %s' % (event.get('step') or self.step, size(sent))
        if total:
            text += ' of %s' % size(total)
        if event.get('rate'):
            text += ', %s/s' % size(event['rate'])
        return text
