#!/usr/bin/python
# Copyright: the daisy-mcast authors
# Apache License 2.0 (see LICENSE)

from __future__ import (absolute_import, division, print_function)

__metaclass__ = type

DOCUMENTATION = r'''
module: bundle_info
short_description: Tells which images a bundle holds
version_added: 0.1.0
description:
  - Runs C(daisy-mcast bundle inspect) where the bundle is, which is the control node.
extends_documentation_fragment:
  - daisy.kolla_mcast.program
  - daisy.kolla_mcast.program.choice
  - daisy.kolla_mcast.program.reads
options:
  bundle:
    description:
      - The bundle, such as Daisy's C(kolla-image*.tgz), or any other source that C(daisy-mcast bundle inspect) takes.
      - By default the only one in C(/var/lib/daisy/versionfile/kolla).
    type: str
'''

EXAMPLES = r'''
- name: Look into the bundle
  daisy.kolla_mcast.bundle_info:
    bundle: /var/lib/daisy/versionfile/kolla/kolla-image-queens.tgz
  delegate_to: localhost
  register: result

- name: Refuse one of another release
  ansible.builtin.assert:
    that: result.bundle.release.tag == openstack_release
'''

RETURN = r'''
bundle:
  description: What C(daisy-mcast bundle inspect -o json) says.
  returned: success
  type: dict
  sample:
    source: /var/lib/daisy/versionfile/kolla/kolla-image-queens.tgz
    set: 4f1c8d5e7b2a
    release: {branch: stable/queens, tag: 6.0.0}
    architectures: [amd64]
    blobs: 391
    bytes: 4210000000
    shared_bytes: 1830000000
    images:
      - {repository: kolla/centos-source-keystone, tag: 6.0.0, digest: "sha256:1f...", bytes: 310000000, layers: 14}
    notes: []
'''

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.daisy.kolla_mcast.plugins.module_utils import program as tool


def arguments(params):
    args = ['bundle', 'inspect', '-o', 'json']
    for pattern in params['images']:
        args += ['--image', pattern]
    if params['image_list']:
        args += ['--image-list', params['image_list']]
    return args + (['--', params['bundle']] if params['bundle'] else [])


def main():
    module = AnsibleModule(
        argument_spec=dict(tool.ARGUMENTS, bundle=dict(type='str'),
                           images=dict(type='list', elements='str', default=[]), image_list=dict(type='path')),
        supports_check_mode=True,
    )
    params = module.params
    try:
        program = tool.Program.locate(params['binary_path'], params['version'])
        bundle = program.ask(arguments(params))
    except tool.ProgramError as e:
        module.fail_json(msg=str(e))
    module.exit_json(changed=False, bundle=bundle)


if __name__ == '__main__':
    main()
