//! Programs in containers that no library reaches, by a seccomp profile and the service that its calls come
//! to: what they get, what they get as without it, and what stays forbidden.

use std::fs;

use crate::engine::Image::{Small, Web};
use crate::engine::{SUPERVISED, containers};
use crate::programs::CLIENT;
use crate::support::scratch;

/// Go as it was before 1.21.
const OLD_GO: &str = "-e GODEBUG=multipathtcp=0";

#[test]
fn programs_that_no_library_reaches_get_mptcp_by_the_profile() {
    let script = format!(
        r#"
        {SUPERVISED}
        all='echo $(static) $(go) $(musl)'
        run {OLD_GO} localhost/small sh -c "$all"
        run {OLD_GO} $profile localhost/small sh -c "$all"
        # The library first, where there is one.
        run $profile --device mptcpize.org/shim=run localhost/small sh -c "$all"
        # glibc for 32 bits asks by socketcall(2), whose arguments no filter sees.
        run $profile localhost/small /bits32/protocol
        "#
    );
    let done = containers(&[Small], &script).run().silent();
    assert_eq!(done.stdout, "6 6 6\n262 262 262\n262 262 262\n6\n", "{done}");
}

#[test]
fn every_network_user_and_confinement_of_a_container_has_it() {
    let script = format!(
        r#"
        {SUPERVISED}
        static() {{ engine run --rm "${{limits[@]}}" $profile "$@" localhost/small static; }}
        static --network bridge
        static --network none
        static --network host --uidmap 0:100000:65536
        static --network host --user 65534:65534 --cap-drop=all --security-opt no-new-privileges
        static --network host --read-only
        # A thread that has left the container's network namespace is none of ours.
        run $profile --cap-add sys_admin localhost/small unshare --net static
        "#
    );
    let done = containers(&[Small], &script).run().silent();
    assert_eq!(done.stdout, "262\n262\n262\n262\n262\n6\n", "{done}");
}

#[test]
fn an_unmodified_nginx_serves_mptcp_on_the_host_and_on_a_bridge() {
    let script = format!(
        r#"
        {SUPERVISED}
        {CLIENT}
        start web $profile localhost/web nginx -c /etc/nginx.conf
        until_listens 8099
        client
        engine rm -ft 0 web >/dev/null 2>&1
        engine run -d --name web "${{limits[@]}}" --network bridge $profile \
            localhost/web nginx -c /etc/nginx.conf >/dev/null
        until_listens 8099 nsenter -t $(engine inspect web --format '{{{{.State.Pid}}}}') -n
        client $(engine inspect web --format \
            '{{{{range .NetworkSettings.Networks}}}}{{{{.IPAddress}}}}{{{{end}}}}')
        "#
    );
    let done = containers(&[Web], &script).run().ok();
    assert_eq!(done.stdout, "MPTCP hello\nMPTCP hello\n", "{done}");
}

#[test]
fn options_that_mptcp_refuses_are_answered_as_the_supervisor_of_run_answers_them() {
    let script = format!(
        r#"
        {SUPERVISED}
        run $profile localhost/small options >/tmp/container
        mptcpize run --via seccomp {options} >/tmp/host
        diff /tmp/container /tmp/host
        grep -c 'protocol 262' /tmp/host
        "#,
        options = crate::support::cc::c("options", crate::support::cc::Build::Static).display(),
    );
    let done = containers(&[Small], &script).run().silent();
    assert!(done.stdout.trim().parse::<u32>().is_ok_and(|count| count > 3), "{done}");
}

#[test]
fn the_profile_forbids_what_the_engines_own_forbids_and_asks_for_tcp_alone() {
    // The runtime keeps the filter that it made, as a program for the kernel's machine, which is run here
    // for every call: of both kinds of program, and with arguments at which rules change.
    let filters = scratch::file(&scratch("filters").join("compare.py"), COMPARE, 0o644);
    let script = format!(
        r#"
        {SUPERVISED}
        filter() {{
            local id
            id=$(engine run -d "${{limits[@]}}" --network host "${{@:2}}" localhost/web sleep 1000)
            cp "$(find /run -path "*$id/seccomp.bpf")" "/tmp/$1"
            engine rm -ft 0 $id >/dev/null 2>&1
        }}
        for caps in '' '--cap-add audit_write --cap-add sys_admin'; do
            filter own $caps
            filter ours $caps $profile
            python3 {filters} /tmp/own /tmp/ours
        done
        "#,
        filters = filters.display(),
    );
    assert!(fs::exists("/usr/share/containers/seccomp.json").unwrap_or(false), "no podman");
    let done = containers(&[Web], &script).run().silent();
    assert_eq!(done.stdout, "the same but for TCP\n".repeat(2), "{done}");
}

