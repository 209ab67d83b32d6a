# Copyright: the daisy-mcast authors
# Apache License 2.0 (see LICENSE)

from __future__ import (absolute_import, division, print_function)

__metaclass__ = type

DOCUMENTATION = r'''
name: daisy
short_description: OPNFV Daisy's deploy.yml and network.yml as an inventory for Kolla
version_added: 0.1.0
description:
  - Runs C(daisy-mcast inventory --list) and takes over its hosts, groups and host variables.
  - The groups are those of Kolla that a user edits, which are C(control), C(network), C(compute), C(storage),
    C(monitoring), C(deployment) and C(baremetal).
  - Daisy's networks are host variables, C(network_interface) and so on, because group variables lose to Kolla's own.
  - C(daisy_roles) has the host's roles.
  - A host whose address is only derived from the ranges of C(network.yml) is refused. Kolla's roles must not land on
    the wrong machine. Give it an C(ip) in C(deploy.yml), or name it in I(addresses).
  - The source is a small file with the key C(plugin), called C(daisy.yml) or C(NAME.daisy.yml), or Daisy's
    C(deploy.yml) itself, with C(network.yml) beside it. Both need C(daisy.kolla_mcast.daisy) among the enabled plugins.
extends_documentation_fragment:
  - constructed
options:
  plugin:
    description: Says that the file is this plugin's.
    required: true
    choices: [daisy.kolla_mcast.daisy]
  deploy_file:
    description: Daisy's C(deploy.yml). A relative path begins at the directory of the source.
    type: str
    default: deploy.yml
  network_file:
    description: Daisy's C(network.yml). By default the one beside I(deploy_file), if there is one.
    type: str
  addresses:
    description: The addresses of hosts, by name. They win over C(deploy.yml).
    type: dict
    default: {}
  resolve:
    description: Ask the resolver for hosts without an address.
    type: bool
    default: false
  kolla_multinode:
    description:
      - The C(multinode) inventory that came with the Kolla release in use. Its groups are added, and how they are made
        of each other, but none of its sample hosts. With the seven groups alone Kolla's plays would find no hosts for
        most services.
      - A relative path begins at the directory of the source.
    type: str
  expose_passwords:
    description: Also take the hosts' passwords for ssh, as C(ansible_password). Inventories are printed and kept.
    type: bool
    default: false
  binary_path:
    description: The C(daisy-mcast) program. A name is looked for on C(PATH).
    type: str
    default: daisy-mcast
    env:
      - name: DAISY_MCAST_BINARY
requirements:
  - daisy-mcast
author:
  - The daisy-mcast authors (@daisy-mcast)
'''

EXAMPLES = r'''
# daisy.yml
plugin: daisy.kolla_mcast.daisy
deploy_file: /etc/daisy/deploy.yml
network_file: /etc/daisy/network.yml
addresses:
  controller01: 10.20.11.3
kolla_multinode: /usr/share/kolla-ansible/ansible/inventory/multinode
keyed_groups:
  - key: daisy_roles
    prefix: daisy
'''

import json
import os

from ansible.errors import AnsibleError, AnsibleParserError
from ansible.inventory.data import InventoryData
from ansible.module_utils.common.text.converters import to_native
from ansible.plugins.inventory import BaseInventoryPlugin, Constructable
from ansible.plugins.loader import inventory_loader
from ansible_collections.daisy.kolla_mcast.plugins.module_utils import program as tool

NAMES = ('daisy.yml', 'daisy.yaml')
DEPLOY = ('deploy.yml', 'deploy.yaml')

# The groups that every inventory has.
BUILT_IN = ('all', 'ungrouped')


class InventoryModule(BaseInventoryPlugin, Constructable):
    """Daisy's files as an inventory."""

    NAME = 'daisy.kolla_mcast.daisy'

    def verify_file(self, path):
        if not super(InventoryModule, self).verify_file(path):
            return False
        name = os.path.basename(path)
        return name in DEPLOY or any(name == n or name.endswith('.' + n) for n in NAMES)

    def parse(self, inventory, loader, path, cache=True):
        super(InventoryModule, self).parse(inventory, loader, path, cache)
        if self.is_own(path):
            self._read_config_data(path)
        elif os.path.basename(path) in DEPLOY:
            self.set_options(direct=dict(plugin=self.NAME, deploy_file=os.path.abspath(path)))
        else:
            raise AnsibleParserError('%s has no key plugin: %s' % (to_native(path), self.NAME))
        listing = self.listing(path)
        self.populate(listing)
        if self.get_option('kolla_multinode'):
            self.add_kolla(self.beside(path, self.get_option('kolla_multinode')))
        self.construct(listing)

    def is_own(self, path):
        """Reports whether the file is the small one, which names the plugin."""
        try:
            data = self.loader.load_from_file(path, cache=False)
        except AnsibleError:
            return False  # the program says it better
        return isinstance(data, dict) and 'plugin' in data

    def beside(self, path, name):
        return os.path.join(os.path.dirname(os.path.abspath(path)), os.path.expanduser(name))

    def listing(self, path):
        """What the program makes of Daisy's files: there is one parser only."""
        args = ['inventory', '--list', '--dha', self.beside(path, self.get_option('deploy_file'))]
        if self.get_option('network_file'):
            args += ['--network', self.beside(path, self.get_option('network_file'))]
        addresses = self.get_option('addresses')
        for name in sorted(addresses):
            args += ['--address', '%s=%s' % (name, addresses[name])]
        if self.get_option('resolve'):
            args.append('--resolve')
        if self.get_option('expose_passwords'):
            args.append('--with-passwords')
        try:
            answer = tool.Program.locate(self.get_option('binary_path')).run(args)
            if answer.code != 0:
                raise tool.ProgramError(answer.reason())
            listing = answer.json()
        except tool.ProgramError as e:
            raise AnsibleParserError(to_native(e))
        for line in answer.err.splitlines():
            self.display.warning(line[len('warning: '):] if line.startswith('warning: ') else line)
        return listing

    def populate(self, listing):
        for group in sorted(listing):
            if group == '_meta' or group in BUILT_IN:
                continue
            self.inventory.add_group(group)
            for host in listing[group].get('hosts', []):
                self.inventory.add_host(host, group=group)
            for child in listing[group].get('children', []):
                self.inventory.add_group(child)
                self.inventory.add_child(group, child)
        for host, variables in listing['_meta']['hostvars'].items():
            self.inventory.add_host(host)
            for key, value in variables.items():
                self.inventory.set_variable(host, key, value)

    def add_kolla(self, path):
        """Takes over the groups of a Kolla release, as its own file says them."""
        if not os.path.isfile(path):
            raise AnsibleParserError('kolla_multinode: there is no file %s' % to_native(path))
        theirs = InventoryData()
        inventory_loader.get('ini').parse(theirs, self.loader, path, cache=False)
        for name in theirs.groups:
            self.inventory.add_group(name)
        for name, group in theirs.groups.items():
            if name in BUILT_IN:
                continue
            for child in group.child_groups:
                self.inventory.add_child(name, child.name)
            for key, value in group.vars.items():
                self.inventory.set_variable(name, key, value)

    def construct(self, listing):
        strict = self.get_option('strict')
        for host in listing['_meta']['hostvars']:
            variables = self.inventory.get_host(host).get_vars()
            self._set_composite_vars(self.get_option('compose'), variables, host, strict=strict)
            self._add_host_to_composed_groups(self.get_option('groups'), variables, host, strict=strict)
            self._add_host_to_keyed_groups(self.get_option('keyed_groups'), variables, host, strict=strict)
