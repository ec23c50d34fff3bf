#!/bin/sh
# Installs, upgrades or removes Bellwether on Raspberry Pi OS or Debian, 64-bit, from the folder that
# this script is in. POSIX sh. Run it as often as you like: what is in place stays in place.
#
# It fetches nothing by itself. Node and npm to start with come from apt, whose packages are signed;
# packages from npm, which compares each with the hash in package-lock.json; and the Node that runs the
# gateway is compared with deploy/pi/node-binaries.sha256, since npm fetches it by a script.
set -eu

program=/opt/bellwether
data=/var/lib/bellwether
settings=/etc/bellwether
backups=/var/backups/bellwether
unit=/etc/systemd/system/bellwether.service
node_unit=/etc/systemd/system/bellwether-node@.service
journal=/etc/systemd/journald@bellwether.conf
link=/usr/local/bin/bellwether
user=bellwether
node=node_modules/node/bin/node
parts="bin cli src gateway device-sim deploy recordings profiles docs bench package.json package-lock.json .npmrc LICENSE README.md"

source_folder=$(CDPATH='' cd -- "$(dirname -- "$0")/../.." && pwd)
cd /
mode=install
dry=no
purge=no
start=yes

usage() {
  cat <<'END'
Usage: sudo deploy/pi/install.sh [--upgrade | --uninstall [--purge]] [--no-start] [--dry-run]

  (nothing)     install, or bring an installation to this version
  --upgrade     the same, but refuse where nothing is installed
  --uninstall   remove the program and its unit; keep data, settings and user
  --purge       with --uninstall: remove those as well; backups stay
  --no-start    do not start the gateway
  --dry-run     say what would be done
END
}

say() { printf '%s\n' "$*"; }
die() {
  printf 'install.sh: %s\n' "$*" >&2
  exit 1
}
# Runs a command, or says it.
run() {
  if [ "$dry" = yes ]; then say "  $*"; else "$@"; fi
}
as_user() { run runuser -u "$user" -- "$@"; }

for argument in "$@"; do
  case $argument in
    --upgrade) mode=upgrade ;;
    --uninstall) mode=uninstall ;;
    --purge) purge=yes ;;
    --no-start) start=no ;;
    --dry-run) dry=yes ;;
    --help | -h)
      usage
      exit 0
      ;;
    *)
      usage >&2
      die "unknown option $argument"
      ;;
  esac
done
[ "$purge" = no ] || [ "$mode" = uninstall ] || die "--purge goes with --uninstall"
[ "$dry" = yes ] || [ "$(id -u)" -eq 0 ] || die "run it with sudo"

case $(uname -m) in
  aarch64) platform=linux-arm64 ;;
  x86_64) platform=linux-x64 ;;
  *) die "needs a 64-bit system; on a Raspberry Pi install Raspberry Pi OS (64-bit)" ;;
esac

uninstall() {
  say "Removing the program"
  if [ -e "$unit" ] || [ "$dry" = yes ]; then
    run systemctl disable --now bellwether.service
    run systemctl stop 'bellwether-node@*.service'
  fi
  run rm -f "$unit" "$node_unit" "$journal" "$link"
  run systemctl daemon-reload
  run rm -rf "$program" "$program.new" "$program.old"
  if [ "$purge" = yes ]; then
    say "Removing data, settings and user"
    run rm -rf "$data" "$settings" /var/cache/bellwether
    if getent passwd "$user" >/dev/null; then run userdel "$user"; fi
    return
  fi
  say "Kept: $data, $settings, user $user. --uninstall --purge removes them."
}

need_node() {
  if command -v node >/dev/null && command -v npm >/dev/null; then return; fi
  say "Installing Node.js and npm from apt"
  run apt-get update -q
  run env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends nodejs npm
}

make_user() {
  if getent passwd "$user" >/dev/null; then return; fi
  say "Making the user $user"
  run useradd --system --user-group --home-dir /nonexistent --shell /usr/sbin/nologin "$user"
}

