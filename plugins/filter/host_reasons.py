# Copyright: the daisy-mcast authors
# Apache License 2.0 (see LICENSE)

from __future__ import (absolute_import, division, print_function)

__metaclass__ = type

DOCUMENTATION = r'''
name: host_reasons
short_description: Says why hosts do not serve the images themselves
version_added: 0.1.0
description: Makes a line of each host that did not end C(local), from what M(daisy.kolla_mcast.mcast_distribute) returns.
positional: only
options:
  _input:
    description: C(hosts) of the module, or C(summary.troubles).
    type: dict
    required: true
  only:
    description: Only this host.
    type: str
author:
  - The daisy-mcast authors (@daisy-mcast)
'''

EXAMPLES = r'''
- name: Name them
  ansible.builtin.debug:
    msg: "{{ result.hosts | daisy.kolla_mcast.host_reasons }}"
'''

RETURN = r'''
_value:
  description: The lines, sorted by host.
  type: list
  elements: str
  sample: ["computer02 leans on the central registry (disk full: 2410 MB missing)"]
'''

WORDS = dict(central='leans on the central registry', failed='has failed')


def host_reasons(hosts, only=None):
    lines = []
    for name in sorted(hosts):
        host = hosts[name]
        if host['outcome'] == 'local' or only is not None and name != only:
            continue
        why = ': '.join(text for text in (host.get('reason'), host.get('detail')) if text)
        lines.append('%s %s%s' % (name, WORDS.get(host['outcome'], host['outcome']), ' (%s)' % why if why else ''))
    return lines


class FilterModule(object):
    def filters(self):
        return dict(host_reasons=host_reasons)
