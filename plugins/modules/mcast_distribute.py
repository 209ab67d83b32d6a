#!/usr/bin/python
# Copyright: the daisy-mcast authors
# Apache License 2.0 (see LICENSE)

from __future__ import (absolute_import, division, print_function)

__metaclass__ = type

DOCUMENTATION = r'''
module: mcast_distribute
short_description: Sends a bundle's images to all hosts once, by multicast
version_added: 0.1.0
description:
  - Runs C(daisy-mcast distribute) on the control node for all hosts of the play at once. Afterwards each host has a
    verified registry on C(127.0.0.1:4000), or leans on the central registry on the control node, or is named as failed.
  - How the hosts are logged into is taken from Ansible - variables, keywords, command line and configuration, of each
    host its own. The connections must be C(ssh) or C(local). Passwords go to the program through pipes.
  - What becomes of the hosts is shown while it happens.
  - Use it with C(run_once), and with I(become) where the hosts' user is not root.
extends_documentation_fragment:
  - daisy.kolla_mcast.program
  - daisy.kolla_mcast.program.choice
options:
  bundle:
    description:
      - The bundle on the control node, such as Daisy's C(kolla-image*.tgz).
      - Or another source that the program takes, as C(registry://HOST:PORT) or C(docker://).
      - By default the only one in C(/var/lib/daisy/versionfile/kolla).
    type: str
  checksum:
    description: SHA-512 of the bundle, or C(auto), C(required), or a file that has it.
    type: str
  verify_key:
    description: Refuse what is not signed by this public key, a PEM file.
    type: path
  hosts:
    description: The hosts, by their names in the inventory. By default all of the play, in all of its batches.
    type: list
    elements: str
  deploy_file:
    description: Daisy's C(deploy.yml), to take hosts and passwords from it instead of from the inventory.
    type: path
  network_file:
    description: Daisy's C(network.yml). By default the one beside I(deploy_file), if there is one.
    type: path
  addresses:
    description: The addresses of hosts, by name, for I(deploy_file).
    type: dict
    default: {}
  limit:
    description: Only these hosts, by name or address.
    type: list
    elements: str
    default: []
  accept_new_host_keys:
    description: Take the key of a host that known_hosts lacks, never a changed one, and never where a password is sent.
    type: bool
    default: false
  control_become_password:
    description: sudo's password on the control node. By default that of C(localhost) in the inventory, or what C(-K) asked for.
    type: str
  protocol:
    description: How the bytes travel.
    type: str
    choices: [jasmine, native]
  group:
    description: The multicast address.
    type: str
  port:
    description: The port, TCP and UDP.
    type: int
  ttl:
    description: How many routers the multicast may pass.
    type: int
  max_rate:
    description: Bound on the sending in bits a second, as in C(800M).
    type: str
  min_rate:
    description: A host that takes less counts as slow whatever the others take, as in C(20M).
    type: str
  slow_hosts:
    description: What becomes of hosts that take less than half of what the others take.
    type: str
    choices: [detach, wait, drop]
  quorum:
    description: End the sending when fewer hosts than this have joined in time, or are left.
    type: int
  dscp:
    description: The DSCP of what is sent.
    type: str
  local_ip:
    description: The control node's address towards the hosts.
    type: str
  sender:
    description: The host that sends and runs the central registry, instead of the control node.
    type: str
  program_dir:
    description: Directory with C(daisy-mcast-linux-ARCH) for hosts of other architectures.
    type: path
  base_dir:
    description: The directory of daisy-mcast on every host and on the control node. By default C(/var/lib/daisy-mcast).
    type: str
  deployment:
    description: A name that keeps this cloud apart from others that are served from the same control node.
    type: str
  registry_mode:
    description: How a host's registry runs.
    type: str
    choices: [auto, container, service, process, none]
  engine:
    description: The hosts' container engine.
    type: str
    choices: [auto, docker, podman]
  central:
    description: URL of a registry that has the images already, instead of one on the control node.
    type: str
  central_address:
    description: The address of the central registry on the control node.
    type: str
  central_port:
    description: Its port.
    type: int
  central_ca:
    description: PEM file with the only certificate to trust at I(central).
    type: path
  central_auth_file:
    description: File with C(user:password) for I(central).
    type: path
  fallback:
    description: What Kolla uses when some hosts lean on the central registry.
    type: str
    choices: [uniform, per-host, all]
  globals_dir:
    description: Kolla's C(globals.d) on the control node, to write the drop-in into. Without it Kolla is left alone.
    type: path
  kolla_globals:
    description: Kolla's C(globals.yml), only read. By default the one beside I(globals_dir).
    type: path
  kolla_inventory:
    description: Kolla's inventory. Those of its hosts that end without a registry are named in the report's warnings.
    type: path
  partial:
    description: The hosts are not all of the cloud's. What the drop-in says of others stays.
    type: bool
    default: false
  bypass:
    description:
      - Where a host failed and its engine can pull from the central registry, have the drop-in send Kolla there for it,
        whatever I(fallback) says. Needs I(globals_dir).
    type: bool
    default: false
  preload:
    description: Have the hosts' engines get the images too, under the names that Kolla will use.
    type: bool
    default: false
  preload_images:
    description: The images to preload, as C([ROLE=]PATTERN). All of them when empty.
    type: list
    elements: str
    default: []
  timeout:
    description: The deadline of the run, as in C(30m).
    type: str
  fail_on_failed:
    description: Fail when some host ended C(failed).
    type: bool
    default: true
  fail_on_fallback:
    description: Fail when some host does not serve the images itself.
    type: bool
    default: false
  once_per_play:
    description:
      - With C(serial), C(run_once) means once a batch. With this the first batch sends to all, and the others get its
        I(summary), which has to be kept as the fact C(kolla_mcast_run).
    type: bool
    default: false
  show_progress:
    description: Show the program's progress as it comes.
    type: bool
    default: true
attributes:
  action:
    description: It runs on the control node. Ansible makes no connection to the hosts for it.
    support: full
  bypass_host_loop:
    description: It runs for every host of the batch, unless the task says C(run_once).
    support: none
  check_mode:
    description: >-
      Bad input is refused as otherwise. No host is asked what it has, so that the result is always C(changed).
    support: partial
  diff_mode:
    description: Shows the hosts that were changed, and the drop-in before and after.
    support: full
notes:
  - The program's own settings, C(DAISY_MCAST_*) variables and its configuration file, count where an option is not given.
seealso:
  - module: daisy.kolla_mcast.registry_info
'''