make_folders() {
  run install -d -m 0700 -o "$user" -g "$user" "$data" "$backups"
  run install -d -m 0750 -o root -g "$user" "$settings"
  if [ -e "$settings/bellwether.yaml" ]; then return; fi
  say "Writing $settings/bellwether.yaml"
  run install -m 0640 -o root -g "$user" \
    "$program.new/deploy/pi/bellwether.yaml" "$settings/bellwether.yaml"
}

# The new version stands complete beside the old one before anything is stopped.
stage() {
  say "Copying $source_folder and fetching its packages"
  run rm -rf "$program.new"
  run install -d -m 0755 "$program.new"
  for part in $parts; do
    [ -e "$source_folder/$part" ] || die "$source_folder is not whole: no $part"
    run cp -R "$source_folder/$part" "$program.new/"
  done
  run npm --prefix "$program.new" ci --omit=dev --no-audit --no-fund
  check_node
  # Whatever umask and owner the copy came with.
  run chown -R root:root "$program.new"
  run chmod -R u=rwX,go=rX "$program.new"
  run "$program.new/$node" "$program.new/cli/main.ts" --version
}

check_node() {
  wanted=$(sed -n "s/^\([0-9a-f]\{64\}\)  $platform .*/\1/p" "$source_folder/deploy/pi/node-binaries.sha256")
  [ -n "$wanted" ] || die "no hash of Node for $platform in deploy/pi/node-binaries.sha256"
  if [ "$dry" = yes ]; then
    say "  sha256sum $program.new/$node must be $wanted"
    return
  fi
  found=$(sha256sum "$program.new/$node" | cut -d ' ' -f 1)
  [ "$found" = "$wanted" ] || die "Node from npm is not the one that was tested: $found"
}

# What is there is kept before another version opens it.
back_up() {
  if [ ! -e "$data/labels.db" ] || [ ! -x "$program/$node" ]; then return; fi
  say "Backing up $data"
  as_user "$program/$node" "$program/cli/main.ts" backup \
    "$backups/before-upgrade-$(date +%Y%m%d-%H%M%S).tar.gz" --data-dir "$data"
}

swap() {
  run rm -rf "$program.old"
  if [ -e "$program" ]; then run mv "$program" "$program.old"; fi
  run mv "$program.new" "$program"
  run install -m 0644 "$program/deploy/pi/bellwether.service" "$unit"
  run install -m 0644 "$program/deploy/pi/bellwether-node@.service" "$node_unit"
  run install -m 0644 "$program/deploy/pi/journald@bellwether.conf" "$journal"
  run ln -sfn "$program/bin/bellwether.js" "$link"
}

back_to_old() {
  [ -e "$program.old" ] || die "the gateway does not start; see journalctl --namespace=bellwether"
  rm -rf "$program.new"
  mv "$program" "$program.new"
  mv "$program.old" "$program"
  install -m 0644 "$program/deploy/pi/bellwether.service" "$unit"
  systemctl daemon-reload
  systemctl restart bellwether.service || true
  die "the new version does not start, the old one is back; see journalctl --namespace=bellwether"
}

install_all() {
  if [ "$mode" = upgrade ] && [ ! -e "$program" ]; then
    die "nothing is installed at $program; leave --upgrade out"
  fi
  need_node
  make_user
  stage
  make_folders
  back_up
  say "Looking whether a gateway can run"
  as_user "$program.new/$node" "$program.new/cli/main.ts" doctor \
    --config "$settings/bellwether.yaml" || say "The doctor has found something: see above."
  swap
  run systemctl daemon-reload
  if [ "$start" = no ]; then
    say "Not started: systemctl enable --now bellwether"
    return
  fi
  run systemctl enable bellwether.service
  run systemctl restart bellwether.service || back_to_old
  # What a start compiles is kept when it ends. One that finds it kept takes 30 MB less, and that is the
  # one to run for months.
  run systemctl restart bellwether.service
  say "Running. The operator's token, shown once at the first start, is in:"
  say "  journalctl --namespace=bellwether -u bellwether | grep 'operator token'"
}

if [ "$mode" = uninstall ]; then uninstall; else install_all; fi
