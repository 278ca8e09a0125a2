#!/bin/bash
# Proves the launcher in fresh minimal Debians, from no Python at all to no ExifTool.
#
#   sudo tests/boxes/minimal_debian.sh [SUITE [CASE...]]     bookworm, all cases
#
# Needs root on a Debian (or any system with debootstrap), and the network. The boxes are
# kept as tarballs in .cache/boxes: delete them to have newer packages.
#   DEBIAN_MIRROR   where the packages are from; http://deb.debian.org/debian
#   BOX_BINDS       "folder folder": what pip's configuration here needs, bound read-only
set -euo pipefail

repository=$(CDPATH='' cd "$(dirname "$0")/../.." && pwd -P)
suite=${1:-bookworm}
shift || true
cases=${*:-a b c d e f g}
mirror=${DEBIAN_MIRROR:-http://deb.debian.org/debian}
kept=$repository/.cache/boxes
work=$(mktemp -d "${TMPDIR:-/var/tmp}/lightkeep-boxes-XXXXXX")
box=$work/box
log=$work/log
failures=0
dead_registry=npm_config_registry=http://127.0.0.1:9

[ "$(id -u)" = 0 ] || { echo "This needs root: sudo $0" >&2; exit 2; }

# Deepest first; never leaves a mount behind under a folder that is about to be deleted.
unmount() {
    awk -v box="$box" 'index($2, box "/") == 1 {print $2}' /proc/mounts | sort -r |
        while read -r point; do umount "$point" || umount -l "$point"; done
}

# Refuses to delete across a mount that would not go.
drop_box() {
    unmount
    if grep -q " $box/" /proc/mounts; then
        echo "Still mounted, so not deleted: $box" >&2
        exit 1
    fi
    rm -rf --one-file-system "$box"
}

clean_up() {
    drop_box
    rm -rf --one-file-system "$work"
}
trap clean_up EXIT
trap 'exit 130' INT TERM

quietly() {
    "$@" >"$work/quiet" 2>&1 </dev/null || { tail -20 "$work/quiet" >&2; return 1; }
}

as_root() {
    chroot "$box" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 \
        DEBIAN_FRONTEND=noninteractive "${passed_on[@]}" "$@" </dev/null
}

as_keeper() {
    chroot --userspec=keeper:keeper "$box" /usr/bin/env -i PATH=/usr/local/bin:/usr/bin:/bin \
        HOME=/home/keeper LANG=C.UTF-8 "${passed_on[@]}" "$@" </dev/null
}

# Settings of this machine by which pip and the rest reach the network, if it has any.
collect_settings() {
    passed_on=()
    local name
    for name in $(compgen -e); do
        case $name in
            PIP_REQUIRE_VIRTUALENV | PIP_TARGET | PIP_PREFIX | PIP_USER) ;;
            PIP_* | UV_* | SSL_CERT_FILE | REQUESTS_CA_BUNDLE | NODE_EXTRA_CA_CERTS | \
                npm_config_registry | NPM_CONFIG_REGISTRY | \
                http_proxy | https_proxy | no_proxy | HTTP_PROXY | HTTPS_PROXY | NO_PROXY)
                passed_on+=("$name=${!name}")
                ;;
        esac
    done
}

connect() {
    local file
    for file in /etc/resolv.conf /etc/hosts /etc/pip.conf; do
        [ ! -e "$file" ] || cp -L "$file" "$box$file"
    done
    # This machine's list of authorities may hold one that its network needs.
    if [ -e /etc/ssl/certs/ca-certificates.crt ]; then
        mkdir -p "$box/etc/ssl/certs" "$box/usr/local/share/ca-certificates"
        cp -L /etc/ssl/certs/ca-certificates.crt "$box/etc/ssl/certs/ca-certificates.crt"
    fi
    mount -t proc proc "$box/proc"
    mount -t tmpfs tmpfs "$box/dev"
    mkdir "$box/dev/shm"
    chmod 1777 "$box/dev/shm"
    mknod -m 666 "$box/dev/null" c 1 3
    mknod -m 666 "$box/dev/zero" c 1 5
    mknod -m 666 "$box/dev/random" c 1 8
    mknod -m 666 "$box/dev/urandom" c 1 9
    for file in ${BOX_BINDS:-}; do
        mkdir -p "$box$file"
        mount --bind "$file" "$box$file"
        mount -o remount,bind,ro "$box$file"
    done
}

