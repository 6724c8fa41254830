//! Podman in a copy of this machine: images of this host's programs, and a script that runs containers.
//! Every process of it is in a process namespace that ends with the test.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use crate::support::cc::{self, Build};
use crate::support::overlay::{root, shown};
use crate::support::{Cmd, scratch};

/// What an image has: `web` is nginx with glibc, `small` has musl and programs without a loader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Image {
    Web,
    Small,
}

/// A root directory in bash: `put PROGRAM DIRECTORY` copies a program with the libraries that it names.
const TREE: &str = r#"
    put() {
        local library
        mkdir -p "$root$2"
        cp -L "$1" "$root$2"
        while read -r library; do
            [[ -e $root$library ]] || { mkdir -p "$root${library%/*}"; cp -L "$library" "$root$library"; }
        done < <(ldd "$1" 2>/dev/null | grep -o '/[^ )]*')
    }
    root=$1
    mkdir -p "$root"/{bin,etc,tmp,dev,proc,sys}
    echo 'root:x:0:0::/:/bin/sh' >"$root/etc/passwd"
    echo 'nobody:x:65534:65534::/:/bin/sh' >>"$root/etc/passwd"
    printf 'root:x:0:\nnogroup:x:65534:\n' >"$root/etc/group"
    # Debian has it with libraries and without.
    put /bin/busybox /bin
    for name in sh env cat grep ls sleep; do ln -s busybox "$root/bin/$name"; done
"#;

/// An nginx without anything that it would write outside of /tmp.
const NGINX: &str = "daemon off; error_log stderr; pid /tmp/pid; events {}
http {
  access_log off; client_body_temp_path /tmp/1; proxy_temp_path /tmp/2; fastcgi_temp_path /tmp/3;
  uwsgi_temp_path /tmp/4; scgi_temp_path /tmp/5;
  server { listen 8099; return 200 hello; }
}";

/// A Go program that listens and prints the protocol of its socket.
const GO: &str = r#"
package main

import ("fmt"; "net"; "syscall")

func main() {
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil { panic(err) }
	raw, _ := listener.(*net.TCPListener).SyscallConn()
	raw.Control(func(fd uintptr) {
		protocol, _ := syscall.GetsockoptInt(int(fd), syscall.SOL_SOCKET, 38)
		fmt.Println(protocol)
	})
}
"#;

impl Image {
    fn name(self) -> &'static str {
        match self {
            Image::Web => "web",
            Image::Small => "small",
        }
    }

    /// The archive with its files, for a script.
    pub(crate) fn path(self) -> String {
        shown(self.archive())
    }

    /// Its files, as one archive.
    fn archive(self) -> &'static Path {
        static WEB: OnceLock<PathBuf> = OnceLock::new();
        static SMALL: OnceLock<PathBuf> = OnceLock::new();
        let (made, rest) = match self {
            Image::Web => (&WEB, web()),
            Image::Small => (&SMALL, small()),
        };
        made.get_or_init(|| {
            let place = scratch(self.name());
            let (root, archive) = (place.join("root"), place.join("image.tar"));
            let script = format!("{TREE}\n{rest}\ntar -C \"$root\" -cf \"$2\" .");
            Cmd::new("bash").args(["-euc", &script, "bash"]).args([&root, &archive]).run().ok();
            archive
        })
    }
}

fn web() -> String {
    let configuration = scratch::file(&scratch("nginx").join("nginx.conf"), NGINX, 0o644);
    format!(
        "put /usr/sbin/nginx /bin; put {plain} /bin; mkdir -p \"$root/usr/lib/own\"
         cp {configuration} \"$root/etc/nginx.conf\"; cp {other} \"$root/usr/lib/own/other.so\"",
        plain = shown(&cc::c("protocol", Build::Plain)),
        configuration = shown(&configuration),
        other = shown(&cc::c("other", Build::Library)),
    )
}

fn small() -> String {
    let source = scratch::file(&scratch("go").join("main.go"), GO, 0o644);
    format!(
        "cp {musl} \"$root/bin/musl\"; cp {fixed} \"$root/bin/static\"; cp {go} \"$root/bin/go\"
         put {bits32} /bits32; cp {options} \"$root/bin/options\"; put /usr/bin/unshare /bin
         mkdir -p \"$root/lib\"; cp -L /lib/ld-musl-*.so.1 \"$root/lib\"",
        musl = shown(&cc::c("protocol", Build::Musl)),
        fixed = shown(&cc::c("protocol", Build::Static)),
        bits32 = shown(&cc::c("protocol", Build::Bits32)),
        options = shown(&cc::c("options", Build::Static)),
        go = shown(&cc::go_by(&cc::newer_go(), &source)),
    )
}

