#!/bin/sh
# Runs install.sh in a clean Debian root file system, again and again, and looks at what it leaves.
#
#   sudo deploy/pi/try-install.sh [FOLDER]
#
# Needs root, debootstrap, unshare, the network, 2 GB, and Node with npm on this machine, which are
# lent to the root file system (Debian's own npm is 400 packages). There is no systemd in it: `systemctl`
# is a STUB that writes its arguments down, so what is tried is the installer, not the service.
# shellcheck disable=SC2016  # what is in single quotes is for the shell inside
set -eu

source_folder=$(CDPATH='' cd -- "$(dirname -- "$0")/../.." && pwd)
root=${1:-/tmp/bellwether-try-root}

if [ "${BELLWETHER_TRY_INSIDE:-}" != yes ]; then
  for tool in debootstrap unshare node npm; do
    command -v "$tool" >/dev/null || {
      echo "try-install.sh: skipped, $tool is not installed"
      exit 0
    }
  done
  [ -e "$root/etc/debian_version" ] || debootstrap --variant=minbase bookworm "$root"
  # Mounts of a namespace of its own are gone with the last process in it.
  BELLWETHER_TRY_INSIDE=yes exec unshare --mount --pid --fork -- "$0" "$root"
fi

mount -t proc proc "$root/proc"
cp /etc/resolv.conf "$root/etc/resolv.conf"
node_folder=$(dirname "$(dirname "$(readlink -f "$(command -v node)")")")
cp "$node_folder/bin/node" "$root/usr/local/bin/node"
mkdir -p "$root/usr/local/lib/node_modules"
cp -R "$node_folder/lib/node_modules/npm" "$root/usr/local/lib/node_modules/"
ln -sfn ../lib/node_modules/npm/bin/npm-cli.js "$root/usr/local/bin/npm"
cat >"$root/usr/local/bin/systemctl" <<'STUB'
#!/bin/sh
# A stub: there is no systemd here.
echo "systemctl $*" >>/systemctl.calls
STUB
chmod +x "$root/usr/local/bin/systemctl"
rm -rf "$root/src-bellwether"
mkdir "$root/src-bellwether"
git -c safe.directory='*' -C "$source_folder" archive HEAD | tar -x -C "$root/src-bellwether"

# The network's own authorities, where this machine trusts more than Node does.
authorities=/etc/ssl/certs/ca-certificates.crt
mkdir -p "$root/etc/ssl/certs"
if [ -e "$authorities" ]; then cp "$authorities" "$root$authorities"; else : >"$root$authorities"; fi
inside() {
  chroot "$root" /usr/bin/env -i PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root \
    NODE_EXTRA_CA_CERTS="$authorities" npm_config_cafile="$authorities" "$@"
}
fails() {
  echo "try-install.sh: FAILED: $*" >&2
  exit 1
}
# Everything that is the installer's outside of the program's packages: names, owners, modes, contents.
picture() {
  inside sh -c 'for at in /etc/bellwether /etc/systemd/system/bellwether.service \
      /etc/systemd/journald@bellwether.conf /usr/local/bin/bellwether /var/lib/bellwether /opt/bellwether; do
    [ -e "$at" ] || continue
    find "$at" -not -path "*/node_modules/*" -printf "%p %u:%g %m\n"
    find "$at" -not -path "*/node_modules/*" -type f -exec sha256sum {} +
  done | sort; getent passwd bellwether'
}
install() { inside sh /src-bellwether/deploy/pi/install.sh "$@"; }

rm -f "$root/systemctl.calls"
install --uninstall --purge >/dev/null
[ -z "$(picture || true)" ] || fails "a purge of nothing leaves something"
if install --upgrade 2>/dev/null; then fails "an upgrade of nothing works"; fi

echo "== first install"
install
picture >"$root/picture.1"
echo "== second install"
install
picture >"$root/picture.2"
cmp "$root/picture.1" "$root/picture.2" || fails "a second install changes something"
[ "$(inside bellwether --version)" = "$(inside node -p 'require("/src-bellwether/package.json").version')" ] ||
  fails "the command is not in the path"
if inside runuser -u bellwether -- sh -c ': >/opt/bellwether/cli/main.ts' 2>/dev/null; then
  fails "the gateway's user may change the program"
fi

echo "== a gateway on it, as its user"
inside sh -c 'runuser -u bellwether -- timeout -s TERM 60 /opt/bellwether/node_modules/node/bin/node \
  /opt/bellwether/cli/main.ts gateway --serve-only --config /etc/bellwether/bellwether.yaml --port 0 \
  >/gateway.out 2>/gateway.err & for i in $(seq 50); do sleep 1; grep -q "^listening" /gateway.out && break; done
  for each in /proc/[0-9]*; do case $(readlink "$each/exe") in */node) kill -TERM "${each#/proc/}" ;; esac; done
  wait' || true
grep -q '^listening' "$root/gateway.out" || fails "no gateway: $(cat "$root/gateway.err")"
[ -s "$root/var/lib/bellwether/labels.db" ] || fails "no label log"

echo "== upgrade, with a backup before"
install --upgrade
[ "$(find "$root/var/backups/bellwether" -name 'before-upgrade-*.tar.gz' -perm 600 | wc -l)" -ge 1 ] ||
  fails "no backup before an upgrade"

echo "== uninstall keeps the data"
install --uninstall
[ -s "$root/var/lib/bellwether/labels.db" ] || fails "uninstall took the data"
for left in opt/bellwether etc/systemd/system/bellwether.service usr/local/bin/bellwether; do
  [ ! -e "$root/$left" ] || fails "uninstall left $left"
done
install --uninstall
echo "== purge keeps nothing but backups"
install --uninstall --purge
[ -z "$(picture || true)" ] || fails "a purge leaves something"

echo "== what systemd would have been told"
cat "$root/systemctl.calls"
echo "try-install.sh: installed twice, upgraded, removed twice, purged; nothing amiss"
