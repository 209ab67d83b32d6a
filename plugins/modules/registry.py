#!/usr/bin/python
# Copyright: the daisy-mcast authors
# Apache License 2.0 (see LICENSE)

from __future__ import (absolute_import, division, print_function)

__metaclass__ = type

DOCUMENTATION = r'''
module: registry
short_description: Starts or stops the host's daisy-mcast registry
version_added: 0.1.0
description:
  - Runs C(daisy-mcast registry start) or C(stop) on the host. The store with the images is never touched.
  - M(daisy.kolla_mcast.mcast_distribute) starts the registries by itself. This is for afterwards.
extends_documentation_fragment:
  - daisy.kolla_mcast.program
  - daisy.kolla_mcast.program.host
options:
  state:
    description:
      - C(started) has it run over the store. What runs in the same way already is kept.
      - C(stopped) ends it. It comes back with the next boot, or with the next start of its engine.
      - C(absent) ends it and removes its container, images and unit.
    type: str
    choices: [started, stopped, absent]
    default: started
  listen:
    description:
      - Where it listens, for I(state=started). C(IP:PORT), loopback only.
    type: list
    elements: str
    default: ["127.0.0.1:4000"]
  tls_listen:
    description:
      - Where it listens for TLS beside that, for I(state=started). C(IP:PORT), any address.
    type: list
    elements: str
    default: []
attributes:
  check_mode:
    description: >-
      Says whether the registry would be started or stopped. Whether one that runs would be replaced by another
      version, or because it listens elsewhere, is judged by its version and its addresses.
    support: full
  diff_mode:
    description: Shows state, mode, version and addresses.
    support: full
'''

EXAMPLES = r'''
- name: Stop the registry for the time of an engine's update
  daisy.kolla_mcast.registry:
    state: stopped
  become: true

- name: And have it run again
  daisy.kolla_mcast.registry:
    state: started
  become: true
'''

RETURN = r'''
registry:
  description: What C(daisy-mcast registry status -o json) says afterwards.
  returned: when the program is installed
  type: dict
  sample:
    mode: container
    running: true
    pid: 4711
    listening: ["127.0.0.1:4000"]
    survivesReboot: true
'''

import hashlib

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.daisy.kolla_mcast.plugins.module_utils import program as tool


def shown(status):
    """What of a status a diff shows."""
    if not status['running']:
        return dict(state='absent' if status['mode'] == 'none' else 'stopped')
    return dict(state='started', mode=status['mode'], version=status.get('version'),
                listening=sorted(status.get('listening', [])))


def file_version(path):
    """The version of a program's file, as a status names it."""
    digest = hashlib.sha256()
    with open(path, 'rb') as f:
        for part in iter(lambda: f.read(1 << 20), b''):
            digest.update(part)
    return digest.hexdigest()[:12]


def wanted(params, before, path):
    """What a diff shows afterwards, as far as that can be said before."""
    if params['state'] != 'started':
        # What is stopped is still there; what was never there is absent too.
        return dict(state=params['state']) if before['state'] != 'absent' else before
    return dict(state='started', mode=before.get('mode') or params['mode'], version=file_version(path),
                listening=sorted(params['listen'] + params['tls_listen']))


def is_kept(params, before, after):
    """Whether start would leave alone what runs."""
    return before == after and params['mode'] in ('auto', before.get('mode'))


def start(program, params):
    args = ['registry', 'start', '-o', 'json'] + tool.registry_flags(params)
    if params['store']:
        args += ['--store', params['store']]
    for flag, addresses in (('--listen', params['listen']), ('--tls-listen', params['tls_listen'])):
        for address in addresses:
            args += [flag, address]
    status = program.ask(args)
    return not status.get('kept', False), status


def stop(program, params):
    args = ['registry', 'stop'] + tool.registry_flags(params)
    if params['state'] == 'absent':
        args.append('--purge')
    answer = program.run(args)
    if answer.code != 0:
        raise tool.ProgramError(answer.reason())
    return tool.registry_status(program, params)


def change(module, program):
    params = module.params
    before = shown(tool.registry_status(program, params))
    after = wanted(params, before, program.path)
    if module.check_mode:
        changed = not is_kept(params, before, after) if params['state'] == 'started' else before != after
        return changed, before, after, None
    if params['state'] == 'started':
        changed, status = start(program, params)
    elif before == after:
        return False, before, after, None
    else:
        status = stop(program, params)
        changed = True
    return changed, before, shown(status), status


def main():
    module = AnsibleModule(
        argument_spec=dict(
            tool.HOST_ARGUMENTS,
            state=dict(type='str', default='started', choices=['started', 'stopped', 'absent']),
            listen=dict(type='list', elements='str', default=['127.0.0.1:4000']),
            tls_listen=dict(type='list', elements='str', default=[]),
        ),
        supports_check_mode=True,
    )
    params = module.params
    path = tool.find(params['binary_path'], params['base_dir'])
    if path is None and params['state'] != 'started':
        module.exit_json(changed=False, diff=dict(before={}, after={}))
    try:
        program = tool.Program.locate(path or params['binary_path'], params['version'])
        changed, before, after, status = change(module, program)
    except tool.ProgramError as e:
        module.fail_json(msg=str(e))
    result = dict(changed=changed, diff=dict(before=before, after=after))
    if status is not None:
        result['registry'] = status
    module.exit_json(**result)


if __name__ == '__main__':
    main()
