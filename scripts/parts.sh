# Sourced by ./test and ./bench: running parts, one after the other or side by side, what each
# printed, and how long it took. LOGS has to be set.

mkdir -p "$LOGS"
export CARGO_TERM_COLOR=never

timings=()
notes=()
failing=
part_started=0
# The function that has the last word, if there is one: it adds to `notes` and sets `total`.
closing=
total=

# Whatever ends the script, `finish` is what it does last.
end_with_finish() {
    trap finish EXIT
    trap 'exit 129' HUP
    trap 'exit 130' INT
    trap 'exit 143' TERM
}

# part NAME COMMAND…: runs it, keeps what it prints, shows that and stops where it fails.
part() {
    local name=$1 log
    shift
    log=$(log_of "$name")
    part_started=$SECONDS
    printf '%s …\n' "$name"
    # No `if` around it: that would switch `set -e` off inside the part.
    failing=$name
    if [[ $(type -t "$1") == function ]]; then
        # No subshell: it may set what later parts and `finish` need.
        "$@" >"$log" 2>&1
    else
        # Waited for, so that a signal ends it at once.
        "$@" >"$log" 2>&1 &
        wait "$!"
    fi
    failing=
    timings+=("$(printf '%6d s  %s' $((SECONDS - part_started)) "$name")")
}

start_background() {
    local name=$1 log
    shift
    log=$(log_of "$name")
    # nice: what is waited for comes first.
    (
        trap - EXIT HUP INT TERM
        started=$SECONDS
        renice -n 10 -p "$BASHPID" >/dev/null
        "$@"
        echo $((SECONDS - started)) >"$log.seconds"
    ) >"$log" 2>&1 &
}

join_background() {
    local name=$1 pid=$2 log
    log=$(log_of "$name")
    failing=$name
    part_started=$SECONDS
    wait "$pid"
    failing=
    timings+=("$(printf '%6d s  %s (beside the others)' "$(<"$log.seconds")" "$name")")
}

log_of() {
    printf '%s/%s.log' "$LOGS" "${1// /-}"
}

finish() {
    local status=$?
    trap - EXIT
    trap '' HUP INT TERM
    set +e
    local pid
    for pid in $(jobs -rp); do
        stop_tree "$pid"
    done
    if [[ -n $policy_file ]]; then as_root rm -f "$policy_file"; fi
    stop_postgres
    if [[ -n $closing ]]; then "$closing"; fi
    # Above 128 it was a signal: nothing has failed.
    if ((status != 0 && status <= 128)) && [[ -n $failing ]]; then
        printf '\n---- %s\n' "$failing"
        cat "$(log_of "$failing")"
        printf -- '---- %s failed\n' "$failing"
        timings+=("$(printf '%6d s  %s (failed)' $((SECONDS - part_started)) "$failing")")
    fi
    printf '\n'
    if ((${#timings[@]})); then printf '%s\n' "${timings[@]}"; fi
    printf '%6d s  altogether\n' "$SECONDS"
    if ((${#notes[@]})); then printf '%s\n' "${notes[@]}"; fi
    if [[ -n $total ]]; then printf '%s\n' "$total"; fi
    exit "$status"
}

# Ends a background job of ours with what it started.
stop_tree() {
    local child
    for child in $(ps -o pid= --ppid "$1"); do
        stop_tree "$child"
    done
    kill "$1" 2>/dev/null
}
