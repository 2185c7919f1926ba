# Sourced by ./test and ./bench: the packages that they need, and a throw-away PostgreSQL.

export DEBIAN_FRONTEND=noninteractive
# How long to wait for another apt-get: a large installation of somebody else's takes minutes.
readonly APT_WAIT_SECONDS=900

# Set by `start_postgres`, `start_pgbouncer` and `install_missing`, and undone by `finish`.
pgbouncer_pid=
pgbouncer_port=
postgres_dir=
postgres_pid=
postgres_port=
policy_file=

# ---- packages

# Installs what the script's own `missing_packages` names.
install_missing() {
    local packages=()
    readarray -t packages < <(missing_packages)
    if ((${#packages[@]} == 0)); then return; fi
    if ! command -v apt-get >/dev/null; then
        echo "these are missing, and there is no apt-get here to install them: ${packages[*]}"
        return 1
    fi
    if ((EUID != 0)) && ! command -v sudo >/dev/null; then
        echo "these are missing, and only root can install them: apt-get install ${packages[*]}"
        return 1
    fi
    without_starting_services
    # The lock on the lists does not wait by itself, as dpkg's own does.
    local waited=0
    until as_root apt-get -qq update; do
        ((waited += 5))
        ((waited < 60)) || return 1
        sleep 5
    done
    as_root apt-get -qq -o "DPkg::Lock::Timeout=$APT_WAIT_SECONDS" \
        install -y --no-install-recommends "${packages[@]}"
    if [[ -n $policy_file ]]; then as_root rm -f "$policy_file"; fi
    policy_file=
    readarray -t packages < <(missing_packages)
    if ((${#packages[@]} != 0)); then
        echo "installed, but still not found: ${packages[*]}"
        return 1
    fi
}

# Debian starts the servers it installs; we want their programs only.
without_starting_services() {
    if [[ -e /usr/sbin/policy-rc.d ]]; then return; fi
    policy_file=/usr/sbin/policy-rc.d
    printf '#!/bin/sh\nexit 101\n' | as_root tee "$policy_file" >/dev/null
    as_root chmod 755 "$policy_file"
}

as_root() {
    if ((EUID == 0)); then "$@"; else sudo --preserve-env=DEBIAN_FRONTEND "$@"; fi
}

nginx_binary() {
    PATH=$PATH:/usr/sbin:/usr/local/sbin command -v nginx || true
}

pgbouncer_binary() {
    PATH=$PATH:/usr/sbin command -v pgbouncer || true
}

postgres_bin_dir() {
    local newest
    newest=$(find /usr/lib/postgresql -path '*/bin/initdb' 2>/dev/null | sort -V | tail -n 1)
    if [[ -z $newest ]]; then newest=$(command -v initdb || true); fi
    if [[ -n $newest ]]; then dirname "$newest"; fi
}

# ---- PostgreSQL

# start_postgres SETTING…: with these lines in its configuration.
start_postgres() {
    local bin
    bin=$(postgres_bin_dir)
    # /tmp, because the user `postgres` can reach it wherever TMPDIR and the clone are.
    postgres_dir=$(mktemp -d /tmp/offpeak-postgres.XXXXXX)
    if ((EUID == 0)); then chown postgres "$postgres_dir"; fi
    as_postgres "$bin/initdb" --pgdata "$postgres_dir/data" --username postgres --auth trust \
        --encoding UTF8 --locale C --no-sync
    as_postgres tee -a "$postgres_dir/data/postgresql.conf" <<CONF
listen_addresses = '127.0.0.1'
unix_socket_directories = '$postgres_dir'
max_connections = 300
$(printf '%s\n' "$@")
CONF
    # Below the range from which the kernel gives out ports (32768 and up), so that no test's
    # port 0 takes it; whoever else has one of these, the next try finds another.
    local try
    for try in 1 2 3 4 5 6 7 8; do
        postgres_port=$((20000 + (RANDOM + try) % 10000))
        if as_postgres "$bin/pg_ctl" --pgdata "$postgres_dir/data" --log "$postgres_dir/log" \
            --wait --timeout 60 --options "-p $postgres_port" start; then
            postgres_pid=$(head -n 1 "$postgres_dir/data/postmaster.pid")
            return
        fi
    done
    cat "$postgres_dir/log"
    return 1
}

# A PgBouncer before the PostgreSQL that was started, by transaction. Few connections for each of the many
# databases of tests, and soon given up.
start_pgbouncer() {
    local try
    for try in 1 2 3 4 5 6 7 8; do
        pgbouncer_port=$((20000 + (RANDOM + try) % 10000))
        as_postgres tee "$postgres_dir/pgbouncer.ini" <<CONF
[databases]
* = host=127.0.0.1 port=$postgres_port user=postgres
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = $pgbouncer_port
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = 8
server_idle_timeout = 5
max_client_conn = 2000
pidfile = $postgres_dir/pgbouncer.pid
logfile = $postgres_dir/pgbouncer.log
CONF
        # It goes to the background before it has a file with its number, and a port: its log says so.
        as_postgres rm -f "$postgres_dir/pgbouncer.log"
        as_postgres "$(pgbouncer_binary)" --daemon "$postgres_dir/pgbouncer.ini" || continue
        local tenths
        for ((tenths = 0; tenths < 100; tenths++)); do
            if grep -qs "listening on 127.0.0.1:$pgbouncer_port" "$postgres_dir/pgbouncer.log"; then
                pgbouncer_pid=$(<"$postgres_dir/pgbouncer.pid")
                return
            fi
            if grep -qs FATAL "$postgres_dir/pgbouncer.log"; then break; fi
            sleep 0.1
        done
    done
    cat "$postgres_dir/pgbouncer.log"
    return 1
}

stop_postgres() {
    if [[ -n $pgbouncer_pid ]]; then as_postgres kill -QUIT "$pgbouncer_pid"; fi
    if [[ -n $postgres_pid ]]; then
        # Immediate shutdown: nothing in it is worth a checkpoint.
        as_postgres kill -QUIT "$postgres_pid"
        local tenths
        for ((tenths = 0; tenths < 100; tenths++)); do
            if ! [[ -d /proc/$postgres_pid ]]; then break; fi
            sleep 0.1
        done
    fi
    if [[ -n $postgres_dir ]]; then rm -rf "$postgres_dir"; fi
}

# initdb and postgres refuse to run as root.
as_postgres() {
    if ((EUID == 0)); then (cd / && runuser -u postgres -- "$@"); else "$@"; fi
}
