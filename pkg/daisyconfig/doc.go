// Package daisyconfig reads OPNFV Daisy's two files, deploy.yml and
// network.yml, and says which hosts they mean.
//
// [Load] gives a checked [Config]. What Daisy's own validator refuses
// (deploy/config/schemas.py) is refused, with file, line and field; what it
// accepts is accepted, and keys that it does not know are named in a warning.
// Stricter than Daisy on purpose: duplicate keys, names and addresses, no
// hosts at all, names that could reach a shell, addresses that are none, and
// the bounds of package pyyaml.
//
// [Config.Targets] gives the hosts with their addresses. The files say which
// addresses Daisy gave, not who has which: it handed them out in the order in
// which hosts were discovered. Such derived addresses stay apart from the
// names until [Pair] is shown a proof (a MAC address, the host's own name).
//
// [Config.Inventory] gives Ansible's view of the same hosts, for Kolla.
package daisyconfig
