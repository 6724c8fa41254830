//! Where the library lies: the cache directories of an ordinary user and of root, what makes a
//! place untrustworthy, and the library that a package installs.
//!
//! Root's places (/var/cache, /run, /usr/lib) are looked at in private mount namespaces or below
//! another root; the host's own are never touched.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};

use mptcpize::inject::library;
use mptcpize::locations::Locations;

use crate::support::cc::{self, Build};
use crate::support::mounts::{private, private_with};
use crate::support::scratch::{NOBODY, file, of_nobody};
use crate::support::{Cmd, scratch};

/// An ordinary user with two places for the library: the first choice and the next.
struct User {
    cache: PathBuf,
    home: PathBuf,
}

impl User {
    fn new() -> Self {
        let place = of_nobody(scratch("user"));
        let make = |name: &str| {
            let path = place.join(name);
            fs::create_dir(&path).expect("the name is new");
            of_nobody(path)
        };
        User { cache: make("cache"), home: make("home") }
    }

    /// `mptcpize ARGUMENTS` as that user.
    fn tool(&self, arguments: &[&str]) -> Cmd {
        let command = Cmd::new(crate::support::tool::public_binary()).args(arguments);
        let command = command.env("XDG_CACHE_HOME", &self.cache).env("HOME", &self.home);
        command.by_nobody()
    }

    /// Where the library is for a program that the tool starts.
    #[track_caller]
    fn library(&self) -> PathBuf {
        let done = self.tool(&["run", "printenv", "LD_PRELOAD"]).run().silent();
        PathBuf::from(done.stdout.trim())
    }

    /// Looks at it, and sees that a program gets MPTCP by it.
    #[track_caller]
    fn works(&self, name: &str) -> PathBuf {
        let path = self.library();
        assert!(fs::read(&path).is_ok_and(|bytes| bytes == library::BYTES), "{name}: {path:?}");
        let found = fs::symlink_metadata(&path).expect("it can be read");
        assert!(found.is_file() && found.mode() & 0o022 == 0, "{name}: {found:?}");
        let program = cc::c("protocol", Build::Plain);
        let done = self.tool(&["run", "--strict"]).arg(program).run().silent();
        assert_eq!(done.stdout, "262\n", "{name}");
        path
    }
}

fn mode(path: &Path) -> u32 {
    fs::symlink_metadata(path).expect("it is there").mode() & 0o7777
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).expect("it is there");
}

#[test]
fn the_library_is_kept_in_a_directory_of_the_users_own() {
    let user = User::new();
    let library = user.works("the first run");
    let directory = user.cache.join("mptcpize");
    assert_eq!(library.parent(), Some(directory.as_path()));
    assert_eq!(mode(&directory), 0o700);
    assert_eq!(mode(&library), 0o500);
    // The moment too: the number of a file that was replaced is soon another's.
    let identity = || {
        let found = fs::metadata(&library).expect("it is there");
        (found.ino(), found.ctime(), found.ctime_nsec())
    };
    let first = identity();
    user.works("the second run");
    assert_eq!(identity(), first, "written only once");
    let names: Vec<_> = fs::read_dir(&directory).expect("it is there").collect();
    assert_eq!(names.len(), 1, "no temporary file is left: {names:?}");
}

#[test]
fn a_new_user_gets_the_directories_above_it_too() {
    let user = User::new();
    fs::remove_dir(&user.cache).expect("it is empty");
    assert!(user.works("without a cache directory").starts_with(&user.cache));
    assert_eq!(mode(&user.cache), 0o700);
}

#[test]
fn the_library_is_looked_at_before_each_use_and_mended() {
    type Damage = fn(&Path);
    let table: [(&str, Damage); 9] = [
        ("other content of the same size", |path| {
            fs::write(path, vec![0; library::BYTES.len()]).expect("root may write");
        }),
        ("one byte changed", |path| {
            let mut bytes = library::BYTES.to_vec();
            bytes[library::BYTES.len() / 2] ^= 1;
            fs::write(path, bytes).expect("root may write");
        }),
        ("cut off", |path| {
            fs::write(path, &library::BYTES[..1000]).expect("root may write");
        }),
        ("something appended", |path| {
            fs::write(path, [library::BYTES, b"x"].concat()).expect("root may write");
        }),
        ("empty", |path| fs::write(path, "").expect("root may write")),
        ("a link to the right content", |path| {
            let target = path.with_extension("target");
            fs::rename(path, &target).expect("it is there");
            symlink(target, path).expect("the name is free");
        }),
        ("a FIFO", |path| {
            fs::remove_file(path).expect("it is there");
            Cmd::new("mkfifo").arg(path).run().silent();
        }),
        ("writable by all", |path| set_mode(path, 0o777)),
        ("another user's", |path| chown(path, Some(1), Some(1)).expect("the tests run as root")),
    ];
    for (name, damage) in table {
        let user = User::new();
        let path = user.works("before");
        damage(&path);
        assert_eq!(user.works(name), path, "{name}: mended in its place");
        assert_eq!(fs::metadata(&path).expect("it is there").uid(), NOBODY, "{name}");
    }
}

