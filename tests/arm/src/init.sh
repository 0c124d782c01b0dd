#!/bin/busybox sh
# The guest's first process: sets up, and then runs the scripts that the host sends through the
# control port. A script's lines end with a line that says so; the answer is a line with the exit
# status and the length of what the script printed, and then that.
/bin/busybox --install -s /bin
export PATH=/bin HOME=/ TMPDIR=/tmp
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev 2>/dev/null
mount -t tmpfs tmp /tmp
mkdir -p /dev/shm
mount -t debugfs debug /sys/kernel/debug
mount -t tracefs tracing /sys/kernel/tracing 2>/dev/null
while read -r module; do insmod "/modules/$module"; done </modules/order
ip link set lo up 2>/dev/null

for port in /sys/class/virtio-ports/*; do
    [ "$(cat "$port/name")" = control ] && control=/dev/${port##*/}
done
exec 3<>"$control"
echo ready >&3
while :; do
    : >/tmp/script
    while IFS= read -r line <&3; do
        [ "$line" = "--- run ---" ] && break
        printf '%s\n' "$line" >>/tmp/script
    done
    sh /tmp/script >/tmp/said 2>&1 3>&- </dev/null
    status=$?
    printf '%d %d\n' "$status" "$(stat -c %s /tmp/said)" >&3
    cat /tmp/said >&3
done