EXAMPLES = r'''
- name: Bring the images to all hosts of the play
  daisy.kolla_mcast.mcast_distribute:
    bundle: /var/lib/daisy/versionfile/kolla/kolla-image-queens.tgz
    globals_dir: /etc/kolla/globals.d
  become: true
  run_once: true
  register: result

- name: The same from Daisy's own files, at no more than 2 Gb/s
  daisy.kolla_mcast.mcast_distribute:
    deploy_file: /etc/daisy/deploy.yml
    max_rate: 2G
  run_once: true
'''

RETURN = r'''
hosts:
  description: What became of each host, by its name in the inventory, as in the report.
  returned: when the run began
  type: dict
  sample:
    computer01: {name: computer01, address: 10.20.11.6, outcome: local, changed: true, received_bytes: 4210000000}
    computer02: {name: computer02, address: 10.20.11.7, outcome: central, reason: disk full,
                 detail: "/var/lib/daisy-mcast/store needs 4210 MB more, 1800 MB are free", changed: true}
counts:
  description: How many hosts ended how.
  returned: when the run began
  type: dict
  sample: {local: 1, central: 1, failed: 0}
leaning:
  description: The hosts that lean on the central registry.
  returned: when the run began
  type: list
  elements: str
  sample: [computer02]
unserved:
  description: The hosts that failed.
  returned: when the run began
  type: list
  elements: str
  sample: []
central:
  description: The URL of the central registry.
  returned: when there is one
  type: str
  sample: https://10.20.11.2:4000
drop_in:
  description: What became of Kolla's drop-in.
  returned: when I(globals_dir) was given
  type: dict
  sample: {path: /etc/kolla/globals.d/zz-daisy-mcast.yml, action: created}
report:
  description: The whole report. docs/OPERATIONS.md has its form.
  returned: when the run began
  type: dict
exit_code:
  description: The exit code of the program.
  returned: when the run began
  type: int
  sample: 3
summary:
  description: What a role has to know of it. Hosts that ended C(local) are only in C(known).
  returned: when the run began
  type: dict
  sample:
    known: [computer01, computer02]
    troubles: {computer02: {outcome: failed, reason: port taken, bypasses: true}}
skipped_send:
  description: This is the result of an earlier batch.
  returned: when it is
  type: bool
'''
