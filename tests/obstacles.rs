//! Programs that would not have the library's hooks, or not live with them, for what they are built
//! with or started by: real ones, natively and under the tool.
//!
//! Not here: the kinds of binaries (any.rs, reach.rs).

mod support;

use support::cc::{self, Build};
use support::{Cmd, Way, tool};

#[test]
fn programs_with_address_sanitizer_run_and_are_still_watched() {
    for build in [Build::Sanitized, Build::Sanitized32] {
        let program = cc::c("protocol", build);
        let native = Cmd::new(&program).arg("7").run();
        assert_eq!(native.says(7, "").stdout, "6\n", "{build:?}");
        let done = tool(&["run", "--strict"]).arg(&program).arg("7").run();
        assert_eq!(done.says(7, "").stdout, "262\n", "{build:?}");
        let overflow = cc::c("overflow", build);
        for way in Way::BOTH {
            let done = way.command(&overflow).run();
            assert_eq!(done.code(), 1, "{done}");
            assert!(done.stderr.contains("heap-buffer-overflow"), "{way:?}: {done}");
        }
    }
}

#[test]
fn what_a_shell_starts_may_have_address_sanitizer_too() {
    let program = cc::c("protocol", Build::Sanitized);
    let done = tool(&["run", "sh", "-c", "\"$0\"; env ASAN_OPTIONS=verbosity=0 \"$0\""]);
    assert_eq!(done.arg(&program).run().silent().stdout, "262\n262\n");
    // Asked for, the look is made.
    let asked = "verify_asan_link_order=1";
    let done = tool(&["run"]).arg(&program).env("ASAN_OPTIONS", asked).run();
    assert!(done.stderr.contains("ASan runtime does not come first"), "{done}");
}
