# The cache of the ARM guests: where it is, and what in it is up to date. Sourced, not run.
# shellcheck shell=sh

cache="${WATTLINE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/wattline}/arm"
# What the machine's cores are for is the caller's to say.
jobs="${WATTLINE_JOBS:-$(nproc)}"
mkdir -p "$cache/stamps" "$cache/logs"

say() {
    printf '[arm guests %s] %s\n' "$(date +%H:%M:%S)" "$*" >&2
}

# One preparation of a part at a time: a second one waits, and then finds it done.
lock() {
    exec 9>"$cache/stamps/$1.lock"
    flock --nonblock 9 || { say "$1: under way elsewhere; waiting for it" && flock 9; }
}

# Shows each half minute how far a log has got, for as long as this script runs.
progress() {
    waited=0
    while sleep 1 && kill -0 $$ 2>/dev/null; do
        waited=$((waited + 1))
        [ $((waited % 30)) -ne 0 ] ||
            say "$1: $(($(date +%s) - $3)) s, $(tail -n 1 "$2" | tr -d '\r' | cut -c 1-90)"
    done
}

# part NAME WHAT [FILE...] -- COMMAND [ARGUMENT...]: runs the command, unless it was run before with
# the same contents of the files it depends on and the same arguments. Its output goes to a log, of
# which a line is shown now and then, and the end if it fails.
part() (
    name=$1
    what=$2
    shift 2
    key=""
    while [ "$1" != -- ]; do
        key="$key$(sha256sum <"$1") $(basename "$1")
"
        shift
    done
    shift
    key="$key$(sha256sum <"$1") $*"
    lock "$name"
    stamp="$cache/stamps/$name"
    [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$key" ] && return
    rm -f "$stamp"
    log="$cache/logs/$name"
    began=$(date +%s)
    say "$name: $what"
    progress "$name" "$log" "$began" &
    shown=$!
    status=0
    "$@" >"$log" 2>&1 || status=$?
    kill "$shown" 2>/dev/null || true
    if [ "$status" -ne 0 ]; then
        say "$name: failed. The end of $log:"
        tail -n 25 "$log" >&2
        return 1
    fi
    printf '%s' "$key" >"$stamp"
    say "$name: done in $(($(date +%s) - began)) s"
)

# The compiler's prefix for an architecture as the kernel names it.
cross_prefix() {
    case "$1" in
        arm64) echo aarch64-linux-gnu- ;;
        arm) echo arm-linux-gnueabihf- ;;
    esac
}
