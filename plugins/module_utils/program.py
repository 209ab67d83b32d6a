# Copyright: the daisy-mcast authors
# Apache License 2.0 (see LICENSE)

"""Finds and runs the daisy-mcast program, for modules and for plugins."""

from __future__ import (absolute_import, division, print_function)

__metaclass__ = type

import glob
import json
import os
import re
import subprocess

NAME = 'daisy-mcast'

# The schema of distribute's report that this collection reads.
REPORT_SCHEMA = 1

ARGUMENTS = dict(
    binary_path=dict(type='str', default=NAME),
    version=dict(type='str'),
)

HOST_ARGUMENTS = dict(
    ARGUMENTS,
    base_dir=dict(type='path', default='/var/lib/daisy-mcast'),
    name=dict(type='str', default='daisy-mcast-registry'),
    mode=dict(type='str', default='auto', choices=['auto', 'container', 'service', 'process']),
    engine=dict(type='str', default='auto', choices=['auto', 'docker', 'podman']),
    store=dict(type='path'),
)


class ProgramError(Exception):
    """The program is missing, of another version, or has failed."""


class Answer(object):
    """What a run of the program gave."""

    def __init__(self, code, out, err):
        self.code, self.out, self.err = code, out, err

    def json(self):
        try:
            return json.loads(self.out)
        except ValueError:
            raise ProgramError('%s printed no JSON (exit code %d): %s' % (NAME, self.code, self.reason()))

    def reason(self):
        """The program's own words, without its name."""
        return reason_of(self.err) or 'it ended with exit code %d' % self.code


def reason_of(stderr):
    """Makes one text of what the program wrote on standard error."""
    lines = [line.strip() for line in stderr.splitlines() if line.strip()]
    said = [re.sub('^%s: ' % NAME, '', line) for line in lines if not line.startswith('{')]
    return '; '.join(said)[-2000:]


def find(binary_path, base_dir=None):
    """Returns the path of the program, or None when there is none."""
    if os.sep in binary_path:
        path = os.path.expanduser(binary_path)
        return path if os.access(path, os.X_OK) and os.path.isfile(path) else None
    sbin = ['/usr/local/sbin', '/usr/local/bin', '/usr/sbin', '/usr/bin', '/sbin', '/bin']
    for directory in os.environ.get('PATH', '').split(os.pathsep) + sbin:
        path = os.path.join(directory, binary_path)
        if directory and os.access(path, os.X_OK) and os.path.isfile(path):
            return path
    if base_dir and binary_path == NAME:
        return newest(os.path.join(base_dir, 'bin'))
    return None


def newest(directory):
    """Returns the program that distribute put there last."""
    found = [path for path in glob.glob(os.path.join(directory, NAME + '-*')) if '.new-' not in path]
    return max(found, key=os.path.getmtime) if found else None


class Program(object):
    """A daisy-mcast that can be run."""

    def __init__(self, path):
        self.path = path

    @classmethod
    def locate(cls, binary_path, version=None, base_dir=None):
        path = find(binary_path, base_dir)
        if path is None:
            raise ProgramError('there is no program %s here: install it, or name it with binary_path (kolla_mcast_program of the role)'
                               % binary_path)
        program = cls(path)
        if version:
            program.check(version)
        return program

    def version(self):
        answer = self.run(['--version'])
        match = re.match(r'%s ([^\s,]+)' % NAME, answer.out)
        if answer.code != 0 or not match:
            raise ProgramError('%s is no %s: %s' % (self.path, NAME, answer.reason()))
        return match.group(1)

    def check(self, wanted):
        found = self.version()
        if not found.startswith(wanted):
            raise ProgramError('%s is version %s, and %s is wanted' % (self.path, found, wanted))

    def unusable(self, error):
        """The error of a file that this machine cannot run."""
        return ProgramError('%s cannot be run: %s: is it %s for this machine?' % (self.path, error.strerror, NAME))

    def run(self, args, stdin=None):
        try:
            process = subprocess.Popen([self.path] + args, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                       stderr=subprocess.PIPE, universal_newlines=True)
        except OSError as e:
            raise self.unusable(e)
        out, err = process.communicate(stdin or '')
        return Answer(process.returncode, out, err)

    def ask(self, args, codes=(0,)):
        """Runs the program and returns its JSON; other exit codes are errors."""
        answer = self.run(args)
        if answer.code not in codes:
            raise ProgramError(answer.reason())
        return answer.json()


def registry_flags(params):
    """The flags that registry start, stop and status have in common."""
    return ['--name', params['name'], '--base-dir', params['base_dir'],
            '--mode', params['mode'], '--engine', params['engine']]


def registry_status(program, params):
    """Returns what registry status says; nothing that runs is no error."""
    args = ['registry', 'status', '-o', 'json'] + registry_flags(params)
    if params['store']:
        args += ['--store', params['store']]
    answer = program.run(args)
    if answer.code not in (0, 4) or not answer.out.strip():
        raise ProgramError(answer.reason())
    return answer.json()
