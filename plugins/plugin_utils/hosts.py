# Copyright: the daisy-mcast authors
# Apache License 2.0 (see LICENSE)

"""Makes daisy-mcast's host list of what Ansible knows of its hosts.

Ansible's own rules decide: for each host the options of the connection plugin
are resolved as Ansible would do it, from variables, keywords, command line and
configuration.
"""

from __future__ import (absolute_import, division, print_function)

__metaclass__ = type

import getpass
import os
import shlex
import subprocess
from concurrent.futures import ThreadPoolExecutor

from ansible import constants as C
from ansible.errors import AnsibleError
from ansible.module_utils.common.text.converters import to_text
from ansible.module_utils.parsing.convert_bool import boolean
from ansible.plugins.loader import become_loader, connection_loader

SSH = ('ssh', 'smart', 'paramiko', 'paramiko_ssh', 'ansible.builtin.ssh', 'ansible.builtin.paramiko_ssh')
LOCAL = ('local', 'ansible.builtin.local')

# What daisy-mcast decides itself. It always checks host keys.
DROPPED = ('controlmaster', 'controlpath', 'controlpersist', 'batchmode', 'loglevel', 'requesttty',
           'updatehostkeys', 'permitlocalcommand', 'remotecommand', 'numberofpasswordprompts')
KEYS = ('stricthostkeychecking', 'checkhostip')

# ssh's flags without an argument, as options.
FLAGS = {'-C': 'Compression=yes', '-4': 'AddressFamily=inet', '-q': None, '-T': None, '-t': None, '-v': None,
         '-a': None, '-x': None, '-A': None}
# Those with one.
VALUES = {'-J': 'ProxyJump', '-l': 'User', '-p': 'Port', '-c': 'Ciphers', '-m': 'MACs', '-b': 'BindAddress',
          '-B': 'BindInterface'}

# How many ssh are asked at once for the user that ssh_config says.
ASKED_AT_ONCE = 16


