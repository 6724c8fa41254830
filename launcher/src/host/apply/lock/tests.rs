//! Locks that several want at once, that others could open, and that the killed left.

use std::sync::atomic::{AtomicU32, Ordering};

use super::*;

#[test]
fn the_holder_is_who_the_kernel_says() {
    let text = "1: POSIX  ADVISORY  WRITE 11 00:13:86 0 EOF\n\
                2: FLOCK  ADVISORY  WRITE -1 00:13:86 0 EOF\n\
                3: FLOCK  ADVISORY  WRITE 708 00:13:86 0 EOF\n\
                3: -> FLOCK  ADVISORY  WRITE 709 00:13:86 0 EOF\n\
                4: FLOCK  ADVISORY  WRITE 12 00:13:861 0 EOF\n5: odd\n";
    assert_eq!(holder_in(text, 86), Some("708"));
    assert_eq!(holder_in(text, 861), Some("12"));
    assert_eq!(holder_in(text, 8), None);
    assert_eq!(holder_in("", 86), None);
}

#[test]
fn a_lock_file_that_others_could_open_is_replaced_and_what_they_hold_counts_no_more() {
    let place = tempfile::tempdir().expect("a temporary directory");
    let locks = place.path().join(LOCKS);
    fs::create_dir(&locks).expect("the name is new");
    fs::set_permissions(&locks, Permissions::from_mode(0o755)).expect("it is ours");
    let others = File::create(locks.join("one")).expect("the name is new");
    others.set_permissions(Permissions::from_mode(0o644)).expect("it is ours");
    rustix::fs::flock(&others, FlockOperation::NonBlockingLockExclusive).expect("it is free");
    let ours = take(place.path(), "one", Duration::ZERO, |_| {}).expect("nobody holds it");
    let mode = |path: &Path| fs::metadata(path).expect("it is there").mode() & 0o7777;
    assert_eq!((mode(&locks), mode(&locks.join("one"))), (0o700, 0o600));
    let error = take(place.path(), "one", Duration::ZERO, |_| {}).expect_err("we hold it");
    let expected = format!("process {} (", std::process::id());
    assert!(error.to_string().contains(&expected), "{error}");
    drop(ours);
    // A program that another test starts holds what we had open until it executes.
    take(place.path(), "one", PATIENCE, |_| {}).expect("it is free again");
}

#[test]
fn a_lock_has_one_holder_however_many_want_it_and_the_last_leaves_nothing() {
    let place = tempfile::tempdir().expect("a temporary directory");
    let run = place.path().join("run");
    let (inside, turns) = (AtomicU32::new(0), AtomicU32::new(0));
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..50 {
                    // Without a pause, so that each step of one meets any step of another.
                    let lock = loop {
                        match try_take(&run, "one").expect("nobody else is here") {
                            Attempt::Taken(lock) => break lock,
                            Attempt::Held(_) => std::thread::yield_now(),
                        }
                    };
                    assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0, "two hold it");
                    assert!(is_at(&lock.file, &lock.path), "the file of its name is another");
                    turns.fetch_add(1, Ordering::SeqCst);
                    inside.fetch_sub(1, Ordering::SeqCst);
                }
            });
        }
    });
    assert_eq!(turns.into_inner(), 400);
    assert!(!run.exists(), "the last one left something");
}

#[test]
fn a_file_that_others_could_open_is_replaced_by_one_process_alone() {
    let place = tempfile::tempdir().expect("a temporary directory");
    let locks = place.path().join(LOCKS);
    for _ in 0..20 {
        DirBuilder::new().mode(0o700).create(&locks).expect("the name is free");
        let open = File::create(locks.join("one")).expect("the name is new");
        open.set_permissions(Permissions::from_mode(0o666)).expect("it is ours");
        let inside = AtomicU32::new(0);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    let lock = take(place.path(), "one", PATIENCE * 12, |_| {});
                    let lock = lock.expect("it is free after a while");
                    assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0, "two hold it");
                    assert!(is_at(&lock.file, &lock.path), "the file of its name is another");
                    inside.fetch_sub(1, Ordering::SeqCst);
                });
            }
        });
        // The last one removed it.
        fs::create_dir_all(place.path()).expect("a temporary directory");
    }
}

#[test]
fn who_begins_to_run_while_locks_are_swept_gets_its_own() {
    let place = tempfile::tempdir().expect("a temporary directory");
    let run = place.path().join("run");
    // A sweep is in the middle of its work, and ends before the moment does.
    let swept = take(&run, "daemon", PATIENCE, |_| {}).expect("nobody holds it");
    let turns = AtomicU32::new(0);
    std::thread::scope(|scope| {
        let waits = scope.spawn(|| {
            let tell = |_: &str| {
                turns.fetch_add(1, Ordering::SeqCst);
            };
            wait_for(&run, "daemon", PATIENCE, tell).expect("nobody else is here")
        });
        while turns.load(Ordering::SeqCst) == 0 {
            std::thread::yield_now();
        }
        drop(swept);
        let taken = waits.join().expect("it does not panic");
        assert!(matches!(taken, Attempt::Taken(_)), "{taken:?}");
        // One that lasts is still told, by who has it.
        let second = take_lasting(&run, "daemon").expect("nobody else is here");
        let expected = std::process::id().to_string();
        assert!(matches!(&second, Attempt::Held(holder) if *holder == expected), "{second:?}");
    });
}

#[test]
fn what_the_killed_left_is_swept_and_what_is_held_stays() {
    let place = tempfile::tempdir().expect("a temporary directory");
    let run = place.path().join("run");
    let held = take(&run, "held", PATIENCE, |_| {}).expect("nobody holds it");
    for left in ["one", "two"] {
        let file = File::create(run.join(LOCKS).join(left)).expect("the name is new");
        file.set_permissions(Permissions::from_mode(0o600)).expect("it is ours");
    }
    sweep(&run);
    let names = || fs::read_dir(run.join(LOCKS)).map(|entries| entries.flatten().count());
    assert_eq!(names().ok(), Some(1));
    fs::write(run.join("journal"), "").expect("the directory stays");
    drop(held);
    assert!(!run.join(LOCKS).exists() && run.exists());
}
