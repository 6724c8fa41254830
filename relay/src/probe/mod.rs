//! `mptcpize-relay probe`: does a relay take the key, whose clock is off, how much goes through?
//!
//! For `mptcpize relay test`, which has found out before which paths reach the relay, and reads the lines
//! of JSON that this writes. Without any privilege. What is told and said is in
//! [`mptcpize_model::relay::probe`].
//!
//! ```text
//!   run ─► key (who answers what) ─► flight (a request with another time in it)
//!     └──► speed (download, upload) ─► dial (a socket)
//! ```

mod dial;
mod flight;
mod key;
mod speed;

use std::fs;
use std::io::{self, Read, Write};
use std::path::Path;
use std::time::Duration;

use mptcpize_model::relay::probe::{Answer, Direction, Line, Settings};
use shadowsocks::config::ServerType;
use shadowsocks::context::{Context, SharedContext};
use shadowsocks::{ServerAddr, ServerConfig};
use tokio::time::Instant;

use crate::error::Error;
use crate::shadowsocks::protocol::cipher;
use crate::sys::clock;
use crate::workers;

/// The longest settings.
const MOST: u64 = 1 << 16;

/// What a measurement takes at least to say something: a few round trips and their growth.
const SHORTEST: Duration = Duration::from_millis(500);

/// Probes a relay, and writes what came of it to standard output.
///
/// # Errors
/// The settings cannot be used.
pub fn run(file: &Path) -> Result<(), Error> {
    let settings = read(file)?;
    let relay = Relay::of(&settings).map_err(|why| {
        Error::failed(format!("cannot use the settings in {}", file.display()), why)
    })?;
    let unable = |error| Error::failed("cannot start the event loop", error);
    workers::event_loop().map_err(unable)?.block_on(probe(&relay));
    Ok(())
}

fn read(file: &Path) -> Result<Settings, Error> {
    let what = || format!("cannot use the settings in {}", file.display());
    let mut text = String::new();
    let read = match file == Path::new("-") {
        true => io::stdin().take(MOST).read_to_string(&mut text),
        false => fs::File::open(file).and_then(|file| file.take(MOST).read_to_string(&mut text)),
    };
    read.map_err(|error| Error::failed(what(), error))?;
    // The reader's own words quote the text, which has keys in it.
    let place =
        |error: serde_json::Error| format!("they are not understood: line {}", error.line());
    let settings: Settings =
        serde_json::from_str(&text).map_err(|error| Error::failed(what(), place(error)))?;
    settings.relay.check().map_err(|why| Error::failed(what(), why))?;
    Ok(settings)
}

/// A relay, and all that is needed to speak to it.
struct Relay<'a> {
    settings: &'a Settings,
    config: ServerConfig,
    context: SharedContext,
    end: Instant,
}

impl<'a> Relay<'a> {
    fn of(settings: &'a Settings) -> Result<Self, String> {
        let relay = &settings.relay;
        let keys: Vec<_> = relay.keys.iter().map(|key| key.base64()).collect();
        let address = ServerAddr::SocketAddr(settings.to);
        let config = ServerConfig::new(address, keys.join(":"), cipher(relay.method))
            .map_err(|_| "its key is not one of its method".to_owned())?;
        let end = Instant::now() + Duration::from_millis(settings.millis.into());
        Ok(Relay { settings, config, context: Context::new_shared(ServerType::Local), end })
    }

    /// So many round trips.
    fn round_trips(&self, number: u32) -> Duration {
        Duration::from_micros(self.settings.rtt_us.into()) * number
    }

    fn left(&self) -> Duration {
        self.end.saturating_duration_since(Instant::now())
    }
}

async fn probe(relay: &Relay<'_>) {
    say(&Line::Clock { synchronised: clock::is_synchronised() });
    say(&Line::Doing { what: "the key".to_owned() });
    let (key, target) = key::ask(relay).await;
    let taken = key.answer == Answer::Taken;
    say(&Line::Key(key));
    say(&Line::Target(target));
    if !taken || !target.present {
        return;
    }
    let mut runs = vec![(Direction::Down, true), (Direction::Up, true)];
    runs.extend([(Direction::Down, false), (Direction::Up, false)]);
    runs.retain(|(_, mptcp)| !mptcp || relay.settings.mptcp);
    let mut after = u32::try_from(runs.len()).unwrap_or(1);
    for (direction, mptcp) in runs {
        let time = relay.left() / after.max(1);
        after = after.saturating_sub(1);
        if time < SHORTEST {
            return;
        }
        let way = if direction == Direction::Down { "download" } else { "upload" };
        let over = if mptcp { "MPTCP" } else { "plain TCP" };
        say(&Line::Doing { what: format!("{way} over {over}") });
        if let Some(moved) = speed::measure(relay, direction, mptcp, time).await {
            say(&Line::Moved(moved));
        }
    }
}

/// Writes a line; whoever has gone away hears nothing.
fn say(line: &Line) {
    if let Ok(mut text) = serde_json::to_vec(line) {
        text.push(b'\n');
        let mut out = io::stdout().lock();
        let _ = out.write_all(&text).and_then(|()| out.flush());
    }
}