class Hosts(object):
    """The hosts of a task, as daisy-mcast wants them."""

    def __init__(self, task, play_context, hostvars):
        self.task, self.play_context, self.hostvars = task, play_context, hostvars
        self.keywords = task.dump_attrs()
        self.warnings = []
        connection_loader.get('ssh', class_only=True)  # loads the definitions of its options
        become_loader.get('sudo', class_only=True)

    def list(self, names):
        """Returns the entries of the host list, in the order of names."""
        entries = [self.entry(name) for name in names]
        if os.geteuid() != 0:
            self.add_users(entries)
        return entries

    def entry(self, name):
        if name not in self.hostvars:
            raise AnsibleError('host %s is not in the inventory' % name)
        hv = self.hostvars[name]
        entry = dict(name=name, become=self.becomes(hv))
        address = hv.get('ansible_host') or hv.get('ansible_ssh_host')
        if address and address != name:
            entry['address'] = to_text(address)
        connection = hv.get('ansible_connection') or self.task.connection or 'ssh'
        if connection in LOCAL:
            entry['connection'] = 'local'
            entry.pop('address', None)  # localhost is nobody's address on a network
        elif connection in SSH:
            if ':' in to_text(address or name):
                raise AnsibleError('host %s: its address %s is IPv6, and the multicast is IPv4 only: give it an ansible_host that is IPv4, or a name'
                                   % (name, address or name))
            self.add_ssh(entry, name, self.options('connection', 'ssh', hv))
        else:
            raise AnsibleError('host %s: daisy-mcast reaches hosts by ssh, not by the connection %r' % (name, connection))
        if entry['become']:
            self.add_become(entry, name, hv)
        return dict((key, value) for key, value in entry.items() if value not in (None, '', []))

    def options(self, kind, name, hv):
        names = C.config.get_plugin_vars(kind, name)
        variables = dict((var, hv[var]) for var in names if var in hv)
        return C.config.get_plugin_options(kind, name, keys=self.keywords, variables=variables)

    def becomes(self, hv):
        value = hv.get('ansible_become', self.task.become)
        return boolean(value, strict=False) if value is not None else False

    def add_become(self, entry, name, hv):
        method = hv.get('ansible_become_method') or self.task.become_method or 'sudo'
        if method not in ('sudo', 'ansible.builtin.sudo'):
            raise AnsibleError('host %s: daisy-mcast becomes root by sudo, not by %s' % (name, method))
        user = hv.get('ansible_become_user') or self.task.become_user or 'root'
        if user != 'root':
            raise AnsibleError('host %s: daisy-mcast needs to become root, not %s' % (name, user))
        options = self.options('become', 'sudo', hv)
        entry['become_password'] = options.get('become_pass') or self.play_context.become_pass

    def add_ssh(self, entry, name, options):
        entry['user'] = options.get('remote_user')
        entry['port'] = options.get('port')
        entry['password'] = options.get('password') or self.play_context.password
        # What daisy-mcast runs knows no password for a key file: an agent does.
        entry['identity'] = options.get('private_key_file')
        found = []
        for key in ('ssh_args', 'ssh_common_args', 'ssh_extra_args'):
            text = options.get(key)
            if key == 'ssh_args' and text == C.config.get_configuration_definitions('connection', 'ssh')[key]['default']:
                continue
            found += self.parse(entry, name, text)
        entry['ssh_options'] = found

    def parse(self, entry, name, text):
        """Turns arguments of ssh into options KEYWORD=VALUE."""
        words = shlex.split(to_text(text or ''))
        found = []
        while words:
            word = words.pop(0)
            flag, value = word[:2], word[2:]
            if flag == '-o' or flag == '-i' or flag in VALUES:
                if not value:
                    if not words:
                        raise AnsibleError('host %s: ssh argument %s has no value' % (name, word))
                    value = words.pop(0)
                if flag == '-i':
                    entry['identity'] = entry.get('identity') or value
                else:
                    self.take(found, name, value if flag == '-o' else '%s=%s' % (VALUES[flag], value))
            elif word in FLAGS:
                if FLAGS[word]:
                    found.append(FLAGS[word])
            else:
                raise AnsibleError('host %s: the argument %s of ssh cannot be handed on: say it in ssh_config' % (name, word))
        return found

    def take(self, found, name, option):
        key, dummy, value = option.strip().partition('=')
        if ' ' in key.strip():  # -o "Keyword value"
            key, dummy, value = option.strip().partition(' ')
        key, value = key.strip(), value.strip()
        lower = key.lower()
        if lower in DROPPED:
            return
        if lower in KEYS or lower == 'userknownhostsfile' and value == '/dev/null':
            self.warn('%s of ssh is not handed on: daisy-mcast always checks host keys' % key)
            return
        found.append('%s=%s' % (key, value))

    def warn(self, text):
        if text not in self.warnings:
            self.warnings.append(text)

    def add_users(self, entries):
        """Names the user where Ansible leaves that to ssh: daisy-mcast would be root."""
        asked = [e for e in entries if 'user' not in e and e.get('connection') != 'local']
        with ThreadPoolExecutor(ASKED_AT_ONCE) as pool:
            for entry, user in zip(asked, pool.map(ssh_user, asked)):
                entry['user'] = user


def ssh_user(entry):
    """Asks ssh as whom it would log in."""
    command = ['ssh', '-G']
    for option in entry.get('ssh_options', []):
        command += ['-o', option]
    try:
        out = subprocess.run(command + [entry.get('address', entry['name'])], stdout=subprocess.PIPE,
                             stderr=subprocess.DEVNULL, universal_newlines=True, timeout=10, check=False).stdout
    except (OSError, subprocess.SubprocessError):
        out = ''
    for line in out.splitlines():
        if line.startswith('user '):
            return line[5:]
    return getpass.getuser()
