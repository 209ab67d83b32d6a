#!/usr/bin/python
# Copyright: the daisy-mcast authors
# Apache License 2.0 (see LICENSE)

from __future__ import (absolute_import, division, print_function)

__metaclass__ = type

DOCUMENTATION = r'''
module: registry_info
short_description: Tells how the host's daisy-mcast registry runs
version_added: 0.1.0
description:
  - Asks C(daisy-mcast registry status) on the host which registry runs there, and which images it serves.
  - A host without the program, or without a registry, is no error.
extends_documentation_fragment:
  - daisy.kolla_mcast.program
  - daisy.kolla_mcast.program.host
  - daisy.kolla_mcast.program.reads
'''

EXAMPLES = r'''
- name: See what this host serves
  daisy.kolla_mcast.registry_info:
  become: true
  register: result

- name: Name the hosts that have not all of the images themselves
  ansible.builtin.debug:
    msg: "{{ inventory_hostname }} leans on the central registry"
  when: result.registry.set.mode | default('none') == 'lean'
'''

RETURN = r'''
installed:
  description: Whether the program is on the host.
  returned: always
  type: bool
  sample: true
program:
  description: Where the program is.
  returned: when it is installed
  type: str
  sample: /var/lib/daisy-mcast/bin/daisy-mcast-0fe1c2d3a4b5
running:
  description: Whether a registry runs and is ours.
  returned: always
  type: bool
  sample: true
registry:
  description: What C(daisy-mcast registry status -o json) says.
  returned: when the program is installed
  type: dict
  sample:
    mode: container
    running: true
    pid: 4711
    engine: docker
    version: 0fe1c2d3a4b5
    listening: ["127.0.0.1:4000"]
    survivesReboot: true
    set: {id: 4f1c8d5e7b2a, current: true, mode: whole, images: 62}
'''

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.daisy.kolla_mcast.plugins.module_utils import program as tool


def main():
    module = AnsibleModule(argument_spec=dict(tool.HOST_ARGUMENTS), supports_check_mode=True)
    params = module.params
    path = tool.find(params['binary_path'], params['base_dir'])
    if path is None:
        module.exit_json(changed=False, installed=False, running=False)
    try:
        program = tool.Program.locate(path, params['version'])
        status = tool.registry_status(program, params)
    except tool.ProgramError as e:
        module.fail_json(msg=str(e), installed=True, running=False, program=path)
    module.exit_json(changed=False, installed=True, program=path, running=status['running'], registry=status)


if __name__ == '__main__':
    main()
