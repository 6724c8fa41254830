//! The terminal in full-screen use: taken over, and given back on every way out.
//!
//! A panic gives it back by a hook, a signal by a flag that the main loop looks at, because neither
//! may leave a person with a dead keyboard. Only a KILL cannot be helped.

use std::io::{self, Stdout, stdin, stdout};

use ratatui::backend::CrosstermBackend;
use ratatui::crossterm::cursor::Show;
use ratatui::crossterm::execute;
use ratatui::crossterm::terminal::{
    Clear, ClearType, EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode,
};
use ratatui::layout::Rect;
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::{Terminal, TerminalOptions, Viewport};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

use super::keys::Keys;
use mptcpize_model::top::Key;

/// How a piece of text looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    /// As any.
    Plain,
    /// Bold.
    Bold,
    /// Dim.
    Dim,
    /// In a colour of the terminal's palette.
    Green,
}

/// Columns and lines of a terminal that does not say how many it has, as one of a container that was made a
/// moment ago: what tput(1) takes then.
const UNTOLD: (u16, u16) = (80, 24);

/// Columns and lines, if the terminal says them (TIOCGWINSZ, ioctl_tty(2)).
fn told() -> Option<(u16, u16)> {
    let size = rustix::termios::tcgetwinsize(stdout()).ok()?;
    (size.ws_col > 0 && size.ws_row > 0).then_some((size.ws_col, size.ws_row))
}

/// One of its own size, or of a fixed one: to look for what it does not say, a program would be run each time.
fn terminal(told: Option<(u16, u16)>) -> io::Result<Terminal<CrosstermBackend<Stdout>>> {
    let viewport = match told {
        Some(_) => Viewport::Fullscreen,
        None => Viewport::Fixed(Rect::new(0, 0, UNTOLD.0, UNTOLD.1)),
    };
    let options = TerminalOptions { viewport };
    Terminal::with_options(CrosstermBackend::new(stdout()), options)
}

/// The terminal, ours as long as this lives.
pub struct Screen {
    terminal: Terminal<CrosstermBackend<Stdout>>,
    /// It says how large it is.
    told: bool,
    keys: Keys,
}

impl Screen {
    /// Takes it over.
    ///
    /// # Errors
    /// Standard output is no terminal, or refuses.
    pub fn open() -> io::Result<Self> {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            restore();
            before(panic);
        }));
        enable_raw_mode()?;
        // From here on dropping it restores what was.
        let told = told();
        let terminal = terminal(told)?;
        let mut screen = Screen { terminal, told: told.is_some(), keys: Keys::default() };
        // Not by the terminal's own clear(), which asks for the cursor's place and fails where nobody answers.
        execute!(stdout(), EnterAlternateScreen, Clear(ClearType::All))?;
        screen.terminal.hide_cursor()?;
        Ok(screen)
    }

    /// Columns and lines.
    ///
    /// # Errors
    /// The terminal is gone.
    pub fn size(&mut self) -> io::Result<(usize, usize)> {
        let told = told();
        if told.is_some() != self.told {
            self.terminal = terminal(told)?;
            self.told = told.is_some();
            execute!(stdout(), Clear(ClearType::All))?;
        }
        let (width, height) = told.unwrap_or(UNTOLD);
        Ok((width.into(), height.into()))
    }

    /// Shows a frame; only what changed is written.
    ///
    /// # Errors
    /// The terminal is gone.
    pub fn draw(&mut self, lines: &[Vec<(String, Look)>]) -> io::Result<()> {
        self.terminal.draw(|frame| {
            let area = frame.area();
            let buffer = frame.buffer_mut();
            for (y, line) in (area.top()..area.bottom()).zip(lines) {
                let spans =
                    line.iter().map(|(text, look)| Span::styled(text.as_str(), style(*look)));
                let line = Line::from(spans.collect::<Vec<_>>());
                buffer.set_line(area.left(), y, &line, area.width);
            }
        })?;
        Ok(())
    }

    /// The keys that were pressed and are waiting.
    ///
    /// # Errors
    /// The terminal is gone.
    pub fn keys(&mut self) -> io::Result<Vec<Key>> {
        let input = stdin();
        let mut pressed = Vec::new();
        let mut bytes = [0; 256];
        loop {
            let mut ready = [PollFd::new(&input, PollFlags::IN)];
            let at_once = Timespec { tv_sec: 0, tv_nsec: 0 };
            match poll(&mut ready, Some(&at_once)) {
                Ok(0) => return Ok(pressed),
                Err(Errno::INTR) => continue,
                other => other?,
            };
            if ready[0].revents().intersects(PollFlags::HUP | PollFlags::ERR) {
                return Err(gone());
            }
            match rustix::io::read(&input, &mut bytes) {
                Ok(0) => return Err(gone()),
                Ok(count) => pressed.extend(self.keys.take(&bytes[..count])),
                Err(Errno::INTR | Errno::AGAIN) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

fn gone() -> io::Error {
    io::Error::new(io::ErrorKind::BrokenPipe, "the terminal is gone")
}

impl Drop for Screen {
    fn drop(&mut self) {
        restore();
    }
}

/// Gives the terminal back. Harmless when it is not ours.
fn restore() {
    let _ = disable_raw_mode();
    let _ = execute!(stdout(), LeaveAlternateScreen, Show);
}

fn style(look: Look) -> Style {
    match look {
        Look::Plain => Style::new(),
        Look::Bold => Style::new().add_modifier(Modifier::BOLD),
        Look::Dim => Style::new().add_modifier(Modifier::DIM),
        Look::Green => Style::new().fg(Color::Green),
    }
}
