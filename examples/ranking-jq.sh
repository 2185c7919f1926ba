#!/bin/sh
# Prints a crontab line for a quiet hour, with curl and jq alone: ranking-jq.sh URL-OF-RANKING.JSON
# A slot is drawn by its weight, then a second in it. Run it once and keep the line, as each run
# draws another. The line is in UTC: cron has to run in that zone.
set -eu
draw=$(od -An -N4 -tu4 /dev/urandom | tr -d ' ')
second=$(od -An -N4 -tu4 /dev/urandom | tr -d ' ')
curl -fsS --retry 3 --max-time 60 "$1" | jq -r --argjson draw "$draw" --argjson second "$second" '
  . as $ranking
  | reduce range(.slots | length) as $n ({left: ($draw / 4294967296)};
      if .slot != null then . else
        ($ranking.slots[$n].weight) as $weight
        | if $weight > 0 and .left < $weight then .slot = $n else .left -= $weight end
      end)
  | (.slot // ($ranking.slots | map(.weight) | index(max))) as $slot
  | ($slot * $ranking.slotMinutes * 60
      + ($second % ($ranking.slotMinutes * 60))) as $at
  | "\($at / 60 | floor % 60) \($at / 3600 | floor) * * * sleep \($at % 60); certbot renew --quiet --no-random-sleep-on-renew"'
