# Copyright: the daisy-mcast authors
# Apache License 2.0 (see LICENSE)

"""Runs daisy-mcast distribute on the control node and tells how it goes."""

from __future__ import (absolute_import, division, print_function)

__metaclass__ = type

import json
import os
import shutil
import subprocess
import sys
import tempfile

from ansible import constants as C
from ansible.errors import AnsibleError
from ansible.module_utils.common.text.converters import to_text
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display
from ansible_collections.daisy.kolla_mcast.plugins.module_utils import program as tool
from ansible_collections.daisy.kolla_mcast.plugins.plugin_utils.hosts import Hosts
from ansible_collections.daisy.kolla_mcast.plugins.plugin_utils.progress import Narrator

display = Display()

# What workers display the main process prints, and into a pipe only when a buffer of
# kilobytes is full. Ansible's strategies load this file in the main process before
# they start a worker for the task, so this is the place to have it print line by line.
if hasattr(sys.stdout, 'reconfigure'):
    sys.stdout.reconfigure(line_buffering=True)

# How long the program gets to clean up the hosts when the task is ended.
PATIENCE = 40

# Exit codes of distribute.
OK, CENTRAL, FAILED = 0, 3, 4

TEXT = dict(type='str')
PATH = dict(type='path')

# The options that are flags of the program by another name, or by the same.
FLAGS = dict(
    accept_new_host_keys='--accept-new-host-keys',
    base_dir='--base-dir',
    bypass='--bypass',
    central='--central',
    central_address='--central-address',
    central_auth_file='--central-auth-file',
    central_ca='--central-ca',
    central_port='--central-port',
    checksum='--checksum',
    deployment='--deployment',
    dscp='--dscp',
    engine='--engine',
    fallback='--fallback',
    globals_dir='--globals-dir',
    group='--group',
    image_list='--image-list',
    kolla_globals='--kolla-globals',
    kolla_inventory='--kolla-inventory',
    local_ip='--local-ip',
    max_rate='--max-rate',
    min_rate='--min-rate',
    partial='--partial',
    port='--port',
    preload='--preload',
    program_dir='--program-dir',
    protocol='--protocol',
    quorum='--quorum',
    registry_mode='--registry-mode',
    sender='--sender',
    slow_hosts='--slow-hosts',
    timeout='--timeout',
    ttl='--ttl',
    verify_key='--verify-key',
)

ARGUMENTS = dict(
    tool.ARGUMENTS,
    bundle=dict(type='str'),
    hosts=dict(type='list', elements='str'),
    deploy_file=PATH,
    network_file=PATH,
    addresses=dict(type='dict', default={}),
    limit=dict(type='list', elements='str', default=[]),
    accept_new_host_keys=dict(type='bool', default=False),
    control_become_password=dict(type='str', no_log=True),
    protocol=dict(type='str', choices=['jasmine', 'native']),
    group=TEXT, port=dict(type='int'), ttl=dict(type='int'), max_rate=TEXT, local_ip=TEXT, sender=TEXT,
    slow_hosts=dict(type='str', choices=['detach', 'wait', 'drop']), min_rate=TEXT, quorum=dict(type='int'),
    dscp=TEXT, checksum=TEXT, verify_key=PATH, images=dict(type='list', elements='str', default=[]), image_list=PATH,
    program_dir=PATH, base_dir=TEXT, deployment=TEXT,
    registry_mode=dict(type='str', choices=['auto', 'container', 'service', 'process', 'none']),
    engine=dict(type='str', choices=['auto', 'docker', 'podman']),
    central=TEXT, central_address=TEXT, central_port=dict(type='int'), central_ca=PATH, central_auth_file=PATH,
    fallback=dict(type='str', choices=['uniform', 'per-host', 'all']),
    globals_dir=PATH, kolla_globals=PATH, kolla_inventory=PATH, partial=dict(type='bool', default=False),
    bypass=dict(type='bool', default=False),
    preload=dict(type='bool', default=False), preload_images=dict(type='list', elements='str', default=[]),
    timeout=TEXT,
    fail_on_failed=dict(type='bool', default=True),
    fail_on_fallback=dict(type='bool', default=False),
    once_per_play=dict(type='bool', default=False),
    show_progress=dict(type='bool', default=True),
)


