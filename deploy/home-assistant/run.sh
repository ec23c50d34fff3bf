#!/bin/sh
# Starts the gateway as Home Assistant's add-on. Data survive in /data; settings of one's own may stand
# in /config/bellwether.yaml, where Home Assistant shows the add-on's folder.
set -eu
cd /opt/bellwether
node=node_modules/node/bin/node
settings="$("$node" deploy/home-assistant/settings.ts /data/options.json /data/private)"
old_ifs="$IFS"
IFS='
'
for setting in $settings; do
  export "${setting?}"
done
IFS="$old_ifs"
set -- gateway --data-dir /data/bellwether
[ ! -f /config/bellwether.yaml ] || set -- "$@" --config /config/bellwether.yaml
exec "$node" --max-semi-space-size=1 cli/main.ts "$@"