/// Runs two filters side by side.
const COMPARE: &str = r#"
import itertools, platform, struct, sys

ALLOW, NOTIFY = 0x7fff0000, 0x7fc00000

def run(program, data):
    at, word = 0, 0
    while True:
        code, yes, no, k = program[at]
        at += 1
        if code == 0x20: word = struct.unpack_from("<I", data, k)[0]
        elif code == 0x54: word &= k
        elif code == 0x05: at += k
        elif code == 0x15: at += yes if word == k else no
        elif code == 0x25: at += yes if word > k else no
        elif code == 0x35: at += yes if word >= k else no
        elif code == 0x06: return k
        else: raise ValueError(hex(code))

def load(path):
    return list(struct.iter_unpack("<HBBI", open(path, "rb").read()))

own, ours = load(sys.argv[1]), load(sys.argv[2])
# What of each: the architecture of the kernel's audit, socket, setsockopt, getsockopt.
kinds = {
    "x86_64": [(0xc000003e, 41, 54, 55), (0x40000003, 359, 366, 365)],
    "aarch64": [(0xc00000b7, 198, 208, 209)],
}[platform.machine()]
high = 1 << 32
asked = set()

def look(arch, number, arguments):
    data = struct.pack("<IIQ6Q", number, arch, 0, *arguments, *[0] * (6 - len(arguments)))
    before, after = run(own, data), run(ours, data)
    if after != before:
        assert (before, after) == (ALLOW, NOTIFY), (hex(arch), number, arguments, hex(before), hex(after))
        asked.add((arch, number))
        return True
    return False

for arch, socket, setsockopt, getsockopt in kinds:
    usual = [(0,) * 6, (1,) * 6, (2, 1, 0, 0), (8,), (0x20000,), (0xffffffff,), ((1 << 64) - 1,) * 6]
    for number in itertools.chain(range(512), range(0x40000000, 0x40000240)):
        for arguments in usual:
            look(arch, number, arguments)
    # A program for 32 bits has no upper halves.
    halves = [0] if arch == 0x40000003 else [0, high]
    families = [*range(18), 38, 40, (1 << 32) - 2] + [half + 2 for half in halves] + [half + 10 for half in halves]
    types = [0, 1, 2, 3, 5, 10, 15, 16, 0x80801, 0x80802]
    protocols = [*range(11), 17, 262] + [half + 6 for half in halves] + [half + 9 for half in halves]
    for family, kind, protocol, last in itertools.product(families, types, protocols, [0, 0x74637021]):
        tcp = family in (2, 10) and kind & 15 == 1 and protocol in (0, 6) and last == 0
        found = look(arch, socket, (family, kind, protocol, last))
        assert found == tcp, (family, kind, protocol, last)
    for call in setsockopt, getsockopt:
        for level, name in itertools.product([*range(45), high - 1], [*range(130), high - 1]):
            if look(arch, call, (3, level, name)):
                assert level in (0, 1, 6, 41) and name < 128, (level, name)
    assert look(arch, setsockopt, (3, 6, 18)), "TCP_USER_TIMEOUT"
    for level, name in [(6, 1), (1, 2), (1, 7)]:
        assert not look(arch, setsockopt, (3, level, name)), "TCP_NODELAY, SO_REUSEADDR, SO_SNDBUF"
    for level, name in [(1, 4), (6, 11)]:
        assert not look(arch, getsockopt, (3, level, name)), "SO_ERROR, TCP_INFO"
# What x32 asks is let through.
expected = {(arch, call | x32) for arch, *calls in kinds for call in calls for x32 in (0, 1 << 30)}
assert asked <= expected and len(asked) >= 2 * len(kinds), asked
print("the same but for TCP")
"#;