#[test]
fn a_place_that_others_can_change_is_passed_over() {
    type Damage = fn(&User);
    let table: [(&str, Damage); 7] = [
        ("the cache directory is writable by all", |user| set_mode(&user.cache, 0o777)),
        ("the cache directory is writable by its group", |user| set_mode(&user.cache, 0o770)),
        ("a directory above it is writable by all", |user| {
            let inner = user.cache.join("inner");
            fs::create_dir(&inner).expect("the name is new");
            of_nobody(inner);
            set_mode(&user.cache, 0o777);
        }),
        ("the directory belongs to another", |user| {
            let path = user.cache.join("mptcpize");
            fs::create_dir(&path).expect("the name is new");
            chown(&path, Some(1), Some(1)).expect("the tests run as root");
        }),
        ("the directory is a link", |user| {
            let path = user.home.join("elsewhere");
            fs::create_dir(&path).expect("the name is new");
            symlink(of_nobody(path), user.cache.join("mptcpize")).expect("the name is new");
        }),
        ("the directory is a file", |user| {
            fs::write(user.cache.join("mptcpize"), "").expect("root may write");
        }),
        ("a directory stands in the place of the library", |user| {
            let path = user.library();
            fs::remove_file(&path).expect("it is there");
            fs::create_dir(path).expect("the name is free");
        }),
    ];
    for (name, damage) in table {
        let mut user = User::new();
        damage(&user);
        if user.cache.join("inner").exists() {
            user.cache = user.cache.join("inner");
        }
        let path = user.works(name);
        assert!(path.starts_with(user.home.join(".cache/mptcpize")), "{name}: {path:?}");
    }
}

#[test]
fn a_directory_of_the_users_own_is_closed_again() {
    for open in [0o777, 0o770, 0o755, 0o600] {
        let user = User::new();
        let directory = user.cache.join("mptcpize");
        fs::create_dir(&directory).expect("the name is new");
        set_mode(&of_nobody(directory.clone()), open);
        assert!(user.works(&format!("{open:o}")).starts_with(&directory), "{open:o}");
        assert_eq!(mode(&directory), 0o700, "{open:o}");
    }
}

#[test]
fn a_name_that_the_preload_cannot_hold_is_passed_over() {
    for name in ["a b", "a:b", "$LIB", "tab\there", "line\nfeed"] {
        let mut user = User::new();
        user.cache = user.cache.join(name);
        fs::create_dir(&user.cache).expect("the name is new");
        of_nobody(user.cache.clone());
        let path = user.works(name);
        assert!(path.starts_with(user.home.join(".cache/mptcpize")), "{name}: {path:?}");
        let names: Vec<_> = fs::read_dir(&user.cache).expect("it is there").collect();
        assert!(names.is_empty(), "{name}: nothing is left there: {names:?}");
    }
}

#[test]
fn a_file_system_that_cannot_hold_it_is_passed_over() {
    for (name, options) in [
        ("noexec", "noexec,mode=1777"),
        ("read-only", "ro,mode=1777"),
        ("full", "size=4k,mode=1777"),
    ] {
        let script = format!(
            "mkdir -m 755 /mnt/small; install -d -o nobody /mnt/home; cover /mnt/small {options}
             chmod 755 /mnt/small || :
             bare XDG_CACHE_HOME=/mnt/small HOME=/mnt/home setpriv --reuid=65534 --regid=65534 \\
                 --clear-groups -- /mnt/mptcpize run printenv LD_PRELOAD"
        );
        let done = private(&script.replace("; cover", "\ncover")).run().ok();
        assert!(done.stdout.starts_with("/mnt/home/.cache/mptcpize/"), "{name}: {done}");
    }
}

