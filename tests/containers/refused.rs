//! What `enable --containers` refuses or remarks, each with the line that mends it; and images and files by
//! which others would have root write elsewhere.

use crate::support::overlay::copy;

#[test]
fn each_refusal_names_the_file_and_the_line_that_mends_it() {
    let script = r#"
        try() { mptcpize "$@" 2>&1 && echo 0 || echo "= $?"; }
        written >/tmp/before
        mkdir -p /etc/cdi /run/cdi
        echo 'kind: mptcpize.org/shim' >/etc/cdi/other.yaml
        try enable --containers
        mv /etc/cdi/other.yaml '/run/cdi/a b.json'
        try enable --containers
        rm -r /run/cdi
        # Others' kinds, and what no engine reads, are nothing to us.
        echo 'kind: mptcpize.org/shim' >/etc/cdi/other.bak
        echo 'kind: nvidia.com/gpu' >/etc/cdi/nvidia.yaml
        mptcpize enable --containers >/dev/null
        mptcpize disable --containers >/dev/null
        echo '{"kind": "other.org/x"}' >/etc/cdi/mptcpize.json
        try enable --containers
        try disable --containers
        cat /etc/cdi/mptcpize.json
        rm -r /etc/cdi
        nobody mptcpize enable --containers 2>&1 || echo "= $?"
        printf '[containers.9x]\n' >/etc/mptcpize.toml
        try enable --containers | tail -n 3
        printf '[containers.library]\n' >/etc/mptcpize.toml
        try enable --containers | tail -n 3
        printf '[containers.x]\nlopback = "tcp"\n' >/etc/mptcpize.toml
        try enable --containers | grep -o 'unknown field.*lopback.'
        rm /etc/mptcpize.toml
        mount -t tmpfs -o ro tmpfs /etc/systemd
        mkdir /tmp/etc; mount --bind -o ro /etc /etc; mount -o remount,bind,ro /etc
        try enable --containers
        umount /etc
        written | diff /tmp/before -
    "#;
    let done = copy(script).run().silent();
    let wanted = "\
error: there are devices of this kind already
  why: /etc/cdi/other.yaml has the kind mptcpize.org/shim, and of a device in two files engines take the other one, or none
  fix: sudo mv /etc/cdi/other.yaml /etc/cdi/other.yaml.bak
= 1
error: there are devices of this kind already
  why: /var/run/cdi/a b.json has the kind mptcpize.org/shim, and of a device in two files engines take the other one, or none
  fix: sudo mv '/var/run/cdi/a b.json' '/var/run/cdi/a b.json.bak'
= 1
error: /etc/cdi/mptcpize.json is not from mptcpize
  why: it has other fields than ours, or another kind than mptcpize.org/shim
  fix: sudo mv /etc/cdi/mptcpize.json /etc/cdi/mptcpize.json.bak
= 1
error: /etc/cdi/mptcpize.json is not from mptcpize
  why: it has other fields than ours, or another kind than mptcpize.org/shim
  fix: sudo mv /etc/cdi/mptcpize.json /etc/cdi/mptcpize.json.bak
= 1
{\"kind\": \"other.org/x\"}
error: cannot change /etc/cdi/mptcpize.json
  why: only root may; it is for the engines of all users
  fix: sudo mptcpize enable --containers    # --dry-run shows what it would do
= 4
       \"9x\" is no name of a device: a letter, then letters, digits, - _ . or :, at most 63, the last a letter or a digit
  fix: correct /etc/mptcpize.toml
= 2
       \"library\" is the device that has the library and no variable
  fix: correct /etc/mptcpize.toml
= 2
unknown field `lopback`
error: cannot write /etc/cdi/mptcpize.json
  why: read-only file system
  fix: mount -o remount,rw the file system, or change the image that it comes from
= 1
";
    assert_eq!(done.stdout, wanted, "{done}");
}

#[test]
fn engines_that_are_too_old_or_absent_are_remarked() {
    let script = r#"
        # Engines of this copy alone.
        for name in podman dockerd containerd crio; do rm -f {/usr/local,/usr,}/{bin,sbin}/$name; done
        printf '#!/bin/sh\necho podman version 3.4.4\n' >/usr/bin/podman
        printf '#!/bin/sh\necho Docker version 26.1.5, build 1\n' >/usr/sbin/dockerd
        printf '#!/bin/sh\nexec tail -f /dev/null\n' >/usr/bin/crio
        chmod +x /usr/bin/podman /usr/sbin/dockerd /usr/bin/crio
        mptcpize enable --containers | grep ^note
        rm /usr/bin/podman /usr/sbin/dockerd /usr/bin/crio
        mptcpize enable --containers | grep ^note
    "#;
    let done = copy(script).run().silent();
    let wanted = "\
note: podman 3.4 is too old for devices of this kind (--device): from 4.1 on
note: dockerd 26.1 reads such devices when told to: {\"features\": {\"cdi\": true}} in /etc/docker/daemon.json
note: none of podman, dockerd, containerd, crio is on this host
";
    assert_eq!(done.stdout, wanted, "{done}");
}

#[test]
fn an_image_that_leads_out_of_itself_changes_nothing_outside() {
    // Each link would have root write, or remove, what others chose.
    let script = r#"
        attempt() {
            mkdir -p /tmp/victim; echo kept >/tmp/victim/mptcpize.json
            rm -rf /tmp/image; mkdir -p /tmp/image/etc /tmp/image/usr/lib
            eval "$1"
            for verb in enable disable; do
                mptcpize $verb --containers --root /tmp/image >/dev/null 2>&1 || true
            done
            find /tmp/victim -type f | xargs grep -H .
        }
        attempt 'ln -s /tmp/victim /tmp/image/etc/cdi'
        attempt 'ln -s ../../victim /tmp/image/etc/cdi'
        attempt 'mkdir /tmp/image/etc/cdi; ln -s /tmp/victim/mptcpize.json /tmp/image/etc/cdi/mptcpize.json'
        attempt 'ln -s /tmp/victim /tmp/image/usr/lib/mptcpize; mkdir /tmp/image/etc/cdi'
        attempt 'mkdir /tmp/image/etc/cdi; mkfifo /tmp/image/etc/cdi/mptcpize.json'
        # An innocent link within the image is followed.
        attempt 'mkdir -p /tmp/image/data/cdi; ln -s ../data/cdi /tmp/image/etc/cdi'
        mptcpize enable --containers --root /tmp/image >/dev/null
        ls /tmp/image/data/cdi
    "#;
    let done = copy(script).run().silent();
    let wanted = "/tmp/victim/mptcpize.json:kept\n".repeat(6) + "mptcpize.json\n";
    assert_eq!(done.stdout, wanted, "{done}");
}
