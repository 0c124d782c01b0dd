# Debian packages of any architecture, by a private apt configuration: the system's architectures,
# sources and package lists stay as they are. Sourced after cache.sh, not run.
# shellcheck shell=sh

# Guests are made of Debian 12, whatever the host runs.
suite=bookworm

# The mirror that serves packages of this label: the system's own, unless it is named.
mirror() {
    case "$1" in
        Debian) url="${WATTLINE_DEBIAN_MIRROR:-}" ;;
        *) url="${WATTLINE_DEBIAN_SECURITY_MIRROR:-}" ;;
    esac
    [ -n "$url" ] ||
        url=$(apt-get indextargets --format "\$(REPO_URI)" "Label: $1" | sort -u | head -n 1)
    if [ -z "$url" ]; then
        echo "apt has no sources of $1 here: run apt-get update, or name its mirrors in" \
            "WATTLINE_DEBIAN_MIRROR and WATTLINE_DEBIAN_SECURITY_MIRROR" >&2
        return 1
    fi
    printf '%s\n' "${url%/}"
}

# private_apt ARCHITECTURE [SUITE]: has apt work for that architecture and Debian release, with an own
# root in which nothing is installed, and fetches its lists.
private_apt() {
    apt_root="$cache/apt/${2:-$suite}-$1"
    mkdir -p "$apt_root/lists/partial" "$apt_root/archives/partial" "$apt_root/parts"
    : >"$apt_root/status"
    main=$(mirror Debian)
    security=$(mirror Debian-Security)
    signed="[signed-by=/usr/share/keyrings/debian-archive-keyring.gpg]"
    {
        echo "deb $signed $main ${2:-$suite} main"
        [ "${2:-$suite}" != "$suite" ] || echo "deb $signed $main $suite-backports main"
        # The security suite's armhf lists have been out of step with its packages.
        [ "$1" = armhf ] || echo "deb $signed $security ${2:-$suite}-security main"
    } >"$apt_root/sources.list"
    cat >"$apt_root/apt.conf" <<EOF
APT::Architecture "$1";
APT::Architectures { "$1"; };
APT::Install-Recommends "false";
APT::Sandbox::User "root";
Acquire::Languages "none";
Acquire::Retries "3";
Dir::State "$apt_root";
Dir::State::lists "$apt_root/lists";
Dir::State::status "$apt_root/status";
Dir::Cache "$apt_root";
Dir::Cache::archives "$apt_root/archives";
Dir::Etc::sourcelist "$apt_root/sources.list";
Dir::Etc::sourceparts "$apt_root/parts";
Dir::Etc::preferences "$apt_root/preferences";
Dir::Etc::preferencesparts "$apt_root/parts";
EOF
    export APT_CONFIG="$apt_root/apt.conf"
    apt-get update
}

# unpack DIRECTORY DEB...: what the packages install, into a directory.
unpack() (
    directory=$1
    shift
    mkdir -p "$directory"
    for deb in "$@"; do
        dpkg-deb --extract "$deb" "$directory"
    done
)
