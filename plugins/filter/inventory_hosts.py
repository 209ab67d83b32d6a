# Copyright: the daisy-mcast authors
# Apache License 2.0 (see LICENSE)

from __future__ import (absolute_import, division, print_function)

__metaclass__ = type

DOCUMENTATION = r'''
name: inventory_hosts
short_description: Lists the hosts of a group of another inventory
version_added: 0.1.0
description: Reads what C(ansible-inventory --list) has printed.
positional: group
options:
  _input:
    description: The parsed output.
    type: dict
    required: true
  group:
    description: The group. When the inventory has none of that name, all hosts are listed.
    type: str
    required: true
author:
  - The daisy-mcast authors (@daisy-mcast)
'''

EXAMPLES = r'''
- name: List Kolla's hosts
  ansible.builtin.debug:
    msg: "{{ result.stdout | from_json | daisy.kolla_mcast.inventory_hosts('baremetal') }}"
'''

RETURN = r'''
_value:
  description: The hosts, sorted.
  type: list
  elements: str
  sample: [computer01, controller01]
'''


def inventory_hosts(inventory, group):
    if group not in inventory:
        group = 'all'
    hosts, seen, todo = set(), set(), [group]
    while todo:
        name = todo.pop()
        if name in seen:
            continue
        seen.add(name)
        hosts.update(inventory.get(name, {}).get('hosts', []))
        todo += inventory.get(name, {}).get('children', [])
    return sorted(hosts)


class FilterModule(object):
    def filters(self):
        return dict(inventory_hosts=inventory_hosts)