class ActionModule(ActionBase):
    """The control node's half, and all of it: no host is reached by Ansible."""

    TRANSFERS_FILES = False
    _requires_connection = False

    def run(self, tmp=None, task_vars=None):
        result = super(ActionModule, self).run(tmp, task_vars)
        del tmp
        dummy, params = self.validate_argument_spec(
            argument_spec=ARGUMENTS,
            mutually_exclusive=[('hosts', 'deploy_file')],
            required_by=dict(network_file='deploy_file'),
        )
        before = self.earlier(task_vars) if params['once_per_play'] else None
        if before is not None:
            result.update(summary=before, changed=False, skipped_send=True)
            return result
        scratch = tempfile.mkdtemp(prefix='daisy-mcast-', dir=C.DEFAULT_LOCAL_TMP)
        try:
            result.update(Run(self, params, task_vars, scratch).result())
        except tool.ProgramError as e:
            result.update(failed=True, msg=to_text(e))
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
        if 'summary' in result:
            result['summary']['play'] = self.play()
        return result

    def play(self):
        """Tells this play, with all of its batches, from others."""
        block = self._task._parent
        while block is not None and getattr(block, '_play', None) is None:
            block = getattr(block, '_parent', None)
        return to_text(block._play._uuid) if block is not None else None

    def earlier(self, task_vars):
        """The summary that an earlier batch of this play keeps in kolla_mcast_run."""
        for name in task_vars.get('ansible_play_hosts_all', []):
            run = task_vars['hostvars'][name].get('kolla_mcast_run')
            if isinstance(run, dict) and run.get('play') is not None and run['play'] == self.play():
                return run
        return None