# make_base NAME BASE PACKAGE...: a tarball of BASE (a name, or - for debootstrap) and packages.
make_base() {
    local name=$1 base=$2
    shift 2
    local tarball=$kept/$suite-$name.tar
    [ ! -e "$tarball" ] || return 0
    echo "making the box $suite-$name ..."
    mkdir -p "$box" "$kept"
    if [ "$base" = - ]; then
        if ! command -v debootstrap >/dev/null; then
            quietly apt-get update
            quietly apt-get install -y --no-install-recommends debootstrap
        fi
        quietly debootstrap --variant=minbase --include="$1" "$suite" "$box" "$mirror"
    else
        tar -C "$box" -xpf "$kept/$suite-$base.tar"
        connect
        quietly as_root apt-get update
        quietly as_root apt-get install -y --no-install-recommends "$@"
        unmount
    fi
    rm -f "$box"/var/cache/apt/*.bin "$box"/var/cache/apt/archives/*.deb
    tar -C "$box" --one-file-system -cpf "$tarball.partial" .
    mv "$tarball.partial" "$tarball"
    drop_box
}

# open_box NAME: a fresh box from that tarball, with Lightkeep's tree in it, owned by keeper.
open_box() {
    drop_box
    mkdir -p "$box"
    tar -C "$box" -xpf "$kept/$suite-$1.tar"
    connect
    quietly as_root useradd --create-home keeper
    mkdir "$box/home/keeper/lightkeep"
    # --cached also names what was deleted and not yet committed.
    git -c safe.directory="$repository" -C "$repository" ls-files -zco --exclude-standard |
        (cd "$repository" && while IFS= read -r -d '' name; do
            [ ! -e "$name" ] || printf '%s\0' "$name"
        done | tar --null --no-recursion -cf - -T -) |
        tar -C "$box/home/keeper/lightkeep" -xf -
    quietly as_root chown -R keeper:keeper /home/keeper
}

# One photo whose date the fast reader knows, and one whose date only ExifTool reads.
make_photos() {
    cat >"$box/tmp/make_photos.py" <<'PYTHON'
import os, sys
from PIL import Image, PngImagePlugin
folder = sys.argv[1]
os.makedirs(folder, exist_ok=True)
exif = Image.Exif()
exif.get_ifd(0x8769)[0x9003] = "2011:01:02 03:04:05"
Image.new("RGB", (48, 32), "red").save(f"{folder}/fast.jpg", exif=exif)
text = PngImagePlugin.PngInfo()
text.add_text("Creation Time", "2012:01:02 03:04:05")
Image.new("RGB", (48, 32), "blue").save(f"{folder}/slow.png", pnginfo=text)
PYTHON
    "$1" /home/keeper/lightkeep/.venv/bin/python /tmp/make_photos.py /home/keeper/photos
}

# The last command's output is in $log; every check adds the reason it does not hold.
check() {
    local reason=$1
    shift
    "$@" || problems+=("$reason")
}
says() { grep -qF -- "$1" "$log"; }
says_not() { ! says "$1"; }
is() { [ "$1" = "$2" ]; }

# run WHO COMMAND...: status in $status, all output in $log; never a traceback.
run() {
    status=0
    "$@" >"$log" 2>&1 || status=$?
    echo "--- $* -> $status" >>"$work/all"
    cat "$log" >>"$work/all"
    check "a traceback of: $*" says_not Traceback
}

launcher=/home/keeper/lightkeep/lightkeep

# indexes WHO DATE-OF-PNG: the index takes both photos, and knows the PNG's date or not.
indexes() {
    make_photos "$1" >>"$work/all" 2>&1 || problems+=("photos could not be made")
    run "$1" "$launcher" index --json /home/keeper/photos
    check "index ends with $status" is "$status" 0
    run "$1" "$launcher" list --json /home/keeper/photos
    check "list ends with $status" is "$status" 0
    check "list names no JPEG with its date" grep -q 'fast.jpg.*2011-01-02' "$log"
    check "list names no PNG" says slow.png
    if [ "$2" = - ]; then
        check "the PNG has a date without ExifTool" says_not 2012-01-02
    else
        check "the PNG has no date, so ExifTool was not used" says 2012-01-02
    fi
}

# Only the owner's first start made it; every later one is silent.
starts_silently() {
    run "$1" "$launcher" --help
    check "a second start sets up again" says_not "Setting up"
    check "a second start ends with $status" is "$status" 0
}

is_vendored_working() {
    as_keeper /home/keeper/lightkeep/.cache/exiftool/exiftool -ver >"$log" 2>&1
}

case_a() { # root, apt-get allowed: everything from Debian, nothing fetched
    open_box python
    run as_root "$launcher" setup
    check "set-up ends with $status" is "$status" 0
    check "ExifTool is not Debian's" test -x "$box/usr/bin/exiftool"
    check "ExifTool was fetched though apt-get gave it" \
        test ! -e "$box/home/keeper/lightkeep/.cache/exiftool"
    check "the environment is root's, not the owner's" \
        test -z "$(find "$box/home/keeper/lightkeep" -user root -print -quit)"
    indexes as_root 2012
    starts_silently as_keeper
}

case_b() { # no venv, no pip, no uv, not root: told what to type, and typing it is enough
    open_box python
    run as_keeper "$launcher" setup
    check "set-up ends with $status instead of 2" is "$status" 2
    check "it does not say what to type" says "Type: sudo apt-get install python3"
    run as_keeper "$launcher" --help
    check "the next try ends with $status instead of 2" is "$status" 2
    local package
    package=$(sed -n 's/^Type: sudo apt-get install //p' "$log")
    run as_root apt-get install -y --no-install-recommends "${package:-nothing}"
    check "what it says to type ends with $status" is "$status" 0
    run as_keeper "$launcher" setup
    check "set-up after that ends with $status" is "$status" 0
    indexes as_keeper 2012
}

case_c() { # no venv, no pip, not root, but a uv
    open_box python
    if [ ! -x "$work/uv/bin/uv" ]; then
        quietly python3 -m venv "$work/uv"
        quietly "$work/uv/bin/python" -m pip install uv
    fi
    install -m 755 "$work/uv/bin/uv" "$box/usr/local/bin/uv"
    run as_keeper "$launcher" setup
    check "set-up ends with $status" is "$status" 0
    indexes as_keeper 2012
    starts_silently as_keeper
}

case_d() { # venv, not root, network: an ExifTool of its own, on perl-base alone
    open_box venv
    run as_keeper "$launcher" setup
    check "set-up ends with $status" is "$status" 0
    check "there is an ExifTool of Debian" test ! -e "$box/usr/bin/exiftool"
    check "more Perl than perl-base" test ! -e "$box/var/lib/dpkg/info/perl.list"
    check "the fetched ExifTool does not run" is_vendored_working
    indexes as_keeper 2012
    starts_silently as_keeper
}

case_e() { # venv, not root, no ExifTool to be had: works without, and a later setup gets it
    open_box venv
    run as_keeper env "$dead_registry" "$launcher" setup
    check "set-up ends with $status" is "$status" 0
    check "it does not say what is missing" says "ExifTool is not here"
    check "it does not say what to type" says "Type: sudo apt-get install libimage-exiftool-perl"
    indexes as_keeper -
    starts_silently as_keeper
    check "a start fetched ExifTool" test ! -e "$box/home/keeper/lightkeep/.cache/exiftool"
    run as_keeper "$launcher" setup
    check "a later setup ends with $status" is "$status" 0
    check "a later setup does not fetch ExifTool" is_vendored_working
    indexes as_keeper 2012
}

case_f() { # no Python at all: told what to type, and typing it is enough
    open_box bare
    run as_keeper "$launcher" serve
    check "it ends with $status instead of 2" is "$status" 2
    check "it does not say that there is none" says "there is none on this machine"
    check "it does not say what to type" says "Type: sudo apt-get install python3 python3-venv"
    run as_root sh -c 'apt-get update && apt-get install -y --no-install-recommends python3 python3-venv'
    check "what it says to type ends with $status" is "$status" 0
    run as_keeper "$launcher" setup
    check "set-up after that ends with $status" is "$status" 0
}

case_g() { # a pip but no ensurepip, not root: the pip installs into an environment without one
    open_box python
    quietly as_root apt-get update
    quietly as_root apt-get install -y --no-install-recommends python3-pip
    check "ensurepip came with pip, so this proves nothing" \
        test ! -e "$(echo "$box"/usr/lib/python3.*/ensurepip/__init__.py)"
    run as_keeper "$launcher" setup
    check "set-up ends with $status" is "$status" 0
    indexes as_keeper 2012
    starts_silently as_keeper
}

collect_settings
make_base bare - ca-certificates
make_base python bare python3
make_base venv python python3-venv
count=0
for name in $cases; do
    problems=()
    : >"$work/all"
    started=$SECONDS
    count=$((count + 1))
    about=$(sed -n "s/^case_$name() { # //p" "$0")
    "case_$name"
    if [ ${#problems[@]} = 0 ]; then
        echo "ok $name  $about ($((SECONDS - started)) s)"
    else
        failures=$((failures + 1))
        echo "not ok $name  $about"
        printf '    %s\n' "${problems[@]}"
        sed 's/^/    | /' "$work/all"
    fi
done
echo "$suite: $((count - failures)) of $count cases are ok"
[ "$failures" = 0 ]
