"""Compares what the modules take with what their documentation says: what
ansible-test's validate-modules does, which needs a network to install itself."""

import importlib
import json
import sys

import ansible.plugins.loader as loader

getattr(loader, 'init_plugin_loader', lambda: None)()  # from ansible-core 2.15 on
BASE = 'ansible_collections.daisy.kolla_mcast.plugins.'


class Caught(Exception):
    pass


def catch(*args, **kwargs):
    raise Caught(kwargs['argument_spec'])


def spec(name):
    if name == 'mcast_distribute':
        return importlib.import_module(BASE + 'action.' + name).ARGUMENTS
    module = importlib.import_module(BASE + 'modules.' + name)
    module.AnsibleModule = catch
    try:
        module.main()
    except Caught as e:
        return e.args[0]


def form(option):
    return dict((key, option.get(key)) for key in ('default', 'choices', 'elements', 'required')
                if option.get(key) not in (None, False, [], {})) | {'type': option.get('type', 'str')}


bad = []
for name, doc in json.load(sys.stdin).items():
    name = name.rpartition('.')[2]
    documented, taken = doc['doc']['options'], spec(name)
    for option in sorted(set(documented) | set(taken)):
        if option not in documented or option not in taken:
            bad.append('%s: %s is only %s' % (name, option, 'documented' if option in documented else 'taken'))
        elif form(documented[option]) != form(taken[option]):
            bad.append('%s: %s is documented as %s and taken as %s'
                       % (name, option, form(documented[option]), form(taken[option])))
print('\n'.join(bad) or 'the same')
sys.exit(1 if bad else 0)