#[test]
fn a_root_that_everybody_can_write_below_is_passed_over() {
    // Root with the environment of an ordinary user, as `sudo -E` leaves it.
    let user = User::new();
    let script = "
        cover /var/cache; cover /run
        bare XDG_CACHE_HOME=\"$1\" HOME=\"$2\" /mnt/mptcpize run printenv LD_PRELOAD
        stat -c '%a %u' /var/cache/mptcpize /var/cache/mptcpize/*
        find \"$1\" \"$2\" -mindepth 1";
    let done = private_with(script, &[&user.cache, &user.home]).run().silent();
    let lines: Vec<&str> = done.stdout.lines().collect();
    assert_eq!(lines.len(), 3, "nothing was made in the user's directories: {done}");
    assert!(lines[0].starts_with("/var/cache/mptcpize/"), "{done}");
    assert_eq!(lines[1..], ["755 0", "555 0"], "{done}");
}

#[test]
fn roots_library_serves_whatever_user_a_program_becomes() {
    let program = cc::c("protocol", Build::Plain);
    // Whatever root's umask is.
    for umask in ["022", "077", "000"] {
        let script = format!(
            "cover /var/cache; cover /run; umask {umask}
             bare /mnt/mptcpize run setpriv --reuid=65534 --regid=65534 --clear-groups -- \"$1\""
        );
        let done = private_with(&script, &[&program]).run().silent();
        assert_eq!(done.stdout, "262\n", "umask {umask}");
    }
}

#[test]
fn root_goes_from_place_to_place_and_never_to_one_of_others() {
    let table = [
        ("/var/cache is fine", "", "/var/cache/mptcpize/"),
        ("/var/cache is writable by all", "chmod 777 /var/cache", "/run/mptcpize/"),
        (
            "/var/cache/mptcpize is another's",
            "install -d -o nobody /var/cache/mptcpize",
            "/run/mptcpize/",
        ),
        ("neither of the two, and home is not asked", "chmod 777 /var/cache /run", "/var/tmp/"),
        (
            "nor there, where somebody was first",
            "chmod 777 /var/cache /run; nobody mkdir /var/tmp/mptcpize-0",
            "/dev/shm/mptcpize-0/",
        ),
    ];
    for (name, damage, expected) in table {
        let script = format!(
            "mkdir -m 755 /mnt/home; cover /var/cache; cover /run
             cover /dev/shm mode=1777; cover /var/tmp mode=1777; cover /tmp mode=1777
             nobody mkdir /tmp/mptcpize-0
             {damage}
             bare HOME=/mnt/home /mnt/mptcpize run printenv LD_PRELOAD"
        );
        let done = private(&script).run().silent();
        assert!(done.stdout.starts_with(expected), "{name}: {done}");
    }
}

#[test]
fn in_a_user_namespace_the_users_own_place_is_taken_and_nobody_elses() {
    // There the owners of / and of an attacker's directory look alike. `$1` is userns.c, `$2` the
    // library, which the attacker lays out with the right content, to change it later.
    let table = [
        (
            "a /run of one's own",
            "mount -t tmpfs -o mode=755,uid=65534 tmpfs /run",
            "/run/mptcpize/",
        ),
        ("a directory of one's own", "install -d -o nobody /dev/shm/mptcpize-0", "/dev/shm/"),
        ("only places of another's", "", ""),
    ];
    for (name, home, expected) in table {
        let script = format!(
            "cp \"$1\" /mnt/userns; cp \"$2\" /mnt/library
            cover /var/cache; cover /run
            for place in /var/tmp /tmp /dev/shm; do
                cover $place mode=1777
                install -d -o daemon $place/mptcpize-0
                install -m 555 -o daemon /mnt/library $place/mptcpize-0/{file}
            done
            [[ -z '{home}' ]] || rm -r /dev/shm/mptcpize-0
            {home}
            bare HOME=/mnt/home /mnt/userns 65534 /mnt/mptcpize run printenv LD_PRELOAD",
            file = format_args!("libmptcpize-{}.so", &library::SHA256[..16]),
        );
        let helper = cc::c("userns", Build::Plain);
        let done = private_with(&script, &[&helper, crate::support::tool::shim()]).run();
        assert_eq!(done.code(), if expected.is_empty() { 5 } else { 0 }, "{name}: {done}");
        assert!(done.stdout.starts_with(expected), "{name}: {done}");
    }
}

#[test]
fn without_any_place_run_ends_with_5_and_every_reason() {
    let script = "
        mkdir -m 755 '/mnt/a b' /mnt/home /mnt/runtime; chmod 777 /mnt/runtime
        cover /var/tmp noexec,mode=1777; cover /dev/shm mode=777; cover /tmp mode=1777
        mkdir /tmp/mptcpize-65534; cd /mnt
        bare HOME=/mnt/home XDG_CACHE_HOME='/mnt/a b' XDG_RUNTIME_DIR=/mnt/runtime \\
            setpriv --reuid=65534 --regid=65534 --clear-groups -- \\
            /mnt/mptcpize run echo it ran";
    let expected = "\
error: there is no safe place for the preload library
  why: /mnt/a b/mptcpize: its name has a blank, a colon or a dollar sign
       /mnt/home/.cache/mptcpize: cannot make the directory: permission denied
       /mnt/runtime/mptcpize: others can write to /mnt/runtime
       /var/tmp/mptcpize-65534: mounted noexec
       /tmp/mptcpize-65534: others can write to /tmp/mptcpize-65534
       /dev/shm/mptcpize-65534: others can write to /dev/shm
  fix: set XDG_CACHE_HOME to a directory of your own on a file system without noexec
";
    assert_eq!(private(script).run().says(5, expected).stdout, "", "nothing was run");
}

#[test]
fn twenty_first_runs_at_once_all_work() {
    let program = cc::c("protocol", Build::Plain);
    for _ in 0..3 {
        let user = User::new();
        let start = || user.tool(&["run", "--strict"]).arg(&program).start();
        let running: Vec<_> = (0..20).map(|_| start()).collect();
        for one in running {
            assert_eq!(one.finish().silent().stdout, "262\n");
        }
        let names = fs::read_dir(user.cache.join("mptcpize")).expect("it is there");
        assert_eq!(names.count(), 1, "no temporary file is left");
    }
}

/// The file systems' places below another root, and root's own view of them.
fn placed(root: &Path) -> PathBuf {
    library::place(&Locations::from_env(|_| None).below(root)).expect("there is a place")
}

#[test]
fn the_first_installed_library_that_is_ours_and_roots_is_preferred() {
    let multiarch = "usr/lib/x86_64-linux-gnu/mptcpize/libmptcpize.so";
    let (lib, local) = ("usr/lib/mptcpize/libmptcpize.so", "usr/local/lib/mptcpize/libmptcpize.so");
    let other = [library::BYTES, b"other"].concat();
    let ours = library::BYTES;
    type Row<'a> = (&'a str, &'a [(&'a str, &'a [u8], u32, u32)], &'a str);
    let table: [Row<'_>; 8] = [
        ("none", &[], "var/cache/"),
        ("one", &[(multiarch, ours, 0o644, 0)], multiarch),
        (
            "three",
            &[(local, ours, 0o644, 0), (lib, ours, 0o644, 0), (multiarch, ours, 0o644, 0)],
            multiarch,
        ),
        ("the administrator's own", &[(local, ours, 0o755, 0)], local),
        (
            "of another release, then ours",
            &[(multiarch, &other, 0o644, 0), (lib, ours, 0o644, 0)],
            lib,
        ),
        ("only of another release", &[(multiarch, &other, 0o644, 0)], "var/cache/"),
        ("a user's", &[(multiarch, ours, 0o644, NOBODY)], "var/cache/"),
        ("writable by all", &[(multiarch, ours, 0o666, 0)], "var/cache/"),
    ];
    for (name, files, expected) in table {
        let root = scratch("root");
        for (path, bytes, mode, owner) in files {
            let path = root.join(path);
            fs::create_dir_all(path.parent().expect("it has one")).expect("it can be made");
            chown(file(&path, bytes, *mode), Some(*owner), None).expect("the tests run as root");
        }
        let found = placed(&root);
        assert!(
            found.display().to_string().starts_with(&format!("{}/{expected}", root.display())),
            "{name}: {found:?}"
        );
    }
}

#[test]
fn an_installed_library_serves_root_and_others_and_nothing_is_written() {
    // An overlay over the host's directory, in a private mount namespace.
    let user = User::new();
    let script = "
        cover /var/cache; cover /run
        place=/usr/lib/x86_64-linux-gnu
        mkdir /mnt/upper /mnt/work
        mount -t overlay -o lowerdir=$place,upperdir=/mnt/upper,workdir=/mnt/work overlay $place
        mkdir -p $place/mptcpize
        install -m 644 \"$1\" $place/mptcpize/libmptcpize.so
        bare /mnt/mptcpize run printenv LD_PRELOAD
        bare XDG_CACHE_HOME=\"$2\" setpriv --reuid=65534 --regid=65534 --clear-groups -- \\
            /mnt/mptcpize run \"$3\"
        find /var/cache /run \"$2\" -name '*mptcpize*'";
    let program = cc::c("protocol", Build::Plain);
    let shim = crate::support::tool::shim();
    let done = private_with(script, &[shim, &user.cache, &program]).run().silent();
    let expected = "/usr/lib/x86_64-linux-gnu/mptcpize/libmptcpize.so\n262\n";
    assert_eq!(done.stdout, expected);
}
