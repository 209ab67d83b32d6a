#!/bin/sh
# Installs what the lab and the end-to-end tests need and this machine lacks.
# Only as root on Debian and its descendants; elsewhere it says what is missing
# and leaves the decision to the tests (they skip; with CI=true a skip fails).
# No daemon is started by it. Fast when everything is there.
set -eu

# program:package
needs='
sshd:openssh-server
ssh:openssh-client
ssh-keygen:openssh-client
openssl:openssl
perl:perl-base
dockerd:docker.io
docker:docker.io
podman:podman
skopeo:skopeo
docker-registry:docker-registry
ip:iproute2
tc:iproute2
nft:nftables
iptables:iptables
ethtool:ethtool
iperf3:iperf3
sudo:sudo
/usr/bin/python3:python3
ansible:ansible-core
ansible-lint:ansible-lint
yamllint:yamllint
pycodestyle:pycodestyle
git:git
useradd:passwd
systemd-analyze:systemd
ps:procps
nginx:nginx-light
'

PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin

missing=
packages=
for need in $needs; do
	program=${need%%:*}
	package=${need#*:}
	command -v "$program" >/dev/null 2>&1 && continue
	missing="$missing $program"
	case " $packages " in *" $package "*) ;; *) packages="$packages $package" ;; esac
done

[ -n "$missing" ] || exit 0

if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null 2>&1; then
	echo "test/install.sh: missing:$missing" >&2
	echo "test/install.sh: install by hand:$packages; without them some tests are skipped" >&2
	exit 0
fi

# Debian starts a daemon when its package is installed. invoke-rc.d asks this
# file first; ours forbids it for the time of the installation only.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
	printf '#!/bin/sh\nexit 101\n' >"$policy"
	chmod 0755 "$policy"
	trap 'rm -f "$policy"' EXIT
	trap 'exit 1' INT TERM
fi

echo "test/install.sh: installing:$packages" >&2
export DEBIAN_FRONTEND=noninteractive
# shellcheck disable=SC2086 # the list is meant to be split
install="apt-get install -y -q --no-install-recommends $packages"
if ! $install >/dev/null 2>&1; then
	apt-get update -q >/dev/null
	$install >/dev/null
fi
