#!/bin/busybox sh
# SPDX-License-Identifier: MIT
#
# The first program of guest.py's machine. It sees the files of the machine that
# QEMU runs on, read-only; /tmp, /run, /dev and all below /sys are its own. Then
# it does what it is told on the second serial port: a command a line, answered
# by what that said and the line "=== EXITCODE"; the first one when it is up.
/bin/busybox --install -s /bin
mkdir -p /proc /sys /dev /host
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs dev /dev
modprobe -a virtio_pci 9pnet_virtio 9p virtio_net
OPTIONS=ro,trans=virtio,version=9p2000.L,cache=loose,msize=262144
mount -t 9p -o $OPTIONS host /host
modprobe dummy_hcd num=3
modprobe -a libcomposite usb_f_fs usb_f_acm cdc-acm
mount -t configfs configfs /sys/kernel/config
ifconfig lo 127.0.0.1 up
ifconfig eth0 10.0.2.15 netmask 255.255.255.0 up

mkdir -p /dev/pts /dev/shm
mount -t devpts devpts /dev/pts
mount -t tmpfs shm /dev/shm
for part in proc sys dev; do
    mount --move /$part /host/$part
done
mount -t tmpfs tmp /host/tmp
mount -t tmpfs run /host/run
mkdir -p /host/run/sources /host/run/bin
mount -t 9p -o $OPTIONS sources /host/run/sources # those in /tmp, too
cp /bin/busybox /host/run/bin/ # it starts sooner than the host's programs
cp -r /lib/modules /host/run/

cat >/host/run/obey <<'END'
export PATH=/run/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/tmp LANG=C.UTF-8
cd /run/sources
mkdir -p /run/udev/rules.d
/lib/systemd/systemd-udevd --daemon --children-max=2 # libusb hears of devices from it
echo "=== 0"
while read -r line; do
    sh -c "$line" </dev/null >/run/said 2>&1
    code=$?
    cat /run/said
    [ -z "$(tail -c1 /run/said)" ] || echo # the end is a line of its own
    echo "=== $code"
done
END
chroot /host /run/bin/busybox --install -s /run/bin
stty -F /host/dev/ttyS1 raw -echo
exec chroot /host /run/bin/sh /run/obey </host/dev/ttyS1 >/host/dev/ttyS1
