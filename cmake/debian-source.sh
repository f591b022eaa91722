#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Unpacks Debian's source packages that are named into DIRECTORY/NAME, for what
# is built for machines that Debian has no packages of. apt gets them from the
# mirrors that the machine has its packages from, and checks their signatures;
# it takes neither root nor a change to the machine.
set -euo pipefail
[ $# -ge 2 ] || { echo "usage: $0 DIRECTORY PACKAGE..." >&2; exit 2; }
mkdir -p "$1"
OUT=$(cd "$1" && pwd)
WORK=$OUT/.apt
shift

apt_here() { # an apt whose sources, lists and cache lie in $WORK
    "$@" -q -o Dir::Etc::SourceList=/dev/null -o Dir::Etc::SourceParts="$WORK/sources" \
        -o Dir::State::Lists="$WORK/lists" -o Dir::Cache="$WORK/cache" \
        -o APT::Sandbox::User=
}

rm -rf "$WORK"
mkdir -p "$WORK/sources" "$WORK/lists/partial" "$WORK/cache/archives/partial" "$WORK/unpacked"
for file in /etc/apt/sources.list /etc/apt/sources.list.d/*; do
    [ -e "$file" ] || continue
    case $file in
    *.sources) sed 's/^Types:.*/Types: deb-src/' "$file" ;;
    *.list) sed -n 's/^deb /deb-src /p' "$file" ;;
    esac >"$WORK/sources/$(basename "$file")"
done
cd "$WORK/unpacked"
# A mirror of something else need not have sources; what is missing shows next.
apt_here apt-get update >/dev/null 2>&1 || true
apt_here apt-get source "$@" >/dev/null || {
    echo "$0: the mirrors of this machine have no source packages of $*" >&2
    exit 3
}
for package; do
    rm -rf "${OUT:?}/$package"
    mv "$package"-*/ "$OUT/$package"
done
rm -rf "$WORK"
