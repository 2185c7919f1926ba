#!/bin/sh
# For `certbot renew --deploy-hook`: after each renewal, moves certbot's own cron line into a quiet
# hour. OFFPEAK_SERVER names the server; CRONTAB may name another file than certbot's.
set -eu
crontab=${CRONTAB:-/etc/cron.d/certbot}
zone=$(cat /etc/timezone 2>/dev/null || readlink /etc/localtime | sed 's|.*zoneinfo/||')
line=$(curl -fsS --retry 3 --max-time 60 "$OFFPEAK_SERVER/v1/best-time?seed=$(uname -n)&tz=${zone:-UTC}")
cron=$(printf '%s' "$line" | jq -er .cron)
second=$(printf '%s' "$line" | jq -er '.at[17:19] | tonumber')
new=$(mktemp "$crontab.XXXXXX")
trap 'rm -f "$new"' EXIT
# Comments and variables stay; the line that renews gets the new time, by this machine's clock.
grep -v 'certbot.* renew' "$crontab" > "$new" || true
printf '%s root sleep %s; certbot -q renew\n' "$cron" "$second" >> "$new"
chmod 644 "$new"
mv "$new" "$crontab"
