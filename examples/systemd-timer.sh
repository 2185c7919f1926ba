#!/bin/sh
# Moves a systemd timer into a quiet hour: systemd-timer.sh SERVER UNIT.timer [FOLDER]
# Writes a drop-in; then `systemctl daemon-reload`. Run it weekly, from a timer of its own: the same
# host keeps its time as long as the ranking stays the same. For certbot.timer see that certbot.service
# runs `certbot renew --no-random-sleep-on-renew`: without it certbot waits up to eight minutes more.
set -eu
server=$1
unit=$2
folder=${3:-/etc/systemd/system}/$unit.d
calendar=$(curl -fsS --retry 3 --max-time 60 "$server/v1/best-time?format=systemd&seed=$(uname -n)")
mkdir -p "$folder"
new=$(mktemp "$folder/.quiet-hour.XXXXXX")
trap 'rm -f "$new"' EXIT
cat > "$new" <<END
[Timer]
OnCalendar=
OnCalendar=$calendar
AccuracySec=1s
RandomizedDelaySec=0
Persistent=true
END
chmod 644 "$new"
mv "$new" "$folder/quiet-hour.conf"
