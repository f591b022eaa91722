#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# guest_files.sh DIRECTORY
#
# What tests/tools/guest.py starts a machine from: Debian's kernel as
# DIRECTORY/vmlinuz, and DIRECTORY/initrd, which are busybox, the drivers that
# the tests need, and guest_init.sh. The kernel's package is downloaded once and
# not installed: this machine keeps the kernel it has.
set -euo pipefail
[ $# = 1 ] || { echo "usage: $0 DIRECTORY" >&2; exit 2; }
HERE=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$1"
cd "$1"

# USB, its gadgets and a controller for both ends; the view of this machine's
# files; the network that HTTP comes by.
DRIVERS='drivers/usb/common drivers/usb/core drivers/usb/gadget drivers/usb/class drivers/virtio
    drivers/net/virtio_net drivers/net/net_failover net/core/failover fs/9p fs/configfs fs/fscache fs/netfs net/9p'

fetch_kernel() {
    local package driver wanted='^\./boot/vmlinuz-|/modules\.(builtin|order)$'
    package=$(apt-cache depends linux-image-amd64 | sed -n 's/ *Depends: //p' | head -n1)
    [ -n "$package" ] || { echo "$0: apt knows no linux-image-amd64: apt-get update" >&2; exit 3; }
    for driver in $DRIVERS; do
        wanted="$wanted|/kernel/$driver(/|\.ko)"
    done
    rm -rf root download
    mkdir -p root/bin download
    (cd download && apt-get -qq -o APT::Sandbox::User=root download "$package")
    dpkg-deb --fsys-tarfile download/*.deb >download/files.tar
    tar -tf download/files.tar | grep -E "$wanted" | grep -v '/$' >download/names
    tar -xf download/files.tar -C root -T download/names
    mv root/boot/vmlinuz-* download/vmlinuz
    busybox depmod -b root "$(ls root/lib/modules)"
    mv download/vmlinuz vmlinuz # last: all else is there
    rm -rf root/boot download
}

[ -e vmlinuz ] || fetch_kernel
cp /bin/busybox root/bin/
cp "$HERE/guest_init.sh" root/init
chmod +x root/init
(cd root && find . | cpio -o -H newc --quiet) >initrd
