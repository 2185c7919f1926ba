#!/bin/sh
# Waits for a quiet moment of the coming day, then renews. Run it from cron once a day, at any
# minute: the server draws a second for this host by the weights of the CA's ranking. Where no
# server answers, any moment of the day will do: a certificate has to be renewed all the same.
#   best-time.sh https://ari.example.com certbot renew --quiet --no-random-sleep-on-renew
set -eu
server=$1
shift
question="within=23h&format=text&seed=$(uname -n)"
second_of_day() {
  hour=${1%%:*} rest=${1#*:}
  minute=${rest%:*} second=${rest#*:}
  echo $((${hour#0} * 3600 + ${minute#0} * 60 + ${second#0}))
}
if at=$(curl -fsS --retry 3 --max-time 60 "$server/v1/best-time?$question"); then
  time=${at#*T}
  ahead=$(($(second_of_day "${time%Z}") - $(second_of_day "$(date -u +%H:%M:%S)")))
  sleep $(((ahead + 86400) % 86400))
else
  sleep $(($(od -An -N4 -tu4 /dev/urandom) % 82800))
fi
exec "$@"
