"""What becomes of Ansible's variables in the host list: each case is variables of
a host and the entry, or the complaint, that they make."""

import json
import sys

import ansible.plugins.loader as loader
from ansible.errors import AnsibleError
from ansible.playbook.play_context import PlayContext
from ansible.playbook.task import Task

getattr(loader, 'init_plugin_loader', lambda: None)()  # from ansible-core 2.15 on
from ansible_collections.daisy.kolla_mcast.plugins.plugin_utils.hosts import Hosts

CASES = [
    ({}, {}),
    ({'ansible_host': '10.0.0.11', 'ansible_port': 2222, 'ansible_user': 'stack'},
     {'address': '10.0.0.11', 'port': 2222, 'user': 'stack'}),
    ({'ansible_host': 'h1'}, {}),
    ({'ansible_ssh_private_key_file': '/k', 'ansible_password': 'p', 'ansible_become': 'yes', 'ansible_become_password': 'b'},
     {'identity': '/k', 'password': 'p', 'become': True, 'become_password': 'b'}),
    ({'ansible_ssh_common_args': '-o ProxyJump=a -oServerAliveInterval=5 -J b -C -4 -A', 'ansible_ssh_extra_args': '-i /key -p 22'},
     {'ssh_options': ['ProxyJump=a', 'ServerAliveInterval=5', 'ProxyJump=b', 'Compression=yes', 'AddressFamily=inet', 'Port=22'],
      'identity': '/key'}),
    ({'ansible_ssh_common_args': '-o ProxyCommand="ssh -W %h:%p -q bastion" -o "IdentitiesOnly yes"'},
     {'ssh_options': ['ProxyCommand=ssh -W %h:%p -q bastion', 'IdentitiesOnly=yes']}),
    ({'ansible_ssh_args': '-o ControlMaster=auto -o ControlPersist=60s -o controlpath=/x -o BatchMode=yes'}, {}),
    ({'ansible_ssh_common_args': '-o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null'}, {'warnings': 2}),
    ({'ansible_ssh_common_args': '-o UserKnownHostsFile=/etc/kolla/known_hosts'},
     {'ssh_options': ['UserKnownHostsFile=/etc/kolla/known_hosts']}),
    ({'ansible_connection': 'local', 'ansible_host': '127.0.0.1'}, {'connection': 'local'}),
    ({'ansible_connection': 'local', 'ansible_host': '::1'}, {'connection': 'local'}),
    ({'ansible_host': 'fd00::1'}, 'is IPv6'),
    ({'ansible_connection': 'docker'}, "not by the connection 'docker'"),
    ({'ansible_become': True, 'ansible_become_method': 'su'}, 'by sudo, not by su'),
    ({'ansible_become': True, 'ansible_become_user': 'kolla'}, 'needs to become root, not kolla'),
    ({'ansible_ssh_common_args': '-L 1:a:2'}, 'cannot be handed on'),
    ({'ansible_ssh_common_args': '-o'}, 'has no value'),
]

bad = 0
for variables, want in CASES:
    hosts = Hosts(Task(), PlayContext(), {'h1': variables})
    try:
        got = hosts.entry('h1')
    except AnsibleError as e:
        got = str(e)
    if isinstance(want, dict):
        want = dict({'name': 'h1', 'become': False}, **want)
        warnings = want.pop('warnings', 0)
        fine = got == want and len(hosts.warnings) == warnings
    else:
        fine = want in got
    if not fine:
        bad += 1
        print('%s\n  makes %s %s\n  want  %s' % (json.dumps(variables), got, hosts.warnings, want))
sys.exit(1 if bad else 0)