class Run(object):
    """One run of distribute."""

    def __init__(self, action, params, task_vars, scratch):
        self.action, self.params, self.task_vars = action, params, task_vars
        self.report_file = os.path.join(scratch, 'report.json')
        self.output_file = os.path.join(scratch, 'output')
        self.is_check = action._task.check_mode
        self.program = tool.Program.locate(params['binary_path'], params['version'])
        self.names = []  # of the inventory's hosts that this is for

    def result(self):
        args, stdin = self.arguments()
        before = self.drop_in()
        code, said, rest = self.execute(args, stdin)
        if self.is_check:
            if code != OK:
                raise tool.ProgramError(tool.reason_of('\n'.join(rest)))
            return dict(changed=True, plan=said.splitlines(), msg='the hosts are not asked in check mode')
        report = self.report()
        if report is None:
            raise tool.ProgramError(tool.reason_of('\n'.join(rest)) or 'it ended with exit code %d' % code)
        result = dict(self.outcome(code, report), report=report, exit_code=code, stderr_lines=rest)
        if self.action._task.diff:
            result['diff'] = self.diff(before, report)
        return result

    def arguments(self):
        args = ['distribute', '--progress', 'json', '--report', self.report_file]
        stdin = ''
        if self.params['deploy_file']:
            args += ['--dha', self.params['deploy_file']]
            if self.params['network_file']:
                args += ['--network', self.params['network_file']]
            for name in sorted(self.params['addresses']):
                args += ['--address', '%s=%s' % (name, self.params['addresses'][name])]
            self.names = self.task_vars.get('ansible_play_hosts_all', [])
            if self.becomes_here():
                args.append('--become')
        else:
            args += ['--hosts', '-']
            stdin = self.host_list(args)
        if self.params['limit']:
            args += ['--limit', ','.join(self.params['limit'])]
        for option in sorted(FLAGS):
            value = self.params[option]
            if value is True:
                args.append(FLAGS[option])
            elif value not in (None, False, ''):
                args += [FLAGS[option], to_text(value)]
        for option, flag in (('preload_images', '--preload-image'), ('images', '--image')):
            for pattern in self.params[option]:
                args += [flag, pattern]
        if self.is_check:
            args.append('--dry-run')
        if self.params['bundle']:
            args += ['--', self.params['bundle']]
        return args, stdin

    def host_list(self, args):
        self.names = self.params['hosts'] or self.task_vars.get('ansible_play_hosts_all', [])
        if not self.names:
            raise AnsibleError('there are no hosts to distribute to')
        hosts = Hosts(self.action._task, self.action._play_context, self.task_vars['hostvars'])
        entries = hosts.list(self.names)
        for warning in hosts.warnings:
            display.warning(warning)
        if self.becomes_here():
            args.append('--become')
        return json.dumps(dict(hosts=entries))

    def becomes_here(self):
        """Reports whether this machine's own part needs sudo."""
        return os.geteuid() != 0 and bool(self.action._task.become)

    def password(self):
        if not self.becomes_here():
            return None
        here = self.task_vars['hostvars'].get('localhost') or {}
        return (self.params['control_become_password'] or here.get('ansible_become_password')
                or here.get('ansible_become_pass') or self.action._play_context.become_pass)

    def execute(self, args, stdin):
        """Runs the program. Passwords go through pipes, never into arguments or files."""
        passed, password = (), self.password()
        if password:
            reader, writer = os.pipe()
            os.write(writer, to_text(password).encode() + b'\n')
            os.close(writer)
            passed = (reader,)
            args = args[:1] + ['--become-password-file', '/dev/fd/%d' % reader] + args[1:]
        command = [self.program.path] + args
        display.vvv('EXEC %s' % ' '.join(command))
        with open(self.output_file, 'w+b') as output:  # a pipe would have to be read beside the other one
            try:
                process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=output, stderr=subprocess.PIPE,
                                           pass_fds=passed, env=dict(os.environ, NO_COLOR='1'))
            except OSError as e:
                raise self.program.unusable(e)
            finally:
                for fd in passed:
                    os.close(fd)
            try:
                code, rest = self.follow(process, stdin)
            finally:
                end(process)
            output.seek(0)
            return code, output.read().decode('utf-8', 'replace'), rest

    def follow(self, process, stdin):
        narrator = Narrator(self.show)
        try:
            process.stdin.write(stdin.encode('utf-8'))
            process.stdin.close()
        except OSError:
            pass  # it has ended without reading; its exit code and words say why
        for line in process.stderr:
            narrator.line(line.decode('utf-8', 'replace'))
        return process.wait(), narrator.rest

    def show(self, text):
        if self.params['show_progress']:
            display.display('daisy-mcast: %s' % text, color=C.COLOR_VERBOSE)

    def report(self):
        try:
            with open(self.report_file, 'rb') as f:
                report = json.loads(f.read().decode('utf-8'))
        except (OSError, ValueError):
            return None
        if report.get('schema') != tool.REPORT_SCHEMA:
            raise tool.ProgramError('the report has schema %s, and this collection reads %d: the program %s is of another time'
                                    % (report.get('schema'), tool.REPORT_SCHEMA, self.program.path))
        return report

    def outcome(self, code, report):
        hosts = self.by_inventory(report)
        counts = report.get('counts', {})
        result = dict(changed=report.get('changed', True), hosts=hosts, counts=counts,
                      unserved=sorted(name for name, host in hosts.items() if host['outcome'] == 'failed'),
                      leaning=sorted(name for name, host in hosts.items() if host['outcome'] == 'central'))
        for key in ('central', 'drop_in'):
            if key in report:
                result[key] = report[key]
        result['summary'] = self.summary(report, hosts)
        result['msg'] = ', '.join('%d %s' % (counts.get(k, 0), k) for k in ('local', 'central', 'failed'))
        why = self.why_failed(code, report)
        if why:
            reasons = self.reasons(hosts) if code in (CENTRAL, FAILED) else ''  # the others say them
            result.update(failed=True, msg='%s (%s)%s' % (why, result['msg'], reasons))
        return result

    def summary(self, report, hosts):
        """What a role has to know of it host by host: little, for every host looks at it."""
        troubles = dict((name, dict((key, host[key]) for key in ('outcome', 'reason', 'detail', 'bypasses') if key in host))
                        for name, host in hosts.items() if host['outcome'] != 'local')
        return dict(known=sorted(hosts), troubles=troubles)

    def why_failed(self, code, report):
        if code not in (OK, CENTRAL, FAILED):
            return report.get('error') or 'distribute ended with exit code %d' % code
        if code == FAILED and self.params['fail_on_failed']:
            return 'some hosts failed'
        if code != OK and self.params['fail_on_fallback']:
            return 'some hosts do not serve the images themselves'
        return None

    def reasons(self, hosts):
        lines = ['%s: %s' % (name, why(hosts[name])) for name in sorted(hosts) if hosts[name]['outcome'] != 'local']
        return ''.join('\n' + line for line in lines)

    def by_inventory(self, report):
        """The report's hosts by their names in the inventory."""
        known = dict((name.lower(), name) for name in self.names)
        addresses = {}
        if self.params['deploy_file']:
            for name in self.names:
                addresses[self.task_vars['hostvars'][name].get('ansible_host')] = name
        hosts = {}
        for host in report.get('hosts') or []:
            name = known.get(host['name'].lower()) or addresses.get(host['address']) or host['name'] or host['address']
            hosts[name] = host
        return hosts

    def drop_in(self):
        if not self.params['globals_dir']:
            return None
        try:
            with open(os.path.join(self.params['globals_dir'], 'zz-daisy-mcast.yml'), 'rb') as f:
                return to_text(f.read())
        except OSError:
            return ''

    def diff(self, before, report):
        changed = sorted(h['name'] or h['address'] for h in report.get('hosts') or [] if h.get('changed'))
        diffs = []
        if changed:
            lines = ''.join('%s serves set %s\n' % (name, report.get('set', {}).get('id')) for name in changed)
            diffs.append(dict(before_header='registries', after_header='registries', before='', after=lines))
        after = self.drop_in()
        if before != after:
            path = report.get('drop_in', {}).get('path', 'zz-daisy-mcast.yml')
            diffs.append(dict(before_header=path, after_header=path, before=before, after=after))
        return diffs


def why(host):
    """A host's reason as one text."""
    text = host.get('reason') or host['outcome']
    return '%s: %s' % (text, host['detail']) if host.get('detail') else text


def end(process):
    """Ends the program when the task is ended before it: agents clean up the hosts."""
    if process.poll() is not None:
        return
    process.terminate()
    try:
        process.wait(PATIENCE)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
