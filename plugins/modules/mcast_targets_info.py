#!/usr/bin/python
# Copyright: the daisy-mcast authors
# Apache License 2.0 (see LICENSE)

from __future__ import (absolute_import, division, print_function)

__metaclass__ = type

DOCUMENTATION = r'''
module: mcast_targets_info
short_description: Tells which hosts Daisy's files, or a host list, name
version_added: 0.1.0
description:
  - Runs C(daisy-mcast targets) where the files are, which is the control node. No host is contacted.
extends_documentation_fragment:
  - daisy.kolla_mcast.program
  - daisy.kolla_mcast.program.reads
options:
  deploy_file:
    description: Daisy's C(deploy.yml). Either this or I(hosts_file) is needed.
    type: path
  network_file:
    description: Daisy's C(network.yml). By default the one beside I(deploy_file), if there is one.
    type: path
  hosts_file:
    description: A host list of daisy-mcast's instead of Daisy's files.
    type: path
  addresses:
    description: The addresses of hosts, by name, for I(deploy_file).
    type: dict
    default: {}
  resolve:
    description: Ask the resolver for hosts without an address, for I(deploy_file).
    type: bool
    default: false
  limit:
    description: Only these hosts, by name or address.
    type: list
    elements: str
    default: []
'''

EXAMPLES = r'''
- name: List the hosts
  daisy.kolla_mcast.mcast_targets_info:
    deploy_file: /etc/daisy/deploy.yml
  delegate_to: localhost
  register: result

- name: Tell how many there are
  ansible.builtin.debug:
    msg: "{{ result.count }} hosts"
'''

RETURN = r'''
count:
  description: How many hosts there are.
  returned: success
  type: int
  sample: 2
hosts:
  description: The hosts. An I(address) that is not known is null; it is then one of I(derived_addresses).
  returned: success
  type: list
  elements: dict
  sample:
    - {name: rack1-control1, roles: [CONTROLLER_LB], address: 10.88.1.11, address_source: deploy.yml}
    - {name: rack1-compute1, roles: [COMPUTER], address: 10.88.1.21, address_source: deploy.yml}
derived_addresses:
  description: The addresses of the hosts whose address is null. Which of them is whose is not proven.
  returned: success
  type: list
  elements: str
  sample: []
'''

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.daisy.kolla_mcast.plugins.module_utils import program as tool


def arguments(params):
    args = ['targets', '-o', 'json']
    for flag, value in (('--dha', params['deploy_file']), ('--network', params['network_file']),
                        ('--hosts', params['hosts_file'])):
        if value:
            args += [flag, value]
    for name in sorted(params['addresses']):
        args += ['--address', '%s=%s' % (name, params['addresses'][name])]
    if params['resolve']:
        args.append('--resolve')
    if params['limit']:
        args += ['--limit', ','.join(params['limit'])]
    return args


def main():
    module = AnsibleModule(
        argument_spec=dict(
            tool.ARGUMENTS,
            deploy_file=dict(type='path'),
            network_file=dict(type='path'),
            hosts_file=dict(type='path'),
            addresses=dict(type='dict', default={}),
            resolve=dict(type='bool', default=False),
            limit=dict(type='list', elements='str', default=[]),
        ),
        mutually_exclusive=[('deploy_file', 'hosts_file'), ('network_file', 'hosts_file')],
        required_one_of=[('deploy_file', 'hosts_file')],
        supports_check_mode=True,
    )
    params = module.params
    try:
        program = tool.Program.locate(params['binary_path'], params['version'])
        targets = program.ask(arguments(params))
    except tool.ProgramError as e:
        module.fail_json(msg=str(e))
    module.exit_json(changed=False, **targets)


if __name__ == '__main__':
    main()