/// A script of bash in a copy of this machine ([`root`]) with these images in an engine's storage. The
/// functions, besides those of the copy:
///
/// * `engine ARGUMENTS…`: podman, with storage and state in memory and no control groups;
/// * `run ARGUMENTS…`: a container in the network of the script, removed when it ends;
/// * `start NAME ARGUMENTS…`: one in the background;
/// * `until_true COMMAND…`: back when the command succeeds;
/// * `until_listens PORT [COMMAND…]`: back when somebody listens there, in the network that the command enters;
/// * `until_executed NAME PROGRAM`: back when the container's first process is this program, because an engine
///   is back before its runtime has executed it;
/// * `make_group`: `$group` is a control group of the test's own then, and `remove_group` ends what is in it.
pub(crate) fn containers(images: &[Image], script: &str) -> Cmd {
    let imports: String = images
        .iter()
        .map(|image| {
            let (archive, name) = (image.path(), image.name());
            format!("engine import -q {archive} localhost/{name} >/dev/null 2>&1\n")
        })
        .collect();
    let prelude = r#"
        engine() {
            podman --root /tmp/storage --runroot /run/engine --tmpdir /run/engine-tmp \
                --storage-driver vfs --cgroup-manager cgroupfs --events-backend none \
                --runtime crun "$@"
        }
        # The limits that podman would set are above those of some machines.
        limits=(--cgroups=disabled --ulimit nofile=1024:1024 --ulimit nproc=4096:4096)
        run() { engine run --rm "${limits[@]}" --network host "$@"; }
        start() {
            local name=$1
            shift
            engine run -d --name "$name" "${limits[@]}" --network host "$@" >/dev/null
        }
        until_true() {
            local try
            for ((try = 0; try < 3000; try++)); do
                ! "$@" || return 0
                read -rt 0.01 <> <(:) || true
            done
            engine logs "$(engine ps -aql)"
            return 1
        }
        listens() {
            local port=$1
            shift
            [[ -n $("$@" ss -Hntl "sport = :$port") ]]
        }
        until_listens() { until_true listens "$@"; }
        executed() { grep -qa "^$2" /proc/"$(engine inspect "$1" --format '{{.State.Pid}}')"/cmdline; }
        until_executed() { until_true executed "$@"; }
        make_group() {
            # One that is not named by a living test process would be swept away by others.
            local above=/sys/fs/cgroup/mptcpize-test-PROCESS
            # Another test of this process may remove the one above meanwhile.
            until mkdir -p $above && group=$(mktemp -d $above/XXXXXX); do :; done 2>/dev/null
        }
        remove_group() {
            echo 1 >$group/cgroup.kill
            until grep -q 'populated 0' $group/cgroup.events; do read -rt 0.01 <> <(:) || true; done
            find $group -depth -type d -exec rmdir {} +
            rmdir ${group%/*} 2>/dev/null || true
        }
        # crun takes no host that has both versions of control groups.
        [[ ! -d /sys/fs/cgroup/unified ]] || mount --bind /sys/fs/cgroup/unified /sys/fs/cgroup
        # The engine's locks.
        mount -t tmpfs tmpfs /dev/shm
        ip link set lo up
    "#;
    let prelude = prelude.replace("PROCESS", &std::process::id().to_string());
    let file = scratch("containers").join("script");
    scratch::file(&file, format!("{prelude}\n{imports}\n{script}"), 0o644);
    root(&format!(
        "export -f written nobody
         exec unshare --pid --fork --kill-child --mount-proc bash -eu {}",
        shown(&file)
    ))
}

/// The beginning of a script of [`containers`]: the profile, in `$profile`, and the service that its calls
/// come to, whose records are in /tmp/service.
pub(crate) const SUPERVISED: &str = r#"
    mptcpize enable --containers --via seccomp >/dev/null
    profile='--security-opt seccomp=/etc/containers/mptcpize-seccomp.json'
    socket=/run/mptcpize-containers.sock
    serve() {
        local try
        mptcpize containers-supervisor 2>>/tmp/service &
        service=$!
        for ((try = 0; try < 3000; try++)); do
            [[ -z $(ss -Hxl "src $socket") ]] || return 0
            read -rt 0.01 <> <(:) || true
        done
        cat /tmp/service
        return 1
    }
    serve
"#;
