# Copyright: the daisy-mcast authors
# Apache License 2.0 (see LICENSE)

from __future__ import (absolute_import, division, print_function)

__metaclass__ = type


class ModuleDocFragment(object):
    """What the modules have in common: the program that they run."""

    DOCUMENTATION = r'''
options:
  binary_path:
    description:
      - The C(daisy-mcast) program. A name is looked for on C(PATH).
    type: str
    default: daisy-mcast
  version:
    description:
      - What the program's version, as C(daisy-mcast --version) tells it, has to begin with.
      - The module fails when it does not. Unset, every version is taken.
    type: str
requirements:
  - daisy-mcast
author:
  - The daisy-mcast authors (@daisy-mcast)
'''

    HOST = r'''
options:
  base_dir:
    description:
      - The directory of daisy-mcast on the host.
      - When I(binary_path) is the default and not on C(PATH), the program that C(distribute) put into
        C(bin) in this directory is used.
    type: path
    default: /var/lib/daisy-mcast
  name:
    description: The name of the registry's container or unit.
    type: str
    default: daisy-mcast-registry
  mode:
    description: How the registry runs. With C(auto) that of what runs already is kept.
    type: str
    choices: [auto, container, service, process]
    default: auto
  engine:
    description: The container engine.
    type: str
    choices: [auto, docker, podman]
    default: auto
  store:
    description: The store's directory. By default C(store) in I(base_dir).
    type: path
'''

    CHOICE = r'''
options:
  images:
    description: Take only images like these patterns from I(bundle).
    type: list
    elements: str
    default: []
  image_list:
    description: Take only the images that this file lists, one C(repository:tag) a line.
    type: path
'''

    READS = r'''
attributes:
  check_mode:
    description: Changes nothing.
    support: full
  diff_mode:
    description: Changes nothing.
    support: none
'''
