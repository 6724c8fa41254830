# A machine with systemd as its first process, for tests: an overlay of this host's files, its own
# processes, network, /run and cgroups. Sourced by bash with the binary under test as $1, an empty
# directory as $2 and, where it is to be another system than this host, the root of that as $3; `join` puts
# the shell that calls it into the machine's control groups. Nothing of it outlives this process.
set -euo pipefail

# systemd-nspawn keeps locks here, which are the host's otherwise.
mount -t tmpfs -o mode=755 tmpfs /run
mkdir -p /run/systemd/system
mount -t tmpfs -o mode=755 tmpfs "$2"
mkdir "$2/upper" "$2/work" "$2/root"
mount -t overlay overlay -o "lowerdir=${3:-/},upperdir=$2/upper,workdir=$2/work" "$2/root"
cd "$2/root"

: >etc/machine-id
cp "$1" opt/mptcpize
# What this host starts at boot is no business of the tests, nor what was enabled on it before.
rm -rf etc/systemd/system/*.wants etc/systemd/system/*.d etc/systemd/system.conf.d etc/mptcpize.toml
rm -rf usr/local/lib/mptcpize var/lib/mptcpize var/cache/mptcpize usr/lib/*/mptcpize usr/lib/mptcpize etc/ld.so.preload
# An image maker's word that packages start nothing: this machine is none that is being made.
rm -f usr/sbin/policy-rc.d
for unit in systemd-udevd systemd-logind systemd-networkd systemd-resolved systemd-timesyncd console-getty; do
	ln -sf /dev/null "etc/systemd/system/$unit.service"
done
printf '[Unit]\nRequires=sysinit.target dbus.socket\nAfter=sysinit.target dbus.socket\n' \
	>etc/systemd/system/tests.target
# It ends with 133 when the machine wants to boot again. Its control groups are its own: there must be no
# other process where it has groups below.
status=133
while ((status == 133)); do
	status=0
	(
		join
		exec systemd-nspawn --quiet --directory=. --boot --register=no --keep-unit --private-network \
			--console=pipe --machine=tests systemd.unit=tests.target
	) || status=$?
done
exit "$status"
