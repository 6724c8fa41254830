//! `relay serve --dry-run`: what would change, and the line for clients where there is a key already.

use crate::cli::relay::serve::Serve;
use crate::commands::relay::serve::pass::Pass;
use crate::commands::relay::serve::{line, supervise, terms};
use crate::error::Exit;
use crate::host::private_file::user;
use crate::host::served::kept::Kept;
use crate::host::served::key;
use crate::inject::relay;
use crate::locations::Locations;
use crate::output::term::{Colour, Term};
use crate::output::{self, diff};
use mptcpize_model::phrase;

/// Shows it.
///
/// # Errors
/// As a start, as far as that looks before it changes something.
pub fn dry_run(arguments: &Serve, locations: &Locations) -> anyhow::Result<Exit> {
    let kept = Kept::of(locations)?;
    let served = terms::look(arguments, &kept)?;
    let program = relay::find(locations)?;
    let mut text = String::new();
    let mut own = Vec::new();
    if served.is_none() {
        let method = arguments.method.unwrap_or_else(key::method);
        own.push(format!("+ key       {method}, in {}", kept.file().display()));
    }
    let port = served.as_ref().map_or(arguments.port(), |served| served.settings.port);
    own.push(format!("+ listener  port {port}, by {}", program.display()));
    if user() == 0 {
        let directory = supervise::directory(locations)?;
        let look = Pass::open(locations, &directory)?.look(locations)?;
        let count = look.plan().map_or(0, |plan| plan.steps.len());
        if count > 0 {
            text.push_str(&format!(
                "Would change {} on this host (nothing was changed):\n\n",
                phrase::count(count, "thing"),
            ));
        } else {
            text.push_str("Nothing to change on this host. It would have:\n\n");
        }
        text.push_str(
            &look
                .plan()
                .map(|plan| diff::plan(plan, &Term::of_stdout(Colour::Never)))
                .unwrap_or_default(),
        );
        own.iter().for_each(|line| text.push_str(&format!("  {line}\n")));
        for hint in supervise::hints(&look, port) {
            text.push_str(&format!("! {hint}\n"));
        }
        if count > 0 {
            text.push_str(
                "\nThe host is as it was when the relay ends; after a crash: sudo mptcpize relay serve \
                 undo\n",
            );
        }
    } else {
        text.push_str("Would leave this host as it is, and have:\n\n");
        own.iter().for_each(|line| text.push_str(&format!("  {line}\n")));
    }
    output::text(&text)?;
    if let Some(served) = served.filter(|served| served.settings.users.is_empty()) {
        line::print(&served, None, line::wants_code(arguments.qr, arguments.no_qr))?;
    }
    Ok(Exit::Done)
}
