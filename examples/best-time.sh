#!/bin/sh
# Waits for a quiet moment of the coming day, then renews. Run it from cron once a day, at any
# minute: the server draws a second for this host by the weights of the CA's ranking.
#   best-time.sh https://ari.example.com certbot renew --quiet
set -eu
server=$1
shift
at=$(curl -fsS --retry 3 "$server/v1/best-time?within=23h&format=text&seed=$(uname -n)")
now=$(date -u +%s)
then=$(date -u -d "$at" +%s)
if [ "$then" -gt "$now" ]; then sleep $((then - now)); fi
exec "$@"
