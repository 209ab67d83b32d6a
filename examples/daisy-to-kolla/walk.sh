#!/bin/sh
# From Daisy's files to hosts on which Kolla pulls. See README.md.
set -eu
cd "$(dirname "$0")"

# The program and the collection are installed, and the key is on the hosts.
daisy-mcast --version
ansible-doc -t inventory daisy.kolla_mcast.daisy >/dev/null

echo '== the hosts, as Kolla will see them'
ansible-inventory --graph baremetal

echo '== the images to all hosts'
ansible-playbook site.yml "$@"

echo '== Kolla pulls'
# Kolla passes its files like this, the last one wins.
set -- -e @/etc/kolla/globals.yml
for file in /etc/kolla/globals.d/*.yml; do
	set -- "$@" -e "@$file"
done
${KOLLA_PULL:-kolla-ansible pull -i daisy.yml} "$@"
