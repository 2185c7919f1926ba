#!/bin/sh
# For `certbot renew --deploy-hook`: after each renewal, moves certbot's own cron line into a quiet
# hour. OFFPEAK_SERVER names the server; CRONTAB may name another file than certbot's. Debian's line does
# nothing where systemd runs: there certbot.timer renews, which systemd-timer.sh moves.
set -eu
crontab=${CRONTAB:-/etc/cron.d/certbot}
zone=$(cat /etc/timezone 2>/dev/null || readlink /etc/localtime | sed 's|.*zoneinfo/||')
line=$(curl -fsS --retry 3 --max-time 60 "$OFFPEAK_SERVER/v1/best-time?seed=$(uname -n)&tz=${zone:-UTC}")
cron=$(printf '%s' "$line" | jq -er .cron)
second=$(printf '%s' "$line" | jq -er '.at[17:19] | tonumber')
# What the line runs stays, its guards too, but for waits; certbot's own wait would move the second.
command=$(sed -nE '/^[^#].*certbot.* renew/{s/^([^[:space:]]+[[:space:]]+){5}root[[:space:]]+//
  s/^sleep [0-9]+; *//;s/perl -e [^&]*&& *//;p;}' "$crontab" | tail -n 1)
command=${command:-test -x /usr/bin/certbot -a \\! -d /run/systemd/system && certbot -q renew}
case $command in *--no-random-sleep*) ;; *) command="$command --no-random-sleep-on-renew" ;; esac
new=$(mktemp "$crontab.XXXXXX")
trap 'rm -f "$new"' EXIT
# Comments and variables stay; the line gets the new time, by this machine's clock.
grep -vE '^[^#].*certbot.* renew' "$crontab" > "$new" || true
printf '%s root sleep %s; %s\n' "$cron" "$second" "$command" >> "$new"
chmod 644 "$new"
mv "$new" "$crontab"
